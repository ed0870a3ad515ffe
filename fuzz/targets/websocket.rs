//! Frames: they are taken the same however they are split, and what was taken arrives again when it is sent back.
#![no_main]

use hansel_proto::websocket::{CloseCode, Failure, Limits, Opcode, Received, Receiver, encode, encode_close};
use libfuzzer_sys::fuzz_target;

/// A message or a control frame that a receiver has taken, or its failure.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Taken {
    Message(Opcode, bool, Vec<u8>),
    Control(Opcode, Vec<u8>),
    Close(Option<CloseCode>, String),
    Failed(Failure),
}

// The first byte says how the others are split, and whether messages may be compressed.
fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else {
        return;
    };
    let limits = Limits::default().frame(4096).message(6000).fragments(16);
    let receiver = Receiver::of_server(limits).with_compression(choice & 1 != 0);
    let whole = take(receiver.clone(), [bytes]);
    assert_eq!(whole, take(receiver.clone(), bytes.chunks(1)), "byte by byte");
    assert_eq!(
        whole,
        take(receiver, bytes.chunks(usize::from(choice >> 1) + 1)),
        "in pieces"
    );

    let mut sent = Vec::new();
    for taken in &whole {
        match taken {
            Taken::Message(opcode, is_compressed, message) => {
                assert!(message.len() <= 6000);
                assert!(*is_compressed || *opcode == Opcode::Binary || std::str::from_utf8(message).is_ok());
                encode(*opcode, true, *is_compressed, message, &mut sent);
            }
            Taken::Control(opcode, content) => encode(*opcode, true, false, content, &mut sent),
            Taken::Close(code, reason) => encode_close(*code, reason, &mut sent),
            Taken::Failed(_) => {}
        }
    }
    let of_client = Receiver::of_client(Limits::default()).with_compression(true);
    let expected: Vec<_> = whole
        .into_iter()
        .filter(|taken| !matches!(taken, Taken::Failed(_)))
        .collect();
    assert_eq!(take(of_client, [&sent[..]]), expected, "sent back");
});

fn take<'p>(mut receiver: Receiver, pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<Taken> {
    let mut all = Vec::new();
    let mut message = Vec::new();
    for piece in pieces {
        let mut input = piece.to_vec();
        let mut position = 0;
        loop {
            let rest = &mut input[position..];
            let (consumed, received) = match receiver.receive(rest) {
                Ok(received) => received,
                Err(failure) => {
                    all.push(Taken::Failed(failure));
                    return all;
                }
            };
            match received {
                Some(Received::Data(piece)) => {
                    assert!(piece.end <= consumed && (!piece.starts || message.is_empty()));
                    message.extend_from_slice(&rest[piece.start..piece.end]);
                    if piece.ends {
                        let opcode = if piece.is_text { Opcode::Text } else { Opcode::Binary };
                        all.push(Taken::Message(
                            opcode,
                            piece.is_compressed,
                            std::mem::take(&mut message),
                        ));
                    }
                }
                Some(Received::Ping) => all.push(Taken::Control(Opcode::Ping, receiver.control().to_vec())),
                Some(Received::Pong) => all.push(Taken::Control(Opcode::Pong, receiver.control().to_vec())),
                Some(Received::Close) => {
                    let close = receiver.close().expect("it has been received");
                    all.push(Taken::Close(close.code, close.reason.to_owned()));
                }
                Some(other) => panic!("{other:?}"),
                None => {
                    assert_eq!(consumed, rest.len(), "nothing is left behind");
                    break;
                }
            }
            position += consumed;
        }
    }
    all
}
