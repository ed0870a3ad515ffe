//! UTF-8 that arrives in pieces.

/// Checks text that arrives in pieces, which may end within a character. A wrong byte is found at once.
///
/// ```
/// use hansel_proto::websocket::Utf8;
///
/// let mut text = Utf8::new();
/// assert!(text.accepts(b"h\xc3"));
/// assert!(!text.is_whole());
/// assert!(text.accepts(b"\xa9llo"));
/// assert!(text.is_whole());
/// assert!(!text.accepts(b"\xed\xa0"), "no text has the half of a surrogate pair");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8 {
    /// The beginning of a character.
    begun: [u8; 4],
    len: u8,
}

impl Utf8 {
    /// Creates the state at the beginning of a text.
    pub const fn new() -> Utf8 {
        Utf8 { begun: [0; 4], len: 0 }
    }

    /// Returns true if the text does not end within a character.
    pub const fn is_whole(&self) -> bool {
        self.len == 0
    }

    /// Takes the next piece. Returns false if no text continues like that.
    pub fn accepts(&mut self, piece: &[u8]) -> bool {
        let mut rest = piece;
        while self.len > 0 {
            let Some((&byte, behind)) = rest.split_first() else {
                return true;
            };
            rest = behind;
            let len = usize::from(self.len);
            let Some(place) = self.begun.get_mut(len) else {
                return false;
            };
            *place = byte;
            self.len += 1;
            match std::str::from_utf8(self.begun.get(..=len).unwrap_or_default()) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return false,
            }
        }
        let Err(error) = std::str::from_utf8(rest) else {
            return true;
        };
        if error.error_len().is_some() {
            return false;
        }
        // At most three bytes.
        for &byte in rest.get(error.valid_up_to()..).unwrap_or_default() {
            if let Some(place) = self.begun.get_mut(usize::from(self.len)) {
                *place = byte;
                self.len += 1;
            }
        }
        true
    }
}
