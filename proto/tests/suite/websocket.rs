//! RFC 6455: the handshake, and frames. Each case is fed whole, byte by byte, cut in two at each place, and with further
//! bytes behind it.

use hansel_proto::websocket::{
    CloseCode, Failure, Limits, Opcode, Opening, OpeningFault, Received, Receiver, Utf8, encode, encode_close,
    encode_masked,
};
use proptest::prelude::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What a receiver has made of its input.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Seen {
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Failed(Failure),
}

/// Feeds pieces to a receiver, and returns what it has seen, and the length of the message that is not complete.
fn fed<'p>(mut receiver: Receiver, pieces: impl IntoIterator<Item = &'p [u8]>) -> (Vec<Seen>, usize) {
    let mut seen = Vec::new();
    let mut message = Vec::new();
    for piece in pieces {
        let mut input = piece.to_vec();
        let mut position = 0;
        loop {
            let rest = &mut input[position..];
            let (consumed, received) = match receiver.receive(rest) {
                Ok(received) => received,
                Err(failure) => {
                    seen.push(Seen::Failed(failure));
                    return (seen, 0);
                }
            };
            match received {
                Some(Received::Data(piece)) => {
                    assert!(!piece.starts || message.is_empty(), "no message begins within another");
                    message.extend_from_slice(&rest[piece.start..piece.end]);
                    if piece.ends {
                        let message = std::mem::take(&mut message);
                        seen.push(if piece.is_text {
                            Seen::Text(message)
                        } else {
                            Seen::Bytes(message)
                        });
                    }
                }
                Some(Received::Ping) => seen.push(Seen::Ping(receiver.control().to_vec())),
                Some(Received::Pong) => seen.push(Seen::Pong(receiver.control().to_vec())),
                Some(Received::Close) => {
                    let close = receiver.close().unwrap();
                    seen.push(Seen::Close(close.code.map(CloseCode::get), close.reason.to_owned()));
                }
                Some(other) => panic!("{other:?}"),
                None => {
                    assert_eq!(consumed, rest.len(), "all is consumed");
                    break;
                }
            }
            position += consumed;
        }
    }
    (seen, message.len())
}

fn receiver() -> Receiver {
    Receiver::of_server(Limits::default().frame(70_000).message(70_000).fragments(8))
}

#[track_caller]
fn check(sent: &[u8], expected: &[Seen]) {
    let has_failed = matches!(expected.last(), Some(Seen::Failed(_)));
    assert_eq!(fed(receiver(), [sent]).0, expected, "whole");
    let bytes = fed(receiver(), sent.chunks(1)).0;
    assert_eq!(bytes, expected, "byte by byte");
    for middle in (0..sent.len()).take(300) {
        let (first, second) = sent.split_at(middle);
        assert_eq!(fed(receiver(), [first, second]).0, expected, "cut at {middle}");
    }
    let behind = masked(Opcode::Text, true, b"behind");
    let with_more = [sent, &behind].concat();
    let mut then = expected.to_vec();
    if !has_failed && !matches!(expected.last(), Some(Seen::Close(..))) {
        then.push(Seen::Text(b"behind".to_vec()));
    }
    assert_eq!(fed(receiver(), [&with_more[..]]).0, then, "with more behind it");
}

fn masked(opcode: Opcode, is_final: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_masked(opcode, is_final, false, payload, MASK, &mut out);
    out
}

fn text(text: &str) -> Seen {
    Seen::Text(text.as_bytes().to_vec())
}

fn fails(sent: &[u8], failure: Failure) {
    check(sent, &[Seen::Failed(failure)]);
}

