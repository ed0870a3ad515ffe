//! Handlers that block, and all other requests meanwhile.

use hansel::{Request, Routes, Server};

use crate::support::{Client, Gate, OpenAtEnd, get, no_deadlines, sample, server, start};

/// `/wait` waits at `gate`; everything else is answered at once.
fn gated(gate: &Gate) -> impl Fn(&Request) -> String + use<> {
    let gate = gate.clone();
    move |request: &Request| {
        if request.segment(0) == Some("wait") {
            gate.pass();
        }
        request.path().to_owned()
    }
}

/// The same, and `/wait` says that it blocks.
fn announced(gate: &Gate) -> impl Fn(&Request) -> String + use<> {
    let gated = gated(gate);
    move |request: &Request| match request.segment(0) {
        Some("wait") => hansel::blocking(|| gated(request)),
        _ => gated(request),
    }
}

/// Many requests are answered while one handler blocks, and that one is answered once it may.
fn others_are_answered_while_one_blocks(server: Server) {
    let gate = Gate::new();
    let server = start(server.limits(no_deadlines()), gated(&gate));
    let _open = OpenAtEnd(&gate);
    let (mut blocked, mut other) = (server.connect(), server.connect());
    for round in 1..=5 {
        blocked.send(get("/wait"));
        gate.await_arrived(round);
        for n in 0..100 {
            let path = format!("/{n}");
            assert_eq!(other.get(&path).text(), path);
        }
        assert_eq!(server.connect().get("/new").text(), "/new");
        gate.admit(1);
        assert_eq!(blocked.response().text(), "/wait");
    }
}

#[test]
fn others_are_answered_while_one_blocks_on_one_loop() {
    others_are_answered_while_one_blocks(server().loops(1));
}

#[test]
fn others_are_answered_while_one_blocks_on_two_loops() {
    others_are_answered_while_one_blocks(server().loops(2));
}

#[test]
fn with_32_handlers_blocked_a_new_client_is_answered() {
    let gate = Gate::new();
    let server = start(server().limits(no_deadlines()), gated(&gate));
    let _open = OpenAtEnd(&gate);
    let mut blocked: Vec<_> = (0..32)
        .map(|_| {
            let mut client = server.connect();
            client.send(get("/wait"));
            client
        })
        .collect();
    gate.await_arrived(32);
    for _ in 0..100 {
        assert_eq!(server.connect().get("/fresh").text(), "/fresh");
    }
    gate.admit(32);
    for client in &mut blocked {
        assert_eq!(client.response().text(), "/wait");
    }
}

#[test]
fn a_handler_that_says_so_passes_the_loop_at_once() {
    let gate = Gate::new();
    let server = start(server().limits(no_deadlines()), announced(&gate));
    let _open = OpenAtEnd(&gate);
    let mut blocked = server.connect();
    for round in 1..=20 {
        blocked.send(get("/wait"));
        gate.await_arrived(round);
        assert_eq!(server.connect().get("/other").text(), "/other");
        gate.admit(1);
        assert_eq!(blocked.response().text(), "/wait");
    }
}

#[test]
fn a_connection_whose_handlers_block_is_given_away_until_one_does_not() {
    let gate = Gate::new();
    let at = gate.clone();
    let wait = Routes::new().get("/wait", move || hansel::blocking(|| at.pass()));
    let routes = wait.get("/quick", || "quick");
    let server = start(server().limits(no_deadlines()).health(), routes);
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    let mut others = server.connect();
    let mut rounds = 0;
    let mut given_by_then = |client: &mut Client| {
        rounds += 1;
        client.send(get("/wait"));
        gate.await_arrived(rounds);
        // Whoever has the handler, the loop serves others.
        assert_eq!(others.get("/quick").text(), "quick");
        let given = sample(&mut others, "hansel_requests_given_total");
        gate.admit(1);
        client.response();
        given
    };
    // The third one of a row is given away, if somebody is parked by then: else one soon after.
    assert_eq!([(); 2].map(|()| given_by_then(&mut client)), [0.0, 0.0]);
    let given = (0..1000).find_map(|_| Some(given_by_then(&mut client)).filter(|given| *given > 0.0));
    assert!(given.is_some(), "a row of a thousand blocks");
    // Nobody knows that this one is quick.
    assert_eq!(client.get("/quick").text(), "quick");
    let given = given_by_then(&mut client);
    assert_eq!(given_by_then(&mut client), given, "a new row has begun");
}

