//! Drives a connection over wire bytes, however they are cut, and writes down what it says.

use hansel_proto::{
    BodyLength, Connection, FieldBlock, Framing, Head, Limits, Next, Reason, Received, Refusal, ResponseHead, Span,
    TargetForm, Trailers, Version,
};

/// What a connection said about one request. Content is joined: how it was cut does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) form: TargetForm,
    pub(crate) scheme: Option<String>,
    pub(crate) path: String,
    pub(crate) escapes: bool,
    pub(crate) query: Option<String>,
    pub(crate) authority: Option<String>,
    pub(crate) version: Version,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
    pub(crate) content: Vec<u8>,
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
    pub(crate) whole: bool,
}

/// What a connection said about all it was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transcript {
    pub(crate) requests: Vec<Request>,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) closed: bool,
    /// The bytes not consumed when there were no more.
    pub(crate) left: usize,
}

/// The plainest response there is.
pub(crate) fn plain_response(fields: &FieldBlock) -> ResponseHead<'_> {
    ResponseHead::new(200, fields, BodyLength::None)
}

/// Shows `pieces` to a connection one after the other; every whole request is answered at once.
pub(crate) fn drive<'p>(pieces: impl IntoIterator<Item = &'p [u8]>, limits: &Limits) -> Transcript {
    let mut driver = Driver::new(limits);
    for piece in pieces {
        driver.unconsumed.extend_from_slice(piece);
        if !driver.run() {
            break;
        }
    }
    driver.transcript.left = driver.unconsumed.len();
    driver.transcript
}

struct Driver {
    connection: Connection,
    head: Head,
    unconsumed: Vec<u8>,
    out: Vec<u8>,
    transcript: Transcript,
    buffer_bytes: usize,
}

impl Driver {
    fn new(limits: &Limits) -> Driver {
        Driver {
            connection: Connection::new(limits.clone()),
            head: Head::new(),
            unconsumed: Vec::new(),
            out: Vec::new(),
            transcript: Transcript::default(),
            buffer_bytes: limits.buffer_bytes(),
        }
    }

    /// Receives until more bytes are needed; whether more are wanted at all.
    fn run(&mut self) -> bool {
        loop {
            let input = &self.unconsumed;
            let before = input.len();
            match self.connection.receive(input, &mut self.head) {
                Ok(Received::Partial) => {
                    assert!(before < self.buffer_bytes, "stuck with {before} bytes");
                    return true;
                }
                Ok(Received::Head { len }) => {
                    assert_eq!(self.head.len(), len);
                    assert!(len > 0 && len <= before, "a head takes bytes, and only those there are");
                    self.transcript.requests.push(read_head(&self.head, input));
                    self.unconsumed.drain(..len);
                }
                Ok(Received::Content { start, end }) => {
                    assert!(start < end && end <= before, "content is never empty");
                    let content = input[start..end].to_vec();
                    self.current().content.extend_from_slice(&content);
                    self.unconsumed.drain(..end);
                }
                Ok(Received::End { len, trailers }) => {
                    let trailers = read_trailers(trailers, input);
                    self.current().trailers = trailers;
                    self.current().whole = true;
                    self.unconsumed.drain(..len);
                    if !self.respond() {
                        return false;
                    }
                }
                Err(refusal) => {
                    self.refused(refusal);
                    return false;
                }
            }
        }
    }

    fn current(&mut self) -> &mut Request {
        self.transcript
            .requests
            .last_mut()
            .expect("a head comes before its body")
    }

    fn respond(&mut self) -> bool {
        self.out.clear();
        assert!(self.connection.owes_response());
        self.connection
            .respond(&plain_response(&FieldBlock::new()), &mut self.out);
        let next = self.connection.finish();
        self.transcript.closed = next == Next::Close;
        assert_eq!(
            self.transcript.closed,
            String::from_utf8_lossy(&self.out).contains("Connection: close"),
            "a close is announced, and only a close"
        );
        next == Next::Again
    }

    fn refused(&mut self, refusal: Refusal) {
        self.transcript.refusal = Some(refusal);
        self.transcript.closed = true;
        let again = self.connection.receive(&self.unconsumed, &mut self.head);
        assert_eq!(again, Err(refusal), "refused stays refused");
        let innocent = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(
            self.connection.receive(innocent, &mut self.head),
            Err(refusal),
            "refused stays refused"
        );
        if self.connection.owes_response() {
            self.out.clear();
            self.connection
                .respond(&plain_response(&FieldBlock::new()), &mut self.out);
            assert!(self.out.ends_with(b"Connection: close\r\n\r\n"));
        }
        assert_eq!(self.connection.finish(), Next::Close);
    }
}

