"""picohttp's document, with its import changed: `python pico.py`, then http://localhost:8080/hello."""

from hansel.picohttp import *


def requestHandler(request: HttpRequest, response: HttpResponse) -> None:
    if request.path[0] == "hello":
        response.data = "Hello world!"
    elif request.path[0] == "goodbye":
        response.data = "Goodbye cruel world"
    else:
        response.status = 404


if __name__ == "__main__":
    httpServer = HttpServer(8080, requestHandler)
