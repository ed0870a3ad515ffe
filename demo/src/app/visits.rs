//! A session: a number for each browser, and a message for the next page.

use hansel::sessions::MemoryStore;
use hansel::{Hooks, Response, Routes, Session, Sessions};

pub(super) fn visits() -> Hooks {
    let routes = Routes::new().get("/", show).post("/", visit).delete("/", leave);
    Sessions::in_store(MemoryStore::new(10_000))
        .allow_plain_http_on_localhost(true)
        .on(routes)
}

fn visit(session: Session) -> Response {
    let visits: u32 = session.read("visits").unwrap_or(0);
    session.set("visits", &visits.saturating_add(1));
    session.flash("notice", "A message that is shown once: welcome!");
    Response::see_other("/visits")
}

fn show(session: Session) -> String {
    let visits: u32 = session.read("visits").unwrap_or(0);
    let mut text = format!("Your visits: {visits}\n");
    for flash in session.flashes() {
        text += &format!("{}\n", flash.text());
    }
    text
}

fn leave(session: Session) -> &'static str {
    session.end();
    "Forgotten.\n"
}

#[cfg(test)]
mod tests {
    use crate::app::app;
    use hansel::Request;
    use hansel::test::Client;

    #[test]
    fn each_browser_has_its_own_count_and_reads_a_message_once() {
        let client = Client::new(app()).with_cookies_over_plain_http();
        let send = |method: &str| {
            let request = Request::new(method.parse().unwrap(), "/visits").with_header("Host", "127.0.0.1:8000");
            client.send(request)
        };
        assert_eq!(send("GET").text(), "Your visits: 0\n");
        let moved = send("POST");
        assert_eq!(
            (moved.status().as_u16(), moved.header("Location")),
            (303, Some("/visits"))
        );
        send("POST");
        assert!(send("GET").text().starts_with("Your visits: 2\nA message"));
        assert_eq!(send("GET").text(), "Your visits: 2\n");
        assert_eq!(send("DELETE").text(), "Forgotten.\n");
        assert_eq!(send("GET").text(), "Your visits: 0\n");
    }
}
