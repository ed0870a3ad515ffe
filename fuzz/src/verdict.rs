//! A server's verdict on the first head in some bytes, in terms that both servers have.

use hansel_proto::{Connection, Framing, Head, Limits, Received, TargetForm, Version};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted(Accepted),
    /// More bytes have to come.
    Partial,
    /// In the server's own words.
    Refused(String),
}

/// Everything in a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub method: String,
    /// In lower case.
    pub scheme: Option<String>,
    /// Of the target alone.
    pub authority: Option<String>,
    pub path: String,
    pub query: Option<String>,
    /// 0 for HTTP/1.0 and 1 for HTTP/1.1.
    pub minor: u8,
    /// By name, in lower case; those of one name in the order they came. hyper keeps no other order.
    pub fields: Vec<(String, Vec<u8>)>,
    pub content: Content,
    pub keep_alive: bool,
}

/// How the content is delimited. hyper does not report that a length of 0 was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    None,
    Length(u64),
    Chunked,
}

/// Returns hansel's verdict on the first head in `bytes`, within the default limits.
pub fn ours(bytes: &[u8]) -> Verdict {
    let mut head = Head::new();
    match Connection::new(Limits::default()).receive(bytes, &mut head) {
        Ok(Received::Head { .. }) => Verdict::Accepted(accepted(bytes, &head)),
        Ok(_) => Verdict::Partial,
        Err(refusal) => Verdict::Refused(format!("{:?}", refusal.reason())),
    }
}

fn accepted(bytes: &[u8], head: &Head) -> Accepted {
    let has_authority = matches!(head.target_form(), TargetForm::Absolute | TargetForm::Authority);
    let mut fields: Vec<_> = head
        .fields(bytes)
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    Accepted {
        method: head.method(bytes).to_owned(),
        scheme: head.scheme(bytes).map(str::to_ascii_lowercase),
        authority: has_authority.then(|| head.authority(bytes).unwrap_or_default().to_owned()),
        path: head.path(bytes).to_owned(),
        query: head.query(bytes).map(str::to_owned),
        minor: u8::from(head.version() == Version::Http11),
        fields,
        content: match head.framing() {
            Framing::None | Framing::Length(0) => Content::None,
            Framing::Length(length) => Content::Length(length),
            Framing::Chunked => Content::Chunked,
        },
        keep_alive: head.keep_alive(),
    }
}
