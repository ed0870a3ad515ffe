//! Requests of one session at the same time.

use hansel::test::Client;
use hansel::{Request, Session};

use crate::support::{Counting, Later, cookie, in_store, routes, send_with};

/// A client whose `/while/{action}` uses the session, then lets another request of it run, and then does the action.
fn client(later: &Later, store: &std::sync::Arc<Counting>, other: &'static str) -> Client {
    let inner = later.clone();
    let slow = move |session: Session, action: String| {
        session.read::<String>("user");
        // Its own client's jar is the same browser.
        assert!(inner.client().post(other, "").status().is_success());
        match &*action {
            "set" => session.set("cart", "7"),
            "login" => {
                session.renew();
                session.set("cart", "7");
            }
            "renew" => session.renew(),
            "read" => {}
            _ => session.end(),
        }
    };
    Client::new(in_store(store).on(routes().post("/while/{action}", slow))).with_cookies()
}

/// What is left of the session after an action, during which another request ran.
fn left(action: &str, other: &'static str) -> (String, String, usize) {
    let (later, store) = (Later::default(), Counting::new());
    let client = later.is(client(&later, &store, other));
    client.post("/login/gretel", "");
    client.post("/set/cart/0", "");
    client.post(&format!("/while/{action}"), "");
    let read = |key: &str| client.get(&format!("/read/{key}")).text().to_owned();
    (read("user"), read("cart"), store.len())
}

fn text(user: &str, cart: &str, sessions: usize) -> (String, String, usize) {
    (user.to_owned(), cart.to_owned(), sessions)
}

#[test]
fn changes_of_different_values_are_both_kept() {
    assert_eq!(left("set", "/set/user/hansel"), text("hansel", "7", 1));
}

#[test]
fn of_one_value_the_later_change_is_kept() {
    assert_eq!(left("set", "/set/cart/1"), text("gretel", "7", 1));
}

#[test]
fn a_session_that_has_ended_is_not_brought_back_by_a_request_that_began_before() {
    for action in ["set", "read", "renew", "end"] {
        assert_eq!(left(action, "/logout"), text("", "", 0), "{action}");
    }
    assert_eq!(
        left("login", "/logout"),
        text("", "7", 1),
        "only what it has set itself"
    );
}

#[test]
fn a_request_that_began_before_a_login_does_not_undo_it() {
    assert_eq!(left("set", "/login/hansel"), text("hansel", "0", 1));
    assert_eq!(left("read", "/login/hansel"), text("hansel", "0", 1));
}

#[test]
fn a_login_keeps_what_others_have_changed_meanwhile() {
    assert_eq!(left("renew", "/set/user/hansel"), text("hansel", "0", 1));
    assert_eq!(left("login", "/set/user/hansel"), text("hansel", "7", 1));
}

#[test]
fn the_old_id_is_gone_after_two_logins_at_once() {
    let (later, store) = (Later::default(), Counting::new());
    let client = later.is(client(&later, &store, "/login/hansel"));
    client.post("/login/gretel", "");
    let old = cookie(client);
    client.post("/while/login", "");
    assert_eq!(send_with(client, &old, Request::get("/read/user")).text(), "");
}
