//! The content of `/metrics`.

use std::collections::BTreeSet;
use std::io;

use std::sync::Arc;

use hansel::{AccessLog, Counter, Gauge, GaugeFn, Histogram, Metrics, Request, Routes};

use crate::support::{Client, Gate, OpenAtEnd, get, no_deadlines, sample, server, start};

#[test]
fn requests_are_counted_by_pattern_and_never_by_path() {
    let routes = Routes::new().get("/people/{id}", |id: u32| id.to_string());
    let server = start(server().loops(2).health(), routes);
    for n in 0..10 {
        assert_eq!(server.connect().get(&format!("/people/{n}")).status, 200);
    }
    let mut client = server.connect();
    assert_eq!(client.get("/nowhere").status, 404);
    client.send("FROB /people/7 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.response().status, 405);
    let text = client.get("/metrics").text().to_owned();
    for line in [
        r#"hansel_requests_total{endpoint="/people/{id}",method="GET",status="2xx"} 10"#,
        r#"hansel_requests_total{endpoint="-",method="GET",status="4xx"} 1"#,
        r#"hansel_request_duration_seconds_count{endpoint="/people/{id}"} 10"#,
        r#"hansel_connections_accepted_total 11"#,
        r#"hansel_loops 2"#,
        r#"hansel_ready 1"#,
    ] {
        assert!(text.lines().any(|exposed| exposed == line), "{line} in {text}");
    }
    assert!(!text.contains("nowhere") && !text.contains("FROB"), "{text}");
}

/// Returns the names that begin with `hansel_` in a text.
fn names_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("hansel_")).collect()
}

#[test]
fn dashboards_name_only_metrics_that_exist() {
    let server = start(server().health(), || "Hello");
    let mut client = server.connect();
    client.get("/");
    let exposed = client.get("/metrics").text().to_owned();
    let exist = names_in(&exposed);
    for dashboard in [
        include_str!("../../examples/grafana/hansel.json"),
        include_str!("../../src/server/probes/status.html"),
    ] {
        let named = names_in(dashboard);
        assert!(named.len() >= 8, "{named:?}");
        let missing: Vec<_> = named.difference(&exist).collect();
        assert!(missing.is_empty(), "{missing:?} are not in {exposed}");
    }
}

#[test]
fn every_line_is_a_sample_of_the_family_it_stands_in() {
    let server = start(server().health(), || "Hello");
    let mut client = server.connect();
    client.get("/");
    let text = client.get("/metrics").text().to_owned();
    let mut family = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# TYPE ") {
            family = name.split(' ').next().unwrap();
        } else if !line.starts_with("# HELP ") {
            assert!(line.starts_with(family), "{line} in {family}");
            let value = line.rsplit_once(' ').unwrap().1;
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}

#[test]
fn the_programs_own_follow_in_the_order_in_which_they_were_added_and_no_client_makes_them_grow() {
    static ORDERS: Counter = Counter::new("shop_orders_total", "Orders.");
    static PAYMENTS: Counter<1> = Counter::labelled("shop_payments_total", "Payments.", [("method", &["card"])]);
    let seconds = Arc::new(Histogram::new("shop_seconds", "Seconds.", &[0.5]));
    let guests = Arc::new(Gauge::new("shop_guests", "Guests."));
    let (timed, entered) = (Arc::clone(&seconds), Arc::clone(&guests));
    let routes = Routes::new().get("/pay/{method}", move |method: &str| {
        ORDERS.add(1);
        PAYMENTS.add_for([method], 1);
        timed.observe(0.25);
        entered.add(1.0);
    });
    let first = Metrics::new().with(&ORDERS).with(&PAYMENTS).with(seconds);
    let second = Metrics::new()
        .with(guests)
        .with(GaugeFn::new("shop_broken", "Broken.", || panic!("on purpose")))
        .with(GaugeFn::new("shop_queue", "Queue.", || 3.0));
    let server = start(server().loops(2).health().metrics(first).metrics(second), routes);
    let mut client = server.connect();
    client.get("/pay/card");
    for n in 0..100 {
        client.get(&format!("/pay/{n}"));
    }
    let text = client.get("/metrics").text().to_owned();
    let (_, own) = text.split_once("# HELP shop_orders_total ").unwrap();
    assert!(!own.contains("hansel_"), "behind the server's own: {own}");
    let expected = "Orders.\n# TYPE shop_orders_total counter\nshop_orders_total 101\n\
        # HELP shop_payments_total Payments.\n# TYPE shop_payments_total counter\n\
        shop_payments_total{method=\"card\"} 1\nshop_payments_total{method=\"other\"} 100\n\
        # HELP shop_seconds Seconds.\n# TYPE shop_seconds histogram\n\
        shop_seconds_bucket{le=\"0.5\"} 101\nshop_seconds_bucket{le=\"+Inf\"} 101\n\
        shop_seconds_sum 25.25\nshop_seconds_count 101\n\
        # HELP shop_guests Guests.\n# TYPE shop_guests gauge\nshop_guests 101\n\
        # HELP shop_broken Broken.\n# TYPE shop_broken gauge\n\
        # HELP shop_queue Queue.\n# TYPE shop_queue gauge\nshop_queue 3\n";
    assert_eq!(own, expected);
}

