//! What the fuzz targets share: a conversation with the protocol in pieces of any size, hyper's verdict compared with
//! ours ([`differences`]), and patterns tried one by one ([`patterns`]).

pub mod differences;
pub mod forms;
mod hyper;
mod naive;
pub mod patterns;
mod verdict;

use hansel_proto::{
    BodyLength, BodyPlan, Connection, FieldBlock, Head, Limits, Next, Received, ResponseHead, Trailers,
};

/// What some bytes led to: the requests in them, and the responses.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    pub requests: Vec<Request>,
    /// The status of the refusal that ended it, if one did.
    pub refused: Option<u16>,
    pub sent: Vec<u8>,
}

/// Everything in a request, as text and octets.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub head: Vec<u8>,
    pub parts: Vec<String>,
    pub fields: Vec<(String, Vec<u8>)>,
    pub content: Vec<u8>,
    pub trailers: Vec<(String, Vec<u8>)>,
    pub is_whole: bool,
}

/// Small limits, so that a fuzzer reaches them.
fn limits() -> Limits {
    Limits::new()
        .head_bytes(2048)
        .target_bytes(256)
        .fields(16)
        .body_bytes(4096)
        .trailer_bytes(256)
}

/// Passes `pieces` to a connection one after the other, and responds to every request.
pub fn converse<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Conversation {
    let mut connection = Connection::new(limits());
    let mut conversation = Conversation::default();
    let mut head = Head::new();
    let mut received = Vec::new();
    let mut used = 0;
    for piece in pieces {
        received.extend_from_slice(piece);
        loop {
            let input = &received[used..];
            let event = match connection.receive(input, &mut head) {
                Ok(event) => event,
                Err(refusal) => {
                    assert_eq!(connection.receive(input, &mut head), Err(refusal), "a refusal stands");
                    conversation.refused = Some(refusal.status());
                    if connection.owes_response() {
                        respond(&mut connection, refusal.status(), &mut conversation.sent);
                        assert_eq!(connection.finish(), Next::Close, "a refusal closes");
                    }
                    return conversation;
                }
            };
            match event {
                Received::Partial => break,
                Received::Head { len } => {
                    assert!(len <= input.len() && len == head.len());
                    conversation.requests.push(Request::of(&input[..len], &head));
                    used += len;
                }
                Received::Content { start, end } => {
                    assert!(start < end && end <= input.len());
                    let request = conversation.requests.last_mut().expect("content belongs to a request");
                    request.content.extend_from_slice(&input[start..end]);
                    used += end;
                }
                Received::End { len, trailers } => {
                    assert!(len <= input.len());
                    let request = conversation.requests.last_mut().expect("an end belongs to a request");
                    request.is_whole = true;
                    request.trailers = Trailers::of(trailers.of(input))
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .collect();
                    used += len;
                    respond(&mut connection, 200, &mut conversation.sent);
                    if connection.finish() == Next::Close {
                        assert_eq!(
                            connection.receive(&received[used..], &mut head),
                            Ok(Received::Partial),
                            "nothing is read behind the last response"
                        );
                        return conversation;
                    }
                }
            }
        }
    }
    assert!(
        received.len() - used <= limits().buffer_bytes(),
        "more is kept waiting than a buffer must hold"
    );
    conversation
}

impl Request {
    fn of(bytes: &[u8], head: &Head) -> Request {
        let field = |(name, value): (&str, &[u8])| {
            assert!(!value.contains(&b'\r') && !value.contains(&b'\n') && !value.contains(&0));
            (name.to_owned(), value.to_owned())
        };
        Request {
            head: bytes.to_owned(),
            parts: vec![
                head.method(bytes).to_owned(),
                head.path(bytes).to_owned(),
                format!("{:?}", head.query(bytes)),
                format!("{:?}", head.authority(bytes)),
                format!("{:?} {:?} {:?}", head.version(), head.framing(), head.keep_alive()),
            ],
            fields: head.fields(bytes).map(field).collect(),
            ..Request::default()
        }
    }
}

fn respond(connection: &mut Connection, status: u16, out: &mut Vec<u8>) {
    let content = b"Hello";
    let fields = FieldBlock::new();
    let head = ResponseHead::new(status, &fields, BodyLength::Known(content.len() as u64));
    if connection.respond(&head, out) == BodyPlan::Plain {
        out.extend_from_slice(content);
    }
}

/// Returns the conversation from `bytes`, which must be the same when they come in these pieces.
///
/// One exception: a line that is already broken may be refused no sooner than it ends.
pub fn converse_in_pieces<'p>(bytes: &'p [u8], pieces: impl Iterator<Item = &'p [u8]> + Clone) -> Conversation {
    let whole = converse([bytes]);
    let mut cut = converse(pieces.clone());
    if whole.refused.is_some() && cut.refused.is_none() {
        cut = converse(pieces.chain([&b"\r\n\r\n"[..]]));
    }
    assert_eq!(whole, cut, "in pieces it is another conversation");
    whole
}
