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
    /// A message that is compressed, and whether it is a text.
    Compressed(bool, Vec<u8>),
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
                        seen.push(match (piece.is_compressed, piece.is_text) {
                            (true, is_text) => Seen::Compressed(is_text, message),
                            (false, true) => Seen::Text(message),
                            (false, false) => Seen::Bytes(message),
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
    check_by(&receiver(), sent, expected);
}

#[track_caller]
fn check_by(receiver: &Receiver, sent: &[u8], expected: &[Seen]) {
    let receiver = || receiver.clone();
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
    let receiver = receiver().with_compression(true);
    let is_refused = |sent: &[u8]| check_by(&receiver, sent, &[Seen::Failed(Failure::ReservedBits)]);
    for control in [0xc8, 0xc9, 0xca] {
        is_refused(&[control, 0x80, 1, 2, 3, 4]);
    }
    is_refused(b"\x41\x80\x01\x02\x03\x04\xc0\x80\x01\x02\x03\x04");
    // Without it, a continuation belongs to a message that is not compressed.
    is_refused(b"\x01\x80\x01\x02\x03\x04\xc0\x80\x01\x02\x03\x04");
    // RFC 7692 §6: only RSV1 is defined.
    is_refused(b"\xe1\x80\x01\x02\x03\x04");
}

#[test]
fn a_message_is_compressed_if_the_bit_of_its_first_frame_says_so() {
    let receiver = receiver().with_compression(true);
    // RFC 7692 §7.2.3.2: "Hello" in one frame, and in two. No UTF-8 is looked for in it.
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let mut sent = Vec::new();
    encode_masked(Opcode::Text, true, true, hello, MASK, &mut sent);
    check_by(&receiver, &sent, &[Seen::Compressed(true, hello.to_vec())]);
    sent.clear();
    encode_masked(Opcode::Binary, false, true, &hello[..3], MASK, &mut sent);
    sent.extend(masked(Opcode::Ping, true, b"?"));
    sent.extend(masked(Opcode::Continuation, true, &hello[3..]));
    let expected = [Seen::Ping(b"?".to_vec()), Seen::Compressed(false, hello.to_vec())];
    check_by(&receiver, &sent, &expected);
    // Not each must be compressed.
    check_by(&receiver, &masked(Opcode::Text, true, b"plain"), &[text("plain")]);
    sent.clear();
    encode(Opcode::Text, true, true, hello, &mut sent);
    assert_eq!(sent, b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00");
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

/// Opens a socket with these fields Sec-WebSocket-Extensions. Returns the response's field.
fn answer(offers: &[&str]) -> Result<Option<String>, OpeningFault> {
    let mut fields = vec![
        ("Connection", &b"Upgrade"[..]),
        ("Upgrade", b"websocket"),
        ("Sec-WebSocket-Version", b"13"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    fields.extend(
        offers
            .iter()
            .map(|offer| ("SEC-WebSocket-Extensions", offer.as_bytes())),
    );
    match Opening::of("GET", fields) {
        Ok(opening) => Ok(opening.deflate.map(|deflate| deflate.to_string())),
        Err(error) => {
            assert_eq!((error.status(), error.fields()), (400, &[][..]));
            Err(error.fault())
        }
    }
}

const FORGETS: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

#[test]
fn an_offer_of_compression_is_accepted_without_a_window_between_messages() {
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8",
        "permessage-deflate; client_max_window_bits = \"1\\0\" ",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover",
        "permessage-deflate;server_no_context_takeover\t; client_no_context_takeover; client_max_window_bits=15",
        " , permessage-deflate ,, ",
    ] {
        assert_eq!(answer(&[offer]), Ok(Some(FORGETS.into())), "{offer}");
    }
    assert_eq!(answer(&[]), Ok(None));
    assert_eq!(answer(&["", " , "]), Ok(None));
}

#[test]
fn a_window_that_is_demanded_is_accepted_as_it_is() {
    for bits in 8..=15 {
        let expected = Ok(Some(format!("{FORGETS}; server_max_window_bits={bits}")));
        assert_eq!(
            answer(&[&format!("permessage-deflate; server_max_window_bits={bits}")]),
            expected
        );
        assert_eq!(
            answer(&[&format!("permessage-deflate; server_max_window_bits=\"{bits}\"")]),
            expected
        );
    }
}

#[test]
fn an_offer_is_declined_for_a_parameter_that_is_unknown_or_repeated_or_has_a_wrong_value() {
    for parameters in [
        "server_no_context_takeover=1",
        "client_no_context_takeover=\"true\"",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=010",
        "server_max_window_bits=100",
        "server_max_window_bits=+9",
        "server_max_window_bits=1a",
        "client_max_window_bits=7",
        "client_max_window_bits=x",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits=9; client_max_window_bits",
        "server_max_window_bits=9; server_max_window_bits=9",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "mux",
        "Server_No_Context_Takeover",
    ] {
        let offer = format!("permessage-deflate; {parameters}");
        assert_eq!(answer(&[&offer]), Ok(None), "{offer}");
        // The next one may be acceptable.
        assert_eq!(
            answer(&[&format!("{offer}, permessage-deflate")]),
            Ok(Some(FORGETS.into())),
            "{offer}"
        );
        // Parameters of another extension are its own affair.
        assert_eq!(
            answer(&[&format!("x-other; {parameters}, permessage-deflate")]),
            Ok(Some(FORGETS.into()))
        );
    }
    for other in [
        "permessage-deflated",
        "x-webkit-deflate-frame; permessage-deflate",
        "permessage-bzip2",
    ] {
        assert_eq!(answer(&[other]), Ok(None), "{other}");
    }
}

#[test]
fn of_several_offers_the_first_acceptable_one_counts() {
    let with_window = |bits: u8| Ok(Some(format!("{FORGETS}; server_max_window_bits={bits}")));
    let both = "permessage-deflate; server_max_window_bits=10, permessage-deflate";
    assert_eq!(answer(&[both]), with_window(10));
    let fallback = "permessage-deflate; server_max_window_bits=20, permessage-deflate; server_max_window_bits=11";
    assert_eq!(answer(&[fallback]), with_window(11));
    // RFC 6455 §9.1: the field may be "split or combined across multiple lines".
    assert_eq!(
        answer(&[
            "mux; x=y",
            "permessage-deflate; server_max_window_bits=12",
            "permessage-deflate"
        ]),
        with_window(12)
    );
}

#[test]
fn extensions_that_are_no_list_fail_the_handshake() {
    for malformed in [
        "permessage-deflate;",
        "permessage-deflate; ;",
        "; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; =8",
        "permessage-deflate; a=\"8",
        "permessage-deflate; a=\"8\\",
        "permessage-deflate; a=\"\"",
        "permessage-deflate; a=\"1 0\"",
        "permessage-deflate; a=\"1\"0",
        "permessage-deflate client_max_window_bits",
        "permessage-deflate=1",
        "permessage-deflate, x/y",
        "permessage-deflate, \u{e9}",
        "x; y=z=z",
    ] {
        assert_eq!(answer(&[malformed]), Err(OpeningFault::Extensions), "{malformed}");
        assert_eq!(
            answer(&["permessage-deflate", malformed]),
            Err(OpeningFault::Extensions),
            "{malformed}"
        );
    }
}

#[test]
fn an_idle_socket_needs_little() {
    assert!(size_of::<Receiver>() <= 256, "{}", size_of::<Receiver>());
}

/// A frame as it is on the wire, right or wrong.
#[derive(Debug, Clone)]
struct Frame {
    first: u8,
    is_masked: bool,
    /// The bytes of the length are more than it needs.
    is_long: bool,
    payload: Vec<u8>,
}

impl Frame {
    fn encoded(&self) -> Vec<u8> {
        let mut out = vec![self.first];
        let masked = u8::from(self.is_masked) << 7;
        let len = self.payload.len();
        if len < 126 && !self.is_long {
            out.push(masked | len as u8);
        } else {
            out.push(masked | 126);
            out.extend((len as u16).to_be_bytes());
        }
        let mask = if self.is_masked { MASK } else { [0; 4] };
        if self.is_masked {
            out.extend(mask);
        }
        out.extend(
            self.payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        out
    }
}

/// Mostly right, and often a fragment.
fn frame() -> impl Strategy<Value = Frame> {
    let first = prop_oneof![
        8 => prop_oneof![Just(0x00u8), Just(0x80), Just(0x01), Just(0x81), Just(0x82), Just(0x02)],
        2 => prop_oneof![Just(0x41u8), Just(0xc1), Just(0xc2)],
        3 => prop_oneof![Just(0x88u8), Just(0x89), Just(0x8a)],
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        8 => "\\PC{0,6}".prop_map(String::into_bytes),
        3 => proptest::sample::select(vec![&b"\xe1\xbd"[..], b"\xb9", b"\xf0\x9f", b"\x98\x80", b"\x03\xe8", b"\x03\xe8ok", b"\xff"]).prop_map(<[u8]>::to_vec),
        1 => (100usize..140).prop_map(|len| vec![b'a'; len]),
    ];
    let rarely = || proptest::bool::weighted(0.03);
    (first, rarely(), rarely(), payload).prop_map(|(first, is_unmasked, is_long, payload)| Frame {
        first,
        is_masked: !is_unmasked,
        is_long,
        payload,
    })
}

/// Reads frames as the RFC describes them, one at a time, by whole messages.
fn naive(frames: &[Frame], is_negotiated: bool) -> Vec<Seen> {
    let mut seen = Vec::new();
    // Opcode, whether it is compressed, content, and the number of its frames.
    let mut message: Option<(u8, bool, Vec<u8>, usize)> = None;
    for frame in frames {
        let opcode = frame.first & 0x0f;
        let is_control = opcode >= 8;
        let is_final = frame.first & 0x80 != 0;
        let has_rsv1 = frame.first & 0x40 != 0;
        let failure = match () {
            _ if frame.first & 0x30 != 0 => Some(Failure::ReservedBits),
            _ if ![0, 1, 2, 8, 9, 10].contains(&opcode) => Some(Failure::UnknownOpcode),
            _ if is_control && !is_final => Some(Failure::FragmentedControl),
            _ if is_control && (frame.payload.len() > 125 || frame.is_long) => Some(Failure::LongControl),
            _ if frame.is_long && frame.payload.len() < 126 => Some(Failure::Length),
            _ if !frame.is_masked => Some(Failure::Unmasked),
            _ if has_rsv1 && !(is_negotiated && (opcode == 1 || opcode == 2)) => Some(Failure::ReservedBits),
            _ if opcode == 0 && message.is_none() => Some(Failure::Continuation),
            _ if (opcode == 1 || opcode == 2) && message.is_some() => Some(Failure::Interleaved),
            _ if !is_control && frame.payload.len() > 130 => Some(Failure::FrameTooLong),
            _ => None,
        };
        if let Some(failure) = failure {
            seen.push(Seen::Failed(failure));
            return seen;
        }
        let payload = frame.payload.clone();
        match opcode {
            8 => {
                seen.push(match &payload[..] {
                    [] => Seen::Close(None, String::new()),
                    [_] => Seen::Failed(Failure::CloseFrame),
                    [high, low, reason @ ..] => {
                        let code = u16::from_be_bytes([*high, *low]);
                        match String::from_utf8(reason.to_vec()) {
                            Err(_) => Seen::Failed(Failure::NotUtf8),
                            Ok(_) if CloseCode::new(code).is_none() => Seen::Failed(Failure::CloseFrame),
                            Ok(reason) => Seen::Close(Some(code), reason),
                        }
                    }
                });
                return seen;
            }
            9 => seen.push(Seen::Ping(payload)),
            10 => seen.push(Seen::Pong(payload)),
            _ => {
                let (kind, is_compressed, content, count) = message.get_or_insert((opcode, has_rsv1, Vec::new(), 0));
                content.extend(payload);
                *count += 1;
                let text = std::str::from_utf8(content);
                let is_wrong = text.is_err_and(|error| is_final || error.error_len().is_some());
                let failure = match () {
                    _ if content.len() > 150 => Some(Failure::MessageTooLong),
                    _ if *count > 3 => Some(Failure::TooManyFragments),
                    _ if *kind == 1 && !*is_compressed && is_wrong => Some(Failure::NotUtf8),
                    _ => None,
                };
                if let Some(failure) = failure {
                    seen.push(Seen::Failed(failure));
                    return seen;
                }
                if is_final {
                    let content = std::mem::take(content);
                    seen.push(match (*is_compressed, *kind) {
                        (true, kind) => Seen::Compressed(kind == 1, content),
                        (false, 1) => Seen::Text(content),
                        (false, _) => Seen::Bytes(content),
                    });
                    message = None;
                }
            }
        }
    }
    seen
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
    fn frames_are_taken_as_a_naive_reader_takes_them(
        frames in proptest::collection::vec(frame(), 0..8),
        is_negotiated: bool,
        size in 1usize..30,
    ) {
        let sent: Vec<u8> = frames.iter().flat_map(Frame::encoded).collect();
        let limits = Limits::default().frame(130).message(150).fragments(3);
        let receiver = Receiver::of_server(limits).with_compression(is_negotiated);
        let expected = naive(&frames, is_negotiated);
        prop_assert_eq!(&fed(receiver.clone(), [&sent[..]]).0, &expected);
        prop_assert_eq!(&fed(receiver, sent.chunks(size)).0, &expected);
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
