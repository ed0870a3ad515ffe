//! The ids of sessions: what begins, changes and ends them.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use hansel::sessions::MemoryStore;
use hansel::test::Client;
use hansel::{Hooks, Keys, Request, Routes, Session, Sessions};

use crate::support::{Counting, client, cookie, in_cookie, in_store, routes, send_with};

#[test]
fn a_session_begins_with_its_first_value_and_ends() {
    for sessions in [in_cookie(), Sessions::in_store(MemoryStore::new(10))] {
        let client = client(sessions);
        let response = client.get("/read/user");
        assert_eq!(
            response.header("Set-Cookie"),
            None,
            "nothing is set for whoever only looks"
        );
        client.post("/set/user/gretel", "");
        assert_eq!(client.get("/read/user").text(), "gretel");
        assert_eq!(client.post("/logout", "").status(), 204);
        assert_eq!(cookie(&client), "", "the browser has removed it");
        assert_eq!(client.get("/read/user").text(), "");
    }
}

#[test]
fn the_cookie_is_for_this_host_encrypted_and_out_of_reach_of_scripts() {
    for sessions in [in_cookie(), Sessions::in_store(MemoryStore::new(10))] {
        let response = client(sessions).post("/set/a/b", "");
        let (pair, attributes) = response.header("Set-Cookie").unwrap().split_once(';').unwrap();
        assert!(pair.starts_with("__Host-session="), "{pair}");
        assert_eq!(attributes, " Path=/; Secure; HttpOnly; SameSite=Lax");
    }
}

#[test]
fn an_id_that_a_client_made_up_is_never_adopted() {
    let store = Counting::new();
    let client = client(in_store(&store));
    let planted = "A".repeat(43);
    let response = send_with(&client, &planted, Request::post("/set/user/gretel"));
    let set = response.header("Set-Cookie").unwrap();
    assert!(set.starts_with("__Host-session=") && !set.contains(&planted), "{set}");
    assert_eq!(send_with(&client, &planted, Request::get("/read/user")).text(), "");
    assert_eq!(client.get("/read/user").text(), "gretel", "the new one is the client's");
}

#[test]
fn whoever_has_seen_the_id_before_the_login_has_nothing_after_it() {
    let store = Counting::new();
    let client = client(in_store(&store));
    client.post("/set/cart/7", "");
    let seen = cookie(&client);
    client.post("/login/gretel", "");
    assert_ne!(cookie(&client), seen);
    assert_eq!(client.get("/read/user").text(), "gretel");
    assert_eq!(client.get("/read/cart").text(), "7", "values stay");
    for key in ["user", "cart"] {
        assert_eq!(
            send_with(&client, &seen, Request::get(&format!("/read/{key}"))).text(),
            ""
        );
    }
    assert_eq!(store.len(), 1);
}

#[test]
fn a_session_in_a_store_has_ended_for_every_copy_of_its_cookie() {
    let store = Counting::new();
    let client = client(in_store(&store));
    client.post("/login/gretel", "");
    let copy = cookie(&client);
    client.post("/logout", "");
    assert_eq!(send_with(&client, &copy, Request::get("/read/user")).text(), "");
    assert_eq!(store.len(), 0);
}

#[test]
fn a_copy_of_a_session_in_a_cookie_is_not_recalled_as_is_said() {
    let client = client(in_cookie());
    client.post("/login/gretel", "");
    let copy = cookie(&client);
    client.post("/logout", "");
    assert_eq!(client.get("/read/user").text(), "");
    assert_eq!(send_with(&client, &copy, Request::get("/read/user")).text(), "gretel");
}

#[test]
fn what_is_set_after_the_end_is_in_a_new_session() {
    let store = Counting::new();
    let again = |session: Session| {
        session.end();
        session.flash("info", "You are logged out.");
    };
    let client = Client::new(in_store(&store).on(routes().post("/again", again))).with_cookies();
    client.post("/login/gretel", "");
    let before = cookie(&client);
    client.post("/again", "");
    assert_ne!(cookie(&client), before);
    assert_eq!(client.get("/read/user").text(), "");
    assert_eq!(send_with(&client, &before, Request::get("/read/user")).text(), "");
    assert_eq!(store.len(), 1);
}