#[test]
fn a_handler_that_computes_for_long_does_not_hold_up_others() {
    // It spins, so that the system cannot tell it from any other running thread, until another
    // request has been answered.
    let gate = Gate::new();
    let seen = gate.clone();
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        if request.segment(0) == Some("spin") {
            while seen.arrived() == 0 {
                std::hint::spin_loop();
            }
        }
        request.path().to_owned()
    });
    let mut spinning = server.connect();
    spinning.send(get("/spin"));
    assert_eq!(server.connect().get("/other").text(), "/other");
    gate.admit(1);
    gate.pass();
    assert_eq!(spinning.response().text(), "/spin");
}

#[test]
fn responses_to_earlier_pipelined_requests_leave_before_a_handler_that_says_that_it_blocks() {
    let gate = Gate::new();
    let server = start(server().limits(no_deadlines()), announced(&gate));
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    client.send(format!("{}{}{}{}", get("/1"), get("/2"), get("/wait"), get("/3")));
    assert_eq!(client.response().text(), "/1");
    assert_eq!(client.response().text(), "/2");
    gate.await_arrived(1);
    gate.admit(1);
    assert_eq!(client.response().text(), "/wait");
    assert_eq!(client.response().text(), "/3");
}

#[test]
fn responses_to_earlier_pipelined_requests_leave_before_a_handler_that_nothing_is_known_of() {
    let gate = Gate::new();
    let quick = |request: &Request| request.path().to_owned();
    let routes = Routes::new().get("/quick", quick).get("/wait", gated(&gate));
    let server = start(server().limits(no_deadlines()), routes);
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    // The first of its kind that is called, and it does not say that it blocks.
    client.send(format!("{}{}{}", get("/quick"), get("/quick"), get("/wait")));
    assert_eq!(client.response().text(), "/quick");
    assert_eq!(client.response().text(), "/quick");
    gate.await_arrived(1);
    gate.admit(1);
    assert_eq!(client.response().text(), "/wait");
}

/// Responses are sent several at a time; one that is made already must not wait for a handler that blocks.
#[test]
fn responses_to_others_leave_while_a_handler_blocks_that_came_with_them() {
    let gate = Gate::new();
    let quick = |request: &Request| request.path().to_owned();
    let routes = Routes::new().get("/quick", quick).get("/wait", gated(&gate));
    let server = start(server().loops(1).limits(no_deadlines()), routes);
    let _open = OpenAtEnd(&gate);
    let mut clients: Vec<_> = (0..40).map(|_| server.connect()).collect();
    for round in 1..=20 {
        // The one that blocks is somewhere among them.
        let blocked = (7 * round) % clients.len();
        for (i, client) in clients.iter_mut().enumerate() {
            client.send(get(if i == blocked { "/wait" } else { "/quick" }));
        }
        for (i, client) in clients.iter_mut().enumerate() {
            if i != blocked {
                assert_eq!(client.response().text(), "/quick");
            }
        }
        gate.await_arrived(round);
        gate.admit(1);
        assert_eq!(clients[blocked].response().text(), "/wait");
    }
}

#[test]
fn requests_behind_one_that_blocks_wait_for_it_and_keep_their_order() {
    let gate = Gate::new();
    let server = start(server().limits(no_deadlines()), gated(&gate));
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    client.send(get("/wait"));
    gate.await_arrived(1);
    for n in 0..200 {
        client.send(get(&format!("/{n}")));
    }
    assert_eq!(server.connect().get("/other").text(), "/other");
    gate.admit(1);
    assert_eq!(client.response().text(), "/wait");
    for n in 0..200 {
        assert_eq!(client.response().text(), format!("/{n}"));
    }
}

#[test]
fn a_client_that_goes_away_while_its_handler_blocks_harms_nobody() {
    let gate = Gate::new();
    let server = start(server().limits(no_deadlines()), gated(&gate));
    let _open = OpenAtEnd(&gate);
    for round in 1..=20 {
        let mut gone = server.connect();
        gone.send(get("/wait"));
        gate.await_arrived(round);
        if round % 2 == 0 {
            gone.reset();
        } else {
            drop(gone);
        }
        gate.admit(1);
        assert_eq!(server.connect().get("/other").text(), "/other");
    }
}
