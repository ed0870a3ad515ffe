//! Deadlines that clients set by a header: they shorten the time of a handler, and never lengthen it.

use std::time::Duration;

use hansel::{App, ClientDeadline, Hooks, Request, RouteLimits, Routes};

use crate::support::{Gate, NEVER, OpenAtEnd, no_deadlines, sample, server, start};

const SOON: Duration = Duration::from_millis(100);

/// Routes that wait at `gate`, with and without a deadline of their own.
fn hanging(gate: &Gate) -> App {
    let at = gate.clone();
    let hang = move |request: &Request| {
        match request.capture("how") {
            Some("hang") => at.pass(),
            Some("block") => hansel::blocking(|| at.pass()),
            _ => {}
        }
        request.path().to_owned()
    };
    let routes = Routes::new()
        .get("/server/{how}", hang.clone())
        .get("/short/{how}", hang.clone())
        .route_deadline(SOON)
        .get("/always/{how}", hang)
        .route_deadline(None);
    let limits = RouteLimits::new().client_deadline(ClientDeadline::milliseconds("X-Wait"));
    App::new(Hooks::on(routes).limits(limits))
}

fn get(path: &str, wait: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nX-Wait: {wait}\r\n\r\n")
}

#[test]
fn a_client_has_its_503_when_it_says_whatever_else_allows_the_handler_more() {
    for handler in [None, Some(NEVER)] {
        let gate = Gate::new();
        let server = start(server().limits(no_deadlines().handler(handler)), hanging(&gate));
        let _open = OpenAtEnd(&gate);
        let paths = ["/server/hang", "/always/hang", "/server/block", "/always/block"];
        for (round, path) in (1..).zip(paths) {
            let mut client = server.connect();
            client.send(get(path, "50"));
            gate.await_arrived(round);
            client.assert_given_up();
        }
        // Byte by byte, and behind requests with other deadlines.
        let mut client = server.connect();
        for byte in get("/always/hang", "50").bytes() {
            client.send([byte]);
        }
        client.assert_given_up();
        let mut client = server.connect();
        client.send(
            [
                get("/server/1", "60000"),
                get("/always/2", "50000"),
                get("/server/3", "40000.5"),
            ]
            .concat(),
        );
        for path in ["/server/1", "/always/2", "/server/3"] {
            assert_eq!(client.response().text(), path);
        }
        client.send(get("/server/block", "50"));
        client.assert_given_up();
    }
}

#[test]
fn a_client_that_waits_longer_gets_no_more_time_than_route_and_server_allow() {
    let gate = Gate::new();
    let server = start(server().limits(no_deadlines().handler(SOON)), hanging(&gate));
    let _open = OpenAtEnd(&gate);
    for (round, path) in (1..).zip(["/server/hang", "/short/hang", "/server/block"]) {
        let mut client = server.connect();
        client.send(get(path, "99999999999999999999"));
        gate.await_arrived(round);
        client.assert_given_up();
    }
}

#[test]
fn the_deadline_of_one_request_is_not_that_of_the_next_on_the_connection() {
    let gate = Gate::new();
    let server = start(server().threads(4).limits(no_deadlines()).health(), hanging(&gate));
    let _open = OpenAtEnd(&gate);
    let mut patient = server.connect();
    assert_eq!(patient.get("/server/first").text(), "/server/first");
    patient.send(get("/server/now", "50000"));
    assert_eq!(patient.response().text(), "/server/now");
    patient.send(get("/server/hang", "60000"));
    gate.await_arrived(1);
    // A handler that began later is overdue, so the other has had more time than that.
    let mut client = server.connect();
    client.send(get("/server/hang", "40"));
    gate.await_arrived(2);
    client.assert_given_up();
    let mut probe = server.connect();
    assert_eq!(sample(&mut probe, "hansel_threads_lost"), 1.0);
    gate.admit(2);
    assert_eq!(patient.response().text(), "/server/hang");
}

#[test]
fn a_malformed_deadline_is_a_400_that_keeps_the_connection() {
    let gate = Gate::new();
    let server = start(server().limits(no_deadlines()), hanging(&gate));
    let mut client = server.connect();
    client.send([get("/server/1", "soon"), get("/server/2", "1000")].concat());
    let refused = client.response();
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(refused.field("Connection"), None);
    assert_eq!(client.response().text(), "/server/2");
}

#[test]
fn a_hook_that_takes_long_counts_and_so_does_what_comes_before_the_route_is_known() {
    let gate = Gate::new();
    let at = gate.clone();
    let slow = move |_: &Request| {
        at.pass();
    };
    let limits = RouteLimits::new().client_deadline(ClientDeadline::milliseconds("X-Wait"));
    let inside = Hooks::on(Routes::new().get("/", || ""))
        .before(slow)
        .limits(limits.clone());
    let at = gate.clone();
    let outside =
        Hooks::on(Hooks::on(Routes::new().get("/", move || at.pass())).limits(limits)).before(|_: &Request| {
            std::thread::sleep(Duration::from_millis(30));
        });
    let routes = Routes::new().mount("/inside", inside).mount("/outside", outside);
    let server = start(server().limits(no_deadlines()), App::new(routes));
    let _open = OpenAtEnd(&gate);
    for path in ["/inside", "/outside"] {
        let mut client = server.connect();
        client.send(get(path, "50"));
        client.assert_given_up();
    }
}