#[test]
fn an_encrypted_session_is_read_by_nobody_and_changed_by_nobody() {
    let client = client(in_cookie());
    client.post("/login/gretel", "");
    let sealed = cookie(&client);
    assert!(!sealed.contains("gretel"));
    for at in (0..sealed.len()).step_by(7) {
        let mut changed = sealed.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(
            send_with(&client, &changed, Request::get("/read/user")).text(),
            "",
            "{at}"
        );
    }
    let other = crate::support::client(Sessions::in_cookie(&Keys::random()));
    assert_eq!(send_with(&other, &sealed, Request::get("/read/user")).text(), "");
    let named = crate::support::client(in_cookie().name("other"));
    let sent = Request::get("/read/user").with_header("Cookie", format!("__Host-other={sealed}"));
    assert_eq!(named.send(sent).text(), "", "a cookie of another name");
}

#[test]
fn keys_rotate_without_logging_anybody_out() {
    let (old, new) = (Keys::new(&[1; 32]), Keys::new(&[2; 32]).with_old(&[1; 32]));
    let before = client(Sessions::in_cookie(&old));
    before.post("/login/gretel", "");
    let after = client(Sessions::in_cookie(&new));
    assert_eq!(
        send_with(&after, &cookie(&before), Request::get("/read/user")).text(),
        "gretel"
    );
    send_with(&after, &cookie(&before), Request::post("/set/cart/7"));
    let alone = client(Sessions::in_cookie(&Keys::new(&[2; 32])));
    assert_eq!(
        send_with(&alone, &cookie(&after), Request::get("/read/user")).text(),
        "gretel"
    );
}

#[test]
fn a_cookie_without_the_prefix_is_no_session() {
    let store = Counting::new();
    let client = client(in_store(&store));
    client.post("/login/gretel", "");
    let sent = Request::get("/read/user").with_header("Cookie", format!("session={}", cookie(&client)));
    assert_eq!(client.send(sent).text(), "", "another subdomain may have set it");
}

#[test]
fn plain_http_is_for_localhost_and_only_if_it_is_allowed() {
    let set = |sessions: Sessions, host: &str| {
        let client = Client::new(sessions.on(routes())).with_cookies_over_plain_http();
        let response = client.send(Request::post("/set/user/gretel").with_header("Host", host));
        let read = client.send(Request::get("/read/user").with_header("Host", host));
        (
            response.header("Set-Cookie").unwrap().contains("Secure"),
            read.text() == "gretel",
        )
    };
    for place in [in_cookie, || in_store(&Counting::new())] {
        assert_eq!(set(place(), "localhost:8000"), (true, false));
        assert_eq!(
            set(place().allow_plain_http_on_localhost(true), "localhost:8000"),
            (false, true)
        );
        assert_eq!(
            set(place().allow_plain_http_on_localhost(true), "example.com"),
            (true, false)
        );
        assert_eq!(
            set(place().allow_plain_http_on_localhost(false), "localhost"),
            (true, false)
        );
    }
}

#[test]
fn a_session_is_kept_with_every_response_but_that_of_a_panic() {
    let store = Counting::new();
    let fails = |session: Session| -> hansel::Result<()> {
        session.set("a", "failed");
        Err("on purpose".into())
    };
    let panics = |request: &Request, session: Session| {
        session.set("a", "panicked");
        if request.path() == "/panics" {
            panic!("on purpose")
        }
    };
    let routes = routes().post("/fails", fails).post("/panics", panics);
    let client = Client::new(in_store(&store).on(routes)).with_cookies();
    assert_eq!(client.post("/fails", "").status(), 500);
    assert_eq!(client.get("/read/a").text(), "failed");
    assert_eq!(client.post("/panics", "").status(), 500);
    assert_eq!(client.get("/read/a").text(), "failed");
}

