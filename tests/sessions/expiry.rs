//! The times of sessions.

use std::time::Duration;

use hansel::Request;

use crate::support::{Clock, Counting, client, cookie, in_cookie, in_store, send_with};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

#[test]
fn a_session_ends_after_half_an_hour_without_use() {
    for place in [in_cookie, || in_store(&Counting::new())] {
        let clock = Clock::new();
        let client = client(clock.of(place()));
        client.post("/login/gretel", "");
        clock.pass(30 * MINUTE - 1);
        assert_eq!(client.get("/read/user").text(), "gretel");
        clock.pass(30 * MINUTE - 1);
        assert_eq!(client.get("/read/user").text(), "gretel", "use has prolonged it");
        clock.pass(30 * MINUTE);
        assert_eq!(client.get("/read/user").text(), "");
    }
}

#[test]
fn a_session_ends_after_twelve_hours_however_much_it_is_used() {
    for place in [in_cookie, || in_store(&Counting::new())] {
        let clock = Clock::new();
        let client = client(clock.of(place()));
        client.post("/login/gretel", "");
        for _ in 0..12 * 3 - 1 {
            clock.pass(20 * MINUTE);
            assert_eq!(client.get("/read/user").text(), "gretel");
        }
        clock.pass(20 * MINUTE);
        assert_eq!(client.get("/read/user").text(), "");
    }
}

#[test]
fn a_copy_of_a_cookie_ends_with_the_session_although_a_browser_would_keep_it() {
    let clock = Clock::new();
    let client = client(clock.of(in_cookie()));
    client.post("/login/gretel", "");
    let copy = cookie(&client);
    clock.pass(30 * MINUTE);
    assert_eq!(send_with(&client, &copy, Request::get("/read/user")).text(), "");
}

#[test]
fn a_login_begins_the_time_again() {
    let clock = Clock::new();
    let client = client(clock.of(in_store(&Counting::new()).idle(Duration::from_secs(24 * HOUR))));
    client.post("/set/cart/7", "");
    clock.pass(11 * HOUR);
    client.post("/login/gretel", "");
    clock.pass(11 * HOUR);
    assert_eq!(client.get("/read/user").text(), "gretel");
    clock.pass(HOUR);
    assert_eq!(client.get("/read/user").text(), "");
}

#[test]
fn times_can_be_set_and_none_is_too_long() {
    let clock = Clock::new();
    let forever = in_cookie().idle(Duration::MAX).absolute(Duration::MAX).persistent();
    let client = client(clock.of(forever));
    client.post("/login/gretel", "");
    clock.pass(1_000_000 * HOUR);
    assert_eq!(client.get("/read/user").text(), "gretel");
    let never = crate::support::client(in_cookie().idle(Duration::ZERO));
    never.post("/login/gretel", "");
    assert_eq!(never.get("/read/user").text(), "");
}

#[test]
fn a_persistent_cookie_lasts_as_long_as_its_session() {
    for place in [in_cookie, || in_store(&Counting::new())] {
        let client = client(place().persistent());
        let response = client.post("/set/a/b", "");
        let set = response.header("Set-Cookie").unwrap();
        assert!(set.contains("; Max-Age=43200;"), "{set}");
    }
}

#[test]
fn use_is_written_down_once_a_minute() {
    let (clock, store) = (Clock::new(), Counting::new());
    let client = client(clock.of(in_store(&store)));
    client.post("/login/gretel", "");
    for (passed, expected) in [(0, 1), (59, 1), (1, 2), (59, 2), (1, 3)] {
        clock.pass(passed);
        assert_eq!(client.get("/read/user").text(), "gretel");
        assert_eq!(store.calls().1, expected);
    }
    let (clock, client) = (clock, crate::support::client(Clock::new().of(in_cookie())));
    client.post("/login/gretel", "");
    clock.pass(1);
    assert_eq!(client.get("/read/user").header("Set-Cookie"), None);
}