#[test]
fn the_examples_of_section_5_7() {
    check(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &[text("Hello")]);
    check(
        b"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        &[Seen::Ping(b"Hello".to_vec())],
    );
    check(
        b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        &[Seen::Pong(b"Hello".to_vec())],
    );
    let mut out = Vec::new();
    encode(Opcode::Text, true, false, b"Hello", &mut out);
    assert_eq!(out, b"\x81\x05\x48\x65\x6c\x6c\x6f");
    out.clear();
    encode(Opcode::Text, false, false, b"Hel", &mut out);
    encode(Opcode::Continuation, true, false, b"lo", &mut out);
    assert_eq!(out, b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f");
    for (len, head) in [(256, &b"\x82\x7e\x01\x00"[..]), (65536, b"\x82\x7f\0\0\0\0\0\x01\0\0")] {
        out.clear();
        encode(Opcode::Binary, true, false, &vec![7; len], &mut out);
        assert_eq!(&out[..head.len()], head);
        assert_eq!(out.len(), head.len() + len);
    }
}

#[test]
fn payloads_of_every_length_class_arrive_unmasked() {
    for len in [0, 1, 3, 4, 7, 8, 9, 124, 125, 126, 127, 128, 65535, 65536, 70_000] {
        let payload: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
        check(&masked(Opcode::Binary, true, &payload), &[Seen::Bytes(payload)]);
    }
}

#[test]
fn a_length_must_be_as_short_as_it_can_be() {
    fails(b"\x82\xfe\x00\x7d", Failure::Length);
    fails(b"\x82\xff\0\0\0\0\0\0\xff\xff", Failure::Length);
    fails(b"\x82\xff\x80\0\0\0\0\0\0\0", Failure::Length);
}

#[test]
fn reserved_bits_and_opcodes_are_refused() {
    for first in [0xc1, 0xa1, 0x91, 0xf1, 0xc9, 0xd8] {
        let sent = [first, 0x80, 1, 2, 3, 4];
        fails(&sent, Failure::ReservedBits);
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        fails(&[0x80 | opcode, 0x80, 1, 2, 3, 4], Failure::UnknownOpcode);
    }
}

#[test]
fn the_bit_of_compressed_messages_is_for_their_first_frame_only() {
    let receiver = || receiver().with_compression(true);
    let is_refused = |sent: &[u8]| fed(receiver(), [sent]).0 == [Seen::Failed(Failure::ReservedBits)];
    assert!(!is_refused(b"\xc1\x80\x01\x02\x03\x04"));
    assert!(is_refused(b"\xc9\x80\x01\x02\x03\x04"), "a ping");
    assert!(
        is_refused(b"\x41\x80\x01\x02\x03\x04\xc0\x80\x01\x02\x03\x04"),
        "a continuation"
    );
}

#[test]
fn frames_of_clients_are_masked_and_those_of_servers_are_not() {
    fails(b"\x81\x05Hello", Failure::Unmasked);
    let of_client = || Receiver::of_client(Limits::default());
    assert_eq!(fed(of_client(), [&b"\x81\x05Hello"[..]]).0, [text("Hello")]);
    let sent = masked(Opcode::Text, true, b"Hello");
    assert_eq!(fed(of_client(), [&sent[..]]).0, [Seen::Failed(Failure::Masked)]);
}

#[test]
fn control_frames_are_short_and_whole_and_may_come_within_a_message() {
    fails(&masked(Opcode::Ping, false, b""), Failure::FragmentedControl);
    fails(b"\x89\xfe\x00\x7e\0\0\0\0", Failure::LongControl);
    let most = vec![b'x'; 125];
    check(&masked(Opcode::Ping, true, &most), &[Seen::Ping(most)]);
    let sent = [
        masked(Opcode::Text, false, b"Hel"),
        masked(Opcode::Ping, true, b"1"),
        masked(Opcode::Continuation, false, b""),
        masked(Opcode::Pong, true, b"2"),
        masked(Opcode::Continuation, true, b"lo"),
    ];
    let expected = [Seen::Ping(b"1".to_vec()), Seen::Pong(b"2".to_vec()), text("Hello")];
    check(&sent.concat(), &expected);
}

#[test]
fn fragments_of_messages_are_not_mixed() {
    fails(&masked(Opcode::Continuation, true, b"x"), Failure::Continuation);
    let first = masked(Opcode::Text, false, b"a");
    fails(&[first.clone(), first].concat(), Failure::Interleaved);
    let whole = [
        masked(Opcode::Text, true, b"a"),
        masked(Opcode::Continuation, true, b"b"),
    ];
    check(&whole.concat(), &[text("a"), Seen::Failed(Failure::Continuation)]);
}

#[test]
fn limits_are_enforced_by_the_head_of_a_frame() {
    let head = |len: u64| [&b"\x82\xff"[..], &len.to_be_bytes()].concat();
    fails(&[&head(70_001)[..], &MASK].concat(), Failure::FrameTooLong);
    let two = [
        masked(Opcode::Binary, false, &[0; 40_000]),
        masked(Opcode::Continuation, true, &[0; 40_000]),
    ];
    assert_eq!(
        fed(receiver(), [&two.concat()[..]]).0,
        [Seen::Failed(Failure::MessageTooLong)]
    );
    let many: Vec<u8> = (0..9)
        .flat_map(|n| masked(if n == 0 { Opcode::Text } else { Opcode::Continuation }, false, b""))
        .collect();
    fails(&many, Failure::TooManyFragments);
}

#[test]
fn text_is_utf_8_and_the_first_wrong_byte_fails() {
    let whole = "κόσμε \u{10ffff} \u{ffff}";
    check(&masked(Opcode::Text, true, whole.as_bytes()), &[text(whole)]);
    for wrong in [
        &b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"[..],
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
        b"\xfe",
        b"\x80",
        b"a\xff",
    ] {
        fails(&masked(Opcode::Text, true, wrong), Failure::NotUtf8);
    }
    // It ends within a character.
    fails(&masked(Opcode::Text, true, b"a\xe1\xbd"), Failure::NotUtf8);
    let across = [
        masked(Opcode::Text, false, b"a\xe1"),
        masked(Opcode::Continuation, true, b"\xbd\xb9"),
    ];
    check(&across.concat(), &[text("a\u{1f79}")]);
    // Neither the rest of the frame nor the rest of the message is waited for.
    let sent = masked(Opcode::Text, false, b"\xf4\x90 and more");
    let (seen, _) = fed(receiver(), [&sent[..8]]);
    assert_eq!(seen, [Seen::Failed(Failure::NotUtf8)]);
}

#[test]
fn closing_has_a_code_that_may_be_sent_and_nothing_counts_after_it() {
    let sent = |payload: &[u8]| masked(Opcode::Close, true, payload);
    check(&sent(b""), &[Seen::Close(None, String::new())]);
    check(&sent(b"\x03\xe8bye"), &[Seen::Close(Some(1000), "bye".into())]);
    fails(&sent(b"\x03"), Failure::CloseFrame);
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999u16,
    ] {
        check(&sent(&code.to_be_bytes()), &[Seen::Close(Some(code), String::new())]);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535u16] {
        fails(&sent(&code.to_be_bytes()), Failure::CloseFrame);
    }
    fails(&sent(b"\x03\xe8\xff"), Failure::NotUtf8);
    check(
        &[sent(b""), b"\xff\xff\xff".to_vec()].concat(),
        &[Seen::Close(None, String::new())],
    );
}