#[test]
fn a_store_that_fails_is_a_500() {
    let store = Counting::new();
    let client = client(in_store(&store));
    client.post("/login/gretel", "");
    store.fails.store(true, SeqCst);
    assert_eq!(client.get("/read/user").status(), 500, "it can't be loaded");
    client.forget_cookies();
    let response = client.post("/login/gretel", "");
    assert_eq!(response.status(), 500, "it can't be kept");
    assert_eq!(response.header("Set-Cookie"), None);
    assert_eq!(client.get("/plain").status(), 200, "it is not used");
}

#[test]
fn what_can_not_be_json_is_a_500_and_nothing_is_kept() {
    let store = Counting::new();
    let set = |session: Session| session.set("map", &std::collections::HashMap::from([((1, 2), 3)]));
    let client = Client::new(in_store(&store).on(Routes::new().post("/", set))).with_cookies();
    assert_eq!(client.post("/", "").status(), 500);
    assert_eq!((store.len(), cookie(&client).as_str()), (0, ""));
}

#[test]
fn a_value_of_another_type_is_as_good_as_missing() {
    let store = Counting::new();
    let count = |session: Session| {
        let count = session.read::<u32>("count").unwrap_or(0) + 1;
        session.set("count", &count);
        format!("{count} {:?}", session.read::<String>("count"))
    };
    let client = Client::new(in_store(&store).on(routes().get("/count", count))).with_cookies();
    client.post("/set/count/many", "");
    assert_eq!(client.get("/count").text(), "1 None");
    assert_eq!(client.get("/count").text(), "2 None");
}

#[test]
fn messages_are_shown_once_and_no_more_than_a_page_can_take() {
    let store = Counting::new();
    let add = |session: Session, text: String| session.flash("info", &text);
    let show = |session: Session| {
        let messages = session.flashes().into_iter();
        messages
            .map(|message| format!("{}:{} ", message.kind(), message.text()))
            .collect::<String>()
    };
    let routes = Routes::new().get("/", show).post("/{text}", add);
    let client = Client::new(in_store(&store).on(routes)).with_cookies();
    client.post("/saved", "");
    client.post("/sent", "");
    assert_eq!(client.get("/").text(), "info:saved info:sent ");
    assert_eq!(client.get("/").text(), "");
    for number in 0..20 {
        client.post(&format!("/{number}"), "");
    }
    let shown = client.get("/").text().to_owned();
    assert_eq!(shown.split_whitespace().count(), 16);
    assert!(shown.starts_with("info:4 ") && shown.ends_with("info:19 "), "{shown}");
}

#[test]
fn nothing_of_a_session_is_shown() {
    let shown = Arc::new(std::sync::Mutex::new(String::new()));
    let noted = Arc::clone(&shown);
    let debug = move |session: Session| {
        session.set("password", "breadcrumbs");
        *noted.lock().unwrap() = format!("{session:?}");
    };
    let sessions = in_store(&Counting::new());
    let settings = format!("{sessions:?} {:?}", in_cookie());
    Client::new(sessions.on(Routes::new().post("/", debug))).post("/", "");
    assert_eq!(*shown.lock().unwrap(), "Session");
    assert!(
        settings.contains("\"store\"") && settings.contains("\"cookie\"") && !settings.contains('7'),
        "{settings}"
    );
}

#[test]
#[should_panic(expected = "needs `Sessions` around it, and there is none: put `Sessions::in_store")]
fn a_handler_that_takes_a_session_where_there_are_none_is_found_at_start() {
    let _ = hansel::App::new(routes());
}

#[test]
fn a_hook_that_takes_a_session_where_there_are_none_is_a_500() {
    let hooks =
        Hooks::on(|| "x").before(|request: &Request| -> hansel::Result<()> { Session::of(request).map(|_| ()) });
    assert_eq!(Client::new(hooks).get("/").status(), 500);
}

#[test]
#[should_panic(expected = "sessions can't have this name")]
fn a_name_that_no_cookie_can_have_is_found_at_start() {
    let _ = in_cookie().name("my session");
}