fn read_head(head: &Head, bytes: &[u8]) -> Request {
    Request {
        method: head.method(bytes).to_owned(),
        target: head.target(bytes).to_owned(),
        form: head.target_form(),
        scheme: head.scheme(bytes).map(str::to_owned),
        path: head.path(bytes).to_owned(),
        escapes: head.path_has_escapes(),
        query: head.query(bytes).map(str::to_owned),
        authority: head.authority(bytes).map(str::to_owned),
        version: head.version(),
        fields: head
            .fields(bytes)
            .map(|(name, value)| (name.to_owned(), value.to_vec()))
            .collect(),
        framing: head.framing(),
        keep_alive: head.keep_alive(),
        expects_continue: head.expects_continue(),
        ..Request::default()
    }
}

fn read_trailers(span: Span, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    Trailers::of(span.of(bytes))
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
        .collect()
}

/// One byte per piece.
pub(crate) fn bytewise(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(1)
}

const PIPELINED: &[u8] = b"GET /behind HTTP/1.1\r\nHost: behind\r\n\r\n";

/// Asserts that `bytes` are one whole request, in one piece, byte by byte, and with a request or
/// with garbage behind it, always the same; returns it.
#[track_caller]
pub(crate) fn accepted(bytes: impl AsRef<[u8]>) -> Request {
    accepted_within(bytes, &Limits::default())
}

#[track_caller]
pub(crate) fn accepted_within(bytes: impl AsRef<[u8]>, limits: &Limits) -> Request {
    let bytes = bytes.as_ref();
    let text = String::from_utf8_lossy(bytes);
    let whole = drive([bytes], limits);
    assert_eq!(
        whole.refusal,
        None,
        "refused: {}\n{text}",
        whole.refusal.map(|r| r.to_string()).unwrap_or_default()
    );
    assert_eq!(whole.requests.len(), 1, "not one request: {text}");
    assert!(whole.requests[0].whole, "not whole: {text}");
    assert_eq!(whole.left, 0, "not all of it: {text}");
    assert_eq!(drive(bytewise(bytes), limits), whole, "byte by byte: {text}");

    let request = whole.requests[0].clone();
    for behind in [PIPELINED, b"\0\xff garbage\n"] {
        let longer = [bytes, behind].concat();
        for transcript in [drive([&longer[..]], limits), drive(bytewise(&longer), limits)] {
            assert_eq!(transcript.requests[0], request, "with bytes behind it: {text}");
            let goes_on = transcript.requests.len() == 2 || transcript.refusal.is_some();
            let may_go_on = request.keep_alive && request.method != "CONNECT";
            assert_eq!(goes_on, may_go_on, "what is behind it: {text}");
        }
    }
    request
}

/// Asserts that `bytes` are refused for `reason`, in one piece and byte by byte, and that a request
/// behind them is never seen.
#[track_caller]
pub(crate) fn refused(bytes: impl AsRef<[u8]>, reason: Reason) {
    refused_within(bytes, reason, &Limits::default());
}

#[track_caller]
pub(crate) fn refused_within(bytes: impl AsRef<[u8]>, reason: Reason, limits: &Limits) {
    let bytes = bytes.as_ref();
    let text = String::from_utf8_lossy(bytes);
    let longer = [bytes, PIPELINED].concat();
    let whole = drive([&longer[..]], limits);
    assert_eq!(whole.refusal.map(|refusal| refusal.reason()), Some(reason), "{text}");
    assert!(whole.closed);
    assert!(whole.requests.len() <= 1, "a request behind it was seen: {text}");
    assert!(whole.requests.iter().all(|request| !request.whole), "{text}");

    let pieces = drive(bytewise(&longer), limits);
    assert_eq!(pieces.refusal, whole.refusal, "byte by byte: {text}");
    assert!(
        pieces.requests.len() <= 1,
        "byte by byte, a request behind it was seen: {text}"
    );
}

/// A GET with these field lines behind its Host.
pub(crate) fn get(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n")
}

/// A POST with these field lines behind its Host, and this behind its head.
pub(crate) fn post(lines: &str, body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n{body}")
}

/// A POST with this chunked body.
pub(crate) fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}