#[test]
fn the_reason_that_is_sent_fits_and_ends_with_a_whole_character() {
    for reason in [
        "",
        "bye",
        &"é".repeat(61),
        &"é".repeat(62),
        &"x".repeat(200),
        &format!("x{}", "é".repeat(80)),
    ] {
        let mut out = Vec::new();
        encode_close(Some(CloseCode::GOING_AWAY), reason, &mut out);
        let (seen, _) = fed(Receiver::of_client(Limits::default()), [&out[..]]);
        let [Seen::Close(Some(1001), got)] = &seen[..] else {
            panic!("{seen:?}")
        };
        assert!(reason.starts_with(got.as_str()) && (got == reason || got.len() >= 122));
    }
}

#[test]
fn a_handshake_has_all_that_it_must_have() {
    let good = [
        ("Connection", "keep-alive, Upgrade"),
        ("UPGRADE", "h2c, WebSocket"),
        ("Sec-WebSocket-Version", " 13 "),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let of = |method: &str, fields: &[(&'static str, &'static str)]| {
        let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
        Opening::of(method, fields).map_err(|error| (error.fault(), error.status()))
    };
    assert_eq!(&of("GET", &good).unwrap().accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let without = |at: usize| {
        let mut fields = good.to_vec();
        fields.remove(at);
        of("GET", &fields).unwrap_err()
    };
    assert_eq!(without(0), (OpeningFault::NoUpgrade, 426));
    assert_eq!(without(1), (OpeningFault::NoUpgrade, 426));
    assert_eq!(without(2), (OpeningFault::Version, 426));
    assert_eq!(without(3), (OpeningFault::Key, 400));
    assert_eq!(of("POST", &good).unwrap_err(), (OpeningFault::Method, 400));
    for (at, value) in [
        (0, "upgraded"),
        (1, "websockets"),
        (2, "8"),
        (2, "13, 8"),
        (3, "dGhlIHNhbXBsZSBub25jZQ="),
    ] {
        let mut fields = good;
        fields[at].1 = value;
        assert!(of("GET", &fields).is_err(), "{value}");
    }
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25jZR==",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25j*Q==",
    ] {
        let mut fields = good;
        fields[3].1 = key;
        assert_eq!(of("GET", &fields).unwrap_err(), (OpeningFault::Key, 400), "{key}");
    }
    for twice in [2, 3] {
        let fields = [&good[..], &[good[twice]]].concat();
        assert!(of("GET", &fields).is_err(), "{twice}");
    }
}

#[test]
fn an_idle_socket_needs_little() {
    assert!(size_of::<Receiver>() <= 256, "{}", size_of::<Receiver>());
}

proptest! {
    #[test]
    fn utf_8_is_what_the_standard_library_takes_for_it_wherever_it_is_cut(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..12),
            "\\PC{0,6}".prop_map(String::into_bytes),
            proptest::collection::vec(prop_oneof![Just(0xed), Just(0xf4), Just(0xe1), Just(0x90), Just(0xa0), Just(0x80), Just(b'a')], 0..8),
        ],
        size in 1usize..5,
    ) {
        let mut text = Utf8::new();
        let is_text = bytes.chunks(size).all(|piece| text.accepts(piece)) && text.is_whole();
        prop_assert_eq!(is_text, std::str::from_utf8(&bytes).is_ok());
    }

    #[test]
    fn what_is_sent_arrives_however_it_is_cut(
        messages in proptest::collection::vec((any::<bool>(), proptest::collection::vec("\\PC{0,40}", 1..4), any::<[u8; 4]>()), 1..5),
        size in 1usize..40,
    ) {
        let mut sent = Vec::new();
        let mut expected = Vec::new();
        for (is_text, fragments, mask) in &messages {
            for (n, fragment) in fragments.iter().enumerate() {
                let opcode = match (n, is_text) {
                    (0, true) => Opcode::Text,
                    (0, false) => Opcode::Binary,
                    _ => Opcode::Continuation,
                };
                encode_masked(opcode, n + 1 == fragments.len(), false, fragment.as_bytes(), *mask, &mut sent);
            }
            let whole = fragments.concat().into_bytes();
            expected.push(if *is_text { Seen::Text(whole) } else { Seen::Bytes(whole) });
        }
        prop_assert_eq!(fed(receiver(), sent.chunks(size)), (expected, 0));
    }

    #[test]
    fn no_input_is_seen_differently_when_it_is_cut(bytes in proptest::collection::vec(any::<u8>(), 0..60), size in 1usize..20) {
        let seen = fed(receiver(), [&bytes[..]]);
        prop_assert_eq!(fed(receiver(), bytes.chunks(size)).0, seen.0);
    }
}
