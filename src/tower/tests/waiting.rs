//! Requests that wait for a thread or a place, and handlers that take too long.

use super::*;

#[test]
fn head_of_a_stream_needs_no_place_among_streams() {
    let limits = Limits::new().queue(0);
    let mut service = Service::new(|| crate::Body::stream(|_| Ok(()))).with_limits(limits);
    service = service.with_threads(2);
    let _others = service.host.pool.shared().streaming_place().unwrap();
    assert_eq!(status(&mut service, get("/")), 503);
    let mut head = get("/");
    *head.method_mut() = http::Method::HEAD;
    assert_eq!(status(&mut service, head), 200);
}

#[test]
fn a_full_queue_and_a_long_wait_are_told() {
    let limits = Limits::new().queue(1).queue_time(SOON);
    let (mut service, begun, release) = holding(limits, 1);
    let mut held = service.call(get("/hold"));
    assert!(is_pending(&mut held));
    begun.recv().unwrap();
    let mut queued = service.call(get("/"));
    assert!(is_pending(&mut queued));
    let full = reply(&mut service, get("/"));
    assert_eq!(full.status(), 503);
    assert_eq!(full.headers()["retry-after"], "1");
    let text = collect(full.into_body()).unwrap();
    assert_eq!(text, b"503 Service Unavailable: too many requests are waiting\n");
    let late = block_on(queued).unwrap();
    assert_eq!(late.status(), 503);
    assert_eq!(late.headers()["retry-after"], "1");
    let mut left = service.call(get("/"));
    assert!(is_pending(&mut left), "it has the place of the one that was too late");
    drop(left);
    let mut last = service.call(get("/"));
    assert!(is_pending(&mut last), "it has the place of the one that has left");
    drop(last);
    release.send(()).unwrap();
    assert_eq!(block_on(held).unwrap().status(), 200);
    assert_eq!(status(&mut service, get("/")), 200);
}

#[test]
fn a_request_for_which_no_thread_can_be_started_waits_no_longer_than_any_other() {
    let (mut service, begun, _release) = holding(Limits::new().queue_time(SOON), 2);
    let out_of_threads = Arc::clone(service.host.pool.shared());
    out_of_threads.is_out_of_threads.store(true, SeqCst);
    let text = |reply: Reply| (reply.status().as_u16(), collect(reply.into_body()).unwrap());
    let at_once = (
        503,
        b"503 Service Unavailable: there is no thread for the request\n".to_vec(),
    );
    assert_eq!(text(reply(&mut service, get("/"))), at_once);
    out_of_threads.is_out_of_threads.store(false, SeqCst);
    let mut held = service.call(get("/hold"));
    assert!(is_pending(&mut held));
    begun.recv().unwrap();
    out_of_threads.is_out_of_threads.store(true, SeqCst);
    let late = b"503 Service Unavailable: the request waited too long for a thread\n".to_vec();
    assert_eq!(text(reply(&mut service, get("/"))), (503, late));
}

