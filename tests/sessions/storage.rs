//! What is kept where, how often, and what caches may keep.

use hansel::test::Client;
use hansel::{Request, Response, Session};

use crate::support::{Counting, client, cookie, in_cookie, in_store, routes};

#[test]
fn whoever_reads_the_store_can_be_nobody() {
    let store = Counting::new();
    let client = client(in_store(&store));
    client.post("/login/gretel", "");
    let id = cookie(&client);
    let sessions = store.sessions.lock().unwrap();
    let (key, stored) = sessions.iter().next().unwrap();
    let shown = format!("{key} {key:?} {} {stored:?}", stored.text());
    assert!(!shown.contains(&id), "{shown}");
    drop(sessions);
    let as_key = format!(
        "__Host-session={key}",
        key = store.sessions.lock().unwrap().keys().next().unwrap()
    );
    let response = client.send(Request::get("/read/user").with_header("Cookie", as_key));
    assert_eq!(response.text(), "", "a key of the store is no id");
}

#[test]
fn only_changes_are_written() {
    let store = Counting::new();
    let client = client(in_store(&store));
    client.get("/plain");
    client.get("/read/user");
    assert_eq!(store.calls(), (0, 0), "there is no session");
    client.post("/login/gretel", "");
    assert_eq!(store.calls(), (0, 1));
    client.get("/plain");
    assert_eq!(store.calls(), (0, 1), "it is not used");
    client.get("/read/user");
    client.post("/set/user/gretel", "");
    assert_eq!(store.calls(), (2, 1), "nothing changes");
    client.post("/set/user/hansel", "");
    assert_eq!(store.calls(), (3, 2));
}

#[test]
fn what_a_client_makes_up_does_not_reach_the_store() {
    let store = Counting::new();
    let client = client(in_store(&store));
    for cookie in ["", "x", &"A".repeat(42), &"A".repeat(44), &"=".repeat(43)] {
        let sent = Request::get("/read/user").with_header("Cookie", format!("__Host-session={cookie}"));
        assert_eq!(client.send(sent).text(), "");
    }
    assert_eq!(store.calls(), (0, 0));
}

#[test]
fn a_session_that_no_cookie_can_hold_is_a_500() {
    let client = client(in_cookie());
    let set = |length: usize| client.post(&format!("/set/a/{}", "x".repeat(length)), "");
    assert_eq!(set(2800).status(), 204);
    assert_eq!(client.get("/read/a").text().len(), 2800);
    let response = set(4000);
    assert_eq!(response.status(), 500);
    assert_eq!(response.header("Set-Cookie"), None);
    assert_eq!(client.get("/read/a").text().len(), 2800, "the one before stays");
}

#[test]
fn a_response_that_depends_on_a_session_is_in_no_shared_cache() {
    for sessions in [in_cookie(), in_store(&Counting::new())] {
        let public = |session: Session| {
            session.set("a", "b");
            Response::new("x").with_header("Cache-Control", "public, max-age=60")
        };
        let client = Client::new(sessions.on(routes().get("/public", public))).with_cookies();
        let caching = |target: &str| {
            let response = client.get(target);
            let header = |name| response.header(name).map(str::to_owned);
            (header("Vary"), header("Cache-Control"))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(caching("/plain"), (None, None), "it does not depend on it");
        assert_eq!(caching("/read/a"), (some("Cookie"), some("private, no-cache")));
        assert_eq!(
            caching("/public"),
            (some("Cookie"), some("private, no-cache")),
            "it sets the cookie"
        );
        assert_eq!(
            caching("/public"),
            (some("Cookie"), some("public, max-age=60")),
            "its handler wants so"
        );
        assert_eq!(caching("/nowhere"), (None, None));
    }
}
