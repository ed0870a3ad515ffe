//! A chat over WebSockets, with names: each message is a call of a function, and a client that is silent needs no thread.
//!
//! `cargo run --example sockets --features websocket`, then open <http://127.0.0.1:8080/> in two windows of a browser.

use hansel::websocket::{Closed, Message, Opening, Socket, WebSocket};
use hansel::{App, Error, Hooks, Html, Request, Routes, Server, State, StatusCode, Topic};

fn main() -> hansel::Result {
    Ok(Server::bind("127.0.0.1:8080")?.serve(chat())?)
}

fn chat() -> App {
    let routes = Routes::new().get("/", || Html(PAGE)).get("/chat", enter);
    App::new(Hooks::on(routes).state(Topic::new()))
}

/// Opens a socket for whoever says a name. It joins the room, and what comes from it goes to all.
fn enter(request: &Request, socket: WebSocket, room: State<Topic>) -> Result<Opening<String>, Error> {
    let name = request.query_value("name").filter(|name| !name.is_empty());
    let name = name
        .ok_or_else(|| Error::new(StatusCode::BAD_REQUEST, "who are you?"))?
        .into_owned();
    let [entered, said, left] = [(); 3].map(|()| Topic::clone(&room));
    Ok(socket
        .open(name)
        .on_open(move |socket: &Socket<String>| {
            socket.join(&entered);
            entered.send(format!("{} is here", socket.state()));
        })
        .on_message(move |socket: &Socket<String>, message: Message<'_>| {
            said.send(format!("{}: {}", socket.state(), message.text().unwrap_or("?")));
        })
        .on_close(move |socket: &Socket<String>, _: &Closed| {
            left.send(format!("{} has left", socket.state()));
        }))
}

const PAGE: &str = r##"<!doctype html>
<title>chat</title>
<ul id="messages"></ul>
<form><input autofocus> <button>Say</button></form>
<script>
const name = prompt("Your name?") || "somebody";
const socket = new WebSocket(location.href.replace("http", "ws") + "chat?name=" + encodeURIComponent(name));
socket.onmessage = event => {
  const line = document.createElement("li");
  line.textContent = event.data;
  document.querySelector("#messages").append(line);
};
document.forms[0].onsubmit = event => {
  event.preventDefault();
  const field = document.querySelector("input");
  socket.send(field.value);
  field.value = "";
};
</script>
"##;

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::test::Client;

    #[test]
    fn all_hear_who_comes_what_is_said_and_who_goes() {
        let client = Client::new(chat());
        let refused = client.socket(Request::get("/chat")).unwrap_err();
        assert_eq!(refused.text(), "who are you?");
        let mut gretel = client.socket(Request::get("/chat?name=gretel")).unwrap();
        assert_eq!(gretel.receive(), Some(Message::Text("gretel is here")));
        let mut hansel = client.socket(Request::get("/chat?name=hansel")).unwrap();
        hansel.send("hello");
        for told in ["hansel is here", "hansel: hello"] {
            assert_eq!(gretel.receive(), Some(Message::Text(told)));
        }
        drop(hansel);
        assert_eq!(gretel.receive(), Some(Message::Text("hansel has left")));
    }
}