#[test]
#[should_panic(expected = "the metric `shop_orders_total`, declared at tests/server/metrics.rs:")]
fn metrics_that_are_added_apart_have_names_of_their_own() {
    let orders = || Metrics::new().with(Counter::new("shop_orders_total", "Orders."));
    let _ = server().health().metrics(orders()).metrics(orders());
}

#[test]
fn refusals_and_panics_are_counted_by_kind() {
    let limits = no_deadlines().body(10);
    let server = start(server().limits(limits).health(), |request: &Request| {
        if request.segment(0) == Some("panic") {
            panic!("on purpose");
        }
    });
    let mut client = server.connect();
    assert_eq!(server.connect().post("/", &[0; 11]).status, 413);
    server.connect().send("NONSENSE\r\n\r\n");
    assert_eq!(client.get("/panic").status, 500);
    assert_eq!(
        sample(&mut client, r#"hansel_requests_refused_total{status="413"}"#),
        1.0
    );
    assert_eq!(sample(&mut client, "hansel_handler_panics_total"), 1.0);
}

#[test]
fn passes_are_counted_by_who_saw_the_need() {
    // On a busy machine the watch may see a handler that blocks before it has said so, and from then on it is known.
    let has_said = (0..100).any(|_| {
        let gate = Gate::new();
        let at = gate.clone();
        let server = start(server().limits(no_deadlines()).health(), move || {
            hansel::blocking(|| at.pass());
        });
        let _open = OpenAtEnd(&gate);
        let mut waiting = server.connect();
        waiting.send(get("/"));
        gate.await_arrived(1);
        let passes = sample(&mut server.connect(), r#"hansel_loop_passes_total{reason="said"}"#);
        gate.admit(1);
        waiting.response();
        passes >= 1.0
    });
    assert!(has_said);
}

#[test]
fn what_waits_for_a_thread_is_told() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = start(server().threads(1).limits(no_deadlines()).health(), move || at.pass());
    let _open = OpenAtEnd(&gate);
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        client.send(get("/"));
    }
    gate.await_arrived(1);
    let mut asking = server.connect();
    // The second one has been sent; when it is read is up to the system.
    while sample(&mut asking, "hansel_queue_length") < 1.0 {
        std::thread::yield_now();
    }
    gate.admit(2);
    for client in &mut clients {
        client.response();
    }
    assert_eq!(sample(&mut asking, "hansel_queue_length"), 0.0);
}

#[test]
fn connections_turned_away_are_counted() {
    let limits = no_deadlines().connections(1);
    let server = start(server().limits(limits).health_on("127.0.0.1:0").unwrap(), || "Hello");
    let mut only = server.connect();
    only.get("/");
    // It has begun to ask, so it is not idle.
    only.send("GET / HT");
    assert_eq!(server.connect().response().status, 503);
    let mut asking = Client::connect(server.health_addrs()[0]);
    assert_eq!(
        sample(&mut asking, r#"hansel_connections_refused_total{reason="limit"}"#),
        1.0
    );
}

#[test]
fn lines_that_the_log_could_not_take_are_counted() {
    struct Hanging(Gate);
    impl io::Write for Hanging {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.pass();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let gate = Gate::new();
    let _open = OpenAtEnd(&gate);
    let log = AccessLog::combined(Hanging(gate.clone())).buffer(0);
    let server = start(server().access_log(log).health(), || "Hello");
    let mut client = server.connect();
    for _ in 0..10 {
        client.get("/");
    }
    assert_eq!(sample(&mut client, "hansel_access_log_lines_dropped_total"), 10.0);
}
