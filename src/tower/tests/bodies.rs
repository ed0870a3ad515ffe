//! Bodies of requests and of responses.

use super::*;

#[test]
fn streams_come_whole_and_in_order() {
    let mut service = Service::new(|_: &Request| {
        crate::Body::stream(|client| {
            use std::io::Write;
            (0..1000).try_for_each(|n| write!(client, "{n} "))
        })
    });
    let (_, body) = answered(&mut service, get("/"));
    let expected: String = (0..1000).map(|n| format!("{n} ")).collect();
    assert_eq!(String::from_utf8(body).unwrap(), expected);
}

#[test]
fn a_piece_of_a_body_may_be_larger_than_the_room_for_it() {
    for (body_buffer, body_memory) in [(0, 0), (100_000, 0), (100_000, 300_000), (1_000_000, 10_000_000)] {
        let limits = Limits::new().body_buffer(body_buffer).body_memory(body_memory);
        let sum = |request: &Request| -> crate::Result<String> {
            let content = request.bytes()?;
            let sum: u64 = content.iter().map(|byte| u64::from(*byte)).sum();
            Ok(format!("{} {sum}", content.len()))
        };
        let mut service = Service::new(sum).with_limits(limits.clone());
        let content: Vec<u8> = (0..2_000_000_u32).map(|n| n as u8).collect();
        let expected: u64 = content.iter().map(|byte| u64::from(*byte)).sum();
        let expected = format!("2000000 {expected}");
        for piece in [content.len(), 700_000] {
            let pieces: Vec<&[u8]> = content.chunks(piece).collect();
            let chunked = post("/").body(frames(&pieces)).unwrap();
            let sized = post("/").header("content-length", content.len());
            for request in [chunked, sized.body(frames(&pieces)).unwrap()] {
                let body = reply(&mut service, request).into_body();
                assert_eq!(
                    collect(body).unwrap(),
                    expected.as_bytes(),
                    "{body_buffer} {body_memory}"
                );
            }
        }
        let client = crate::test::Client::new(sum).with_limits(limits);
        assert_eq!(
            client.post("/", content).text(),
            expected,
            "{body_buffer} {body_memory}"
        );
    }
}

#[test]
fn an_upload_that_stalls_is_given_up() {
    let stalled = |limits: Limits| {
        let mut service = Service::new(|request: &Request| request.text().map(str::to_owned)).with_limits(limits);
        let mut body = frames(&[b"ham"]);
        body.stalls = true;
        status(&mut service, post("/").body(body).unwrap())
    };
    let limits = Limits::new().transfer_time(SOON);
    assert_eq!(stalled(limits.clone()), 408);
    let live = limits.body_buffer(2).handler(SOON / 2);
    assert_eq!(
        stalled(live),
        408,
        "it waits for its client, which is not held against the handler"
    );
}

#[test]
fn a_large_body_is_read_while_its_handler_runs() {
    let seen = |request: &Request| -> crate::Result<String> {
        let mut begin = [0; 3];
        io::Read::read_exact(&mut request.body(), &mut begin)?;
        let length = 3 + io::copy(&mut request.body(), &mut io::sink())?;
        let sum = request
            .trailers()
            .map(|(name, value)| format!("{name}={}", value.escape_ascii()));
        Ok(format!("{length} {}", sum.collect::<String>()))
    };
    for body_buffer in [0, 1_000_000] {
        let limits = Limits::new().body_buffer(body_buffer);
        let mut service = Service::new(seen).with_limits(limits);
        let piece = vec![b'x'; 30_000];
        let mut body = frames(&[&piece[..]; 10]);
        let trailers = [("sum".parse().unwrap(), "1".parse().unwrap())];
        body.trailers = Some(trailers.into_iter().collect());
        let (head, body) = reply(&mut service, post("/").body(body).unwrap()).into_parts();
        let text = String::from_utf8(collect(body).unwrap()).unwrap();
        assert_eq!((head.status.as_u16(), &text[..]), (200, "300000 sum=1"));
        let sized = post("/").header("content-length", 300_000);
        let sized = reply(&mut service, sized.body(frames(&[&piece[..]; 10])).unwrap());
        assert_eq!(collect(sized.into_body()).unwrap(), b"300000 ");
    }
}

#[test]
fn a_body_that_waits_to_be_asked_for_is_asked_for_when_its_handler_reads() {
    let limits = Limits::new().body_buffer(1);
    let mut service = Service::new(|request: &Request| match request.path() {
        "/no" => Ok("no".to_owned()),
        _ => request.text().map(str::to_owned),
    });
    service = service.with_limits(limits);
    for (path, text, asked) in [("/no", "no", false), ("/", "ham", true)] {
        let body = frames(&[b"ham"]);
        let polled = Arc::clone(&body.polled);
        let request = post(path).header("expect", "100-continue").header("content-length", 3);
        let reply = reply(&mut service, request.body(body).unwrap());
        assert_eq!(collect(reply.into_body()).unwrap(), text.as_bytes());
        assert_eq!(polled.load(SeqCst) > 0, asked, "{path}");
    }
}

#[test]
fn a_stream_whose_client_leaves_ends_and_gives_its_thread_back() {
    let (mut service, ended) = endless(Limits::default(), 1);
    let streaming = reply(&mut service, get("/stream"));
    assert_eq!(streaming.status(), 200);
    let mut queued = service.call(get("/"));
    assert!(is_pending(&mut queued), "there is one thread only");
    drop(streaming);
    assert_eq!(ended.recv().unwrap(), io::ErrorKind::BrokenPipe);
    assert_eq!(block_on(queued).unwrap().status(), 200);
}

#[test]
fn a_stream_whose_client_does_not_read_is_given_up() {
    let (mut service, ended) = endless(Limits::new().transfer_time(SOON).rate(u32::MAX), 1);
    let streaming = reply(&mut service, get("/stream"));
    assert_eq!(ended.recv().unwrap(), io::ErrorKind::TimedOut);
    let error = collect(streaming.into_body()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_stream_that_goes_on_too_long_is_cut_off() {
    let (mut service, ended) = endless(Limits::new().stream(SOON), 1);
    let streaming = reply(&mut service, get("/stream"));
    assert!(collect(streaming.into_body()).is_err());
    assert_eq!(ended.recv().unwrap(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_stream_that_fails_or_panics_is_an_error_of_its_body() {
    let mut service = Service::new(|request: &Request| match request.path() {
        "/panic" => crate::Body::stream(|client| {
            io::Write::write_all(client, b"begun")?;
            panic!("on purpose")
        }),
        "/short" => crate::Body::sized_reader(&b"short"[..], 9),
        _ => crate::Body::stream(|_| Err(io::Error::other("no more"))),
    });
    for path in ["/panic", "/short", "/fails"] {
        let body = reply(&mut service, get(path)).into_body();
        assert!(collect(body).is_err(), "{path}");
    }
}
