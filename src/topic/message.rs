//! A message of a topic: held once for all subscribers, and encoded once for each form.

use std::sync::{Arc, OnceLock};

#[cfg(feature = "websocket")]
use hansel_proto::websocket::{Opcode, encode};

use super::Event;

/// The form in which a message is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// An event of `text/event-stream`.
    EventStream,
    /// Its data.
    Plain,
    /// Its data in a frame of a WebSocket: as a text, if it is one.
    #[cfg(feature = "websocket")]
    Frame,
}

/// How many forms there are.
const FORMS: usize = if cfg!(feature = "websocket") { 3 } else { 2 };

/// An event with its place in the topic.
pub(crate) struct Message {
    event: Event,
    /// Its id, for clients that continue after it. `None` for what is sent to one subscriber only.
    id: Option<String>,
    forms: [OnceLock<Framed>; FORMS],
}

/// Bytes as a chunk of HTTP/1.1, and where they are in it.
struct Framed {
    chunk: Box<[u8]>,
    begin: usize,
}

impl Message {
    /// Creates the message with this number in its topic.
    pub(super) fn new(mut event: Event, number: u64, epoch: &str) -> Arc<Message> {
        let id = event.id.take().unwrap_or_else(|| format!("{epoch}-{number}"));
        Message::of(event, Some(id))
    }

    /// Creates a message that has this id, or none.
    pub(super) fn of(event: Event, id: Option<String>) -> Arc<Message> {
        Arc::new(Message {
            event,
            id,
            forms: Default::default(),
        })
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns its bytes in this form; as a chunk if `chunked`.
    pub(crate) fn bytes(&self, form: Form, chunked: bool) -> &[u8] {
        let framed = self.forms[form as usize].get_or_init(|| self.framed(form));
        if chunked {
            return &framed.chunk;
        }
        let end = framed.chunk.len().saturating_sub(2);
        framed.chunk.get(framed.begin..end).unwrap_or(&[])
    }

    fn framed(&self, form: Form) -> Framed {
        let mut text = Vec::new();
        let bytes = match form {
            Form::EventStream => {
                self.event.write(self.id(), &mut text);
                &text
            }
            Form::Plain => &self.event.data,
            #[cfg(feature = "websocket")]
            Form::Frame => {
                let is_text = std::str::from_utf8(&self.event.data).is_ok();
                let opcode = if is_text { Opcode::Text } else { Opcode::Binary };
                encode(opcode, true, false, &self.event.data, &mut text);
                &text
            }
        };
        if bytes.is_empty() {
            // An empty chunk would be the last one.
            return Framed {
                chunk: Box::default(),
                begin: 0,
            };
        }
        // RFC 9112 §7.1: `chunk = chunk-size CRLF chunk-data CRLF`.
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        let begin = chunk.len();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        Framed {
            chunk: chunk.into_boxed_slice(),
            begin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_chunk_or_what_is_in_it() {
        let message = Message::new(Event::new("hi"), 3, "e");
        assert_eq!(
            message.bytes(Form::EventStream, true),
            b"12\r\nid: e-3\ndata: hi\n\n\r\n"
        );
        assert_eq!(message.bytes(Form::EventStream, false), b"id: e-3\ndata: hi\n\n");
        assert_eq!(message.bytes(Form::Plain, true), b"2\r\nhi\r\n");
        assert_eq!(Message::of(Event::new(""), None).bytes(Form::Plain, true), b"");
    }
}
