"""simpledispatch's document: `python simple.py`, then http://localhost:8000/extended and http://localhost:8000/monkey."""

from hansel.simpledispatch import SimpleDispatch, application, serve


class Service(SimpleDispatch):
    def method_extended(self, params: list[str]) -> str:
        return f"extended {params}"


def monkey(self: SimpleDispatch, params: list[str]) -> str:
    return f"monkey {params}"


Service.method_monkey = monkey  # type: ignore[attr-defined]

service = application(Service)

if __name__ == "__main__":
    serve(Service)