#[test]
fn a_hook_for_responses_sees_what_waited_too_long() {
    let (begins, begun) = mpsc::channel();
    let (_never, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let app = App::new(move |_: &Request| {
        begins.send(()).unwrap();
        let _ = gate.lock().unwrap().recv_timeout(NEVER);
    });
    let app = app.respond(|seen, response| {
        let target = seen.request().map_or("", Request::target);
        response.set_header("X-Seen", format!("{:?} {target}", seen.origin()));
    });
    let limits = Limits::new()
        .queue(1)
        .queue_time(SOON)
        .handler(5 * SOON)
        .transfer_time(SOON);
    let mut service = Service::new(app).with_limits(limits).with_threads(1);
    let seen = |reply: Reply| (reply.status().as_u16(), reply.headers()["x-seen"].clone());
    let mut held = service.call(get("/held"));
    assert!(is_pending(&mut held));
    begun.recv().unwrap();
    let mut queued = service.call(get("/queued"));
    assert!(is_pending(&mut queued));
    assert_eq!(
        seen(reply(&mut service, get("/full"))),
        (503, "Refused /full".parse().unwrap())
    );
    assert_eq!(
        seen(block_on(queued).unwrap()),
        (503, "Refused /queued".parse().unwrap())
    );
    assert_eq!(seen(block_on(held).unwrap()), (503, "Overdue /held".parse().unwrap()));
    let mut stalled = frames(&[]);
    stalled.stalls = true;
    let stalled = reply(&mut service, post("/stalled").body(stalled).unwrap());
    assert_eq!(seen(stalled), (408, "Refused /stalled".parse().unwrap()));
}

#[test]
fn a_handler_that_takes_too_long_is_answered_for_and_replaced() {
    let limits = Limits::new().handler(SOON).queue(0);
    let (mut service, begun, release) = holding(limits, 2);
    for _ in 0..3 {
        let mut held = service.call(get("/hold"));
        assert!(is_pending(&mut held));
        begun.recv().unwrap();
        let overdue = block_on(held).unwrap();
        assert_eq!(overdue.status(), 503);
        assert_eq!(overdue.headers()["retry-after"], "1");
    }
    assert_eq!(
        status(&mut service, get("/")),
        503,
        "half of two threads are replaced, no more"
    );
    drop(release);
    while status(&mut service, get("/")) != 200 {
        std::thread::yield_now();
    }
}

#[test]
fn a_handler_whose_client_has_left_is_lost_as_well() {
    let limits = Limits::new().handler(SOON).queue(8);
    let (mut service, begun, _release) = holding(limits, 2);
    for _ in 0..2 {
        let mut held = service.call(get("/hold"));
        assert!(is_pending(&mut held));
        begun.recv().unwrap();
        drop(held);
    }
    assert_eq!(status(&mut service, get("/")), 200, "one of them is replaced");
}

#[test]
fn what_streams_waits_for_a_place_and_takes_no_thread_meanwhile() {
    let (mut service, _ended) = endless(queueing(2, NEVER), 2);
    let first = reply(&mut service, get("/stream"));
    let mut second = service.call(get("/stream"));
    assert!(is_pending(&mut second), "there is one place");
    let mut upload = service.call(post("/upload").body(frames(&[b"ham"])).unwrap());
    assert!(is_pending(&mut upload));
    // Its handler has run, and it waits behind the upload or before it.
    while service.host.pool.shared().waiting_for_places() < 2 {
        std::thread::yield_now();
    }
    assert_eq!(status(&mut service, get("/")), 200, "there is a thread for others");
    drop(first);
    let second = std::thread::spawn(move || block_on(second).unwrap().status());
    let (head, body) = block_on(upload).unwrap().into_parts();
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(collect(body).unwrap(), b"3");
    assert_eq!(second.join().unwrap(), StatusCode::OK);
}

#[test]
fn what_waits_too_long_for_a_place_or_finds_too_many_waiting_is_503() {
    for (limits, reason) in [
        (queueing(0, NEVER), "too many requests are waiting"),
        (queueing(1, SOON), "the request waited too long for a place"),
    ] {
        let (mut service, _ended) = endless(limits, 2);
        let _first = reply(&mut service, get("/stream"));
        let upload = post("/upload").body(frames(&[b"ham"])).unwrap();
        for reply in [reply(&mut service, get("/stream")), reply(&mut service, upload)] {
            assert_eq!(reply.status(), 503);
            assert_eq!(reply.headers()["retry-after"], "1");
            let text = collect(reply.into_body()).unwrap();
            assert_eq!(text, format!("503 Service Unavailable: {reason}\n").into_bytes());
        }
    }
}

#[test]
fn what_waits_for_a_place_is_dropped_with_its_client_and_may_panic_then() {
    struct Bomb(mpsc::Sender<()>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            panic!("on purpose")
        }
    }
    let (drops, dropped) = mpsc::channel();
    let service = Service::new(move |_: &Request| {
        let bomb = Bomb(drops.clone());
        crate::Body::stream(move |_| {
            let _ = &bomb;
            Ok(())
        })
    });
    let mut service = service.with_limits(queueing(1, NEVER)).with_threads(2);
    let others = service.host.pool.shared().streaming_place();
    let mut waiting = service.call(get("/"));
    assert!(is_pending(&mut waiting));
    while service.host.pool.shared().waiting_for_places() < 1 {
        std::thread::yield_now();
    }
    drop(waiting);
    dropped.recv().unwrap();
    assert_eq!(service.host.pool.shared().waiting_for_places(), 0);
    drop(others);
    assert_eq!(status(&mut service, get("/")), 200);
}

#[test]
fn threads_end_with_the_last_clone_of_their_service() {
    let mut service = Service::new(|| "fine");
    let other = service.clone();
    assert_eq!(status(&mut service, get("/")), 200);
    let host = Arc::downgrade(&service.host);
    let pool = Arc::downgrade(service.host.pool.shared());
    drop(service);
    assert!(host.upgrade().is_some());
    drop(other);
    while host.strong_count() + pool.strong_count() > 0 {
        std::thread::yield_now();
    }
}
