//! What sockets send and receive.

use std::borrow::Cow;

/// A message of a WebSocket: a text, or bytes (RFC 6455 §5.6).
///
/// ```
/// use hansel::websocket::Message;
///
/// assert_eq!(Message::from("hello").text(), Some("hello"));
/// assert_eq!(Message::from(&b"\xff"[..]).text(), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 has no others")]
pub enum Message<'a> {
    /// A text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Returns the text, unless it is bytes.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Message::Text(text) => Some(text),
            Message::Binary(_) => None,
        }
    }

    /// Returns the bytes of which it consists, whatever it is.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// Returns what a text says as JSON.
    ///
    /// Requires the feature `json`.
    ///
    /// ```
    /// use hansel::websocket::Message;
    ///
    /// let point: (i32, i32) = Message::from("[1, 2]").json()?;
    /// assert_eq!(point, (1, 2));
    /// assert!(Message::from("[1, 2").json::<(i32, i32)>().is_err());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if it is no JSON, or not a `T`.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Deserialize<'a>>(self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.bytes())
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Message<'a> {
        Message::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(bytes: &'a [u8]) -> Message<'a> {
        Message::Binary(bytes)
    }
}

/// What can be sent as a message: texts and bytes, owned or not.
pub trait ToMessage {
    /// Returns it as a message.
    fn to_message(&self) -> Message<'_>;
}

impl ToMessage for Message<'_> {
    fn to_message(&self) -> Message<'_> {
        *self
    }
}

impl ToMessage for str {
    fn to_message(&self) -> Message<'_> {
        Message::Text(self)
    }
}

impl ToMessage for String {
    fn to_message(&self) -> Message<'_> {
        Message::Text(self)
    }
}

impl ToMessage for Cow<'_, str> {
    fn to_message(&self) -> Message<'_> {
        Message::Text(self)
    }
}

impl ToMessage for [u8] {
    fn to_message(&self) -> Message<'_> {
        Message::Binary(self)
    }
}

impl<const N: usize> ToMessage for [u8; N] {
    fn to_message(&self) -> Message<'_> {
        Message::Binary(self)
    }
}

impl ToMessage for Vec<u8> {
    fn to_message(&self) -> Message<'_> {
        Message::Binary(self)
    }
}

impl<T: ToMessage + ?Sized> ToMessage for &T {
    fn to_message(&self) -> Message<'_> {
        (**self).to_message()
    }
}
