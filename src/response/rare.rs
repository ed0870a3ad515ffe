//! The parts of a response that few have.

use std::panic::Location;

#[derive(Default)]
pub(super) struct Rare {
    pub(super) fault: Option<Fault>,
    /// The reason phrase, if it is not that of the status.
    pub(super) reason: Option<Box<[u8]>>,
    /// Only problem details have them.
    pub(super) members: Vec<Member>,
}

/// A fault of a response. It is logged, and not sent to the client.
pub(super) enum Fault {
    /// Why it can't be sent, such as an invalid header, and where that was set.
    Unsendable {
        error: Box<dyn std::error::Error + Send + Sync>,
        at: &'static Location<'static>,
    },
    /// The error for which it is the response.
    Failure(Box<dyn std::error::Error + Send + Sync>),
}

/// A member of an object of problem details (RFC 9457 §3.2).
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) json: Vec<u8>,
}

impl Rare {
    /// Notes why a response can't be sent. Of several errors, the first is reported.
    #[cold]
    pub(super) fn note_unsendable(
        rare: &mut Option<Box<Rare>>,
        error: Box<dyn std::error::Error + Send + Sync>,
        at: &'static Location<'static>,
    ) {
        let fault = &mut rare.get_or_insert_default().fault;
        if !matches!(fault, Some(Fault::Unsendable { .. })) {
            *fault = Some(Fault::Unsendable { error, at });
        }
    }
}
