//! A chat: what one sends, all who subscribe get at once. No thread waits meanwhile.
//!
//! `cargo run --example topics`, then `curl -N http://127.0.0.1:8080/messages` in as many terminals as you like, and
//! `curl -d hello http://127.0.0.1:8080/messages`. Or open the page in two windows of a browser.

use hansel::{App, Event, Hooks, Html, Request, Routes, Server, State, StatusCode, Topic};

fn main() -> hansel::Result {
    Ok(Server::bind("127.0.0.1:8080")?.serve(chat())?)
}

fn chat() -> App {
    let routes = Routes::new()
        .get("/", || Html(PAGE))
        .get("/messages", |messages: State<Topic>| messages.subscribe())
        .post("/messages", say);
    App::new(Hooks::on(routes).state(Topic::new()))
}

fn say(request: &Request, messages: State<Topic>) -> hansel::Result<StatusCode> {
    messages.send(Event::new(request.bytes()?));
    Ok(StatusCode::NO_CONTENT)
}

/// A browser comes back by itself, with the id of the last message, and gets what it has missed.
const PAGE: &str = r##"<!doctype html>
<title>chat</title>
<ul id="messages"></ul>
<form><input autofocus> <button>Say</button></form>
<script>
const field = document.querySelector("input");
document.forms[0].onsubmit = event => {
  event.preventDefault();
  fetch("/messages", { method: "POST", body: field.value });
  field.value = "";
};
new EventSource("/messages").onmessage = event => {
  const line = document.createElement("li");
  line.textContent = event.data;
  document.querySelector("#messages").append(line);
};
</script>
"##;

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::test::Client;
    use std::io::BufRead;

    #[test]
    fn everybody_gets_what_one_says() {
        let client = Client::new(chat());
        let mut listeners: Vec<_> = (0..2).map(|_| client.open(Request::get("/messages"))).collect();
        assert_eq!(client.post("/messages", "hello\nworld").status(), 204);
        for listener in &mut listeners {
            assert_eq!(listener.response().header("Content-Type"), Some("text/event-stream"));
            let lines: Vec<_> = listener.lines().take(3).map(Result::unwrap).collect();
            assert_eq!(lines[1..], ["data: hello", "data: world"]);
        }
    }
}
