//! The head of a frame (RFC 6455 §5.2), and masking.

use super::failure::Failure;

/// RFC 6455 §5.5: "All control frames MUST have a payload length of 125 bytes or less".
pub(super) const MOST_CONTROL: usize = 125;

/// The longest head: two bytes, eight of length, four of mask.
pub(super) const MOST_HEAD: usize = 14;

/// The kind of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 6455 has no others, and a frame of another is refused"
)]
pub enum Opcode {
    /// One more fragment of a message.
    Continuation = 0,
    /// The first fragment of a text, or all of it.
    Text = 1,
    /// The first fragment of a message of bytes, or all of it.
    Binary = 2,
    /// The end of the connection.
    Close = 8,
    /// A question whether the other side is there.
    Ping = 9,
    /// The answer to it.
    Pong = 10,
}

impl Opcode {
    fn parse(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// The head of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FrameHead {
    pub(super) opcode: Opcode,
    pub(super) is_final: bool,
    /// The bit RSV1, which the extension `permessage-deflate` uses (RFC 7692 §7.2.3).
    pub(super) is_compressed: bool,
    pub(super) mask: Option<[u8; 4]>,
    pub(super) len: u64,
}

impl FrameHead {
    /// Reads a head from the beginning of `bytes`, and returns it with its length, or `None` if it is not complete. What
    /// is wrong with it is found as early as possible.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(FrameHead, usize)>, Failure> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        // RFC 6455 §5.2: RSV2 and RSV3 "MUST be 0 unless an extension is negotiated that defines meanings".
        if first & 0x30 != 0 {
            return Err(Failure::ReservedBits);
        }
        let opcode = Opcode::parse(first & 0x0f).ok_or(Failure::UnknownOpcode)?;
        let is_final = first & 0x80 != 0;
        // RFC 6455 §5.5: control frames "MUST NOT be fragmented".
        if opcode.is_control() && !is_final {
            return Err(Failure::FragmentedControl);
        }
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        let short = second & 0x7f;
        if opcode.is_control() && usize::from(short) > MOST_CONTROL {
            return Err(Failure::LongControl);
        }
        let rest = bytes.get(2..).unwrap_or_default();
        let (len, least, of_len) = match short {
            126 => match rest.first_chunk() {
                Some(len) => (u64::from(u16::from_be_bytes(*len)), 126, 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk() {
                Some(len) => (u64::from_be_bytes(*len), 1 << 16, 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0, 0),
        };
        // RFC 6455 §5.2: "the minimal number of bytes MUST be used to encode the length", and "the most significant bit
        // MUST be 0".
        if len < least || len >> 63 != 0 {
            return Err(Failure::Length);
        }
        let (mask, of_mask) = match (second & 0x80 != 0, rest.get(of_len..).and_then(<[u8]>::first_chunk)) {
            (false, _) => (None, 0),
            (true, Some(mask)) => (Some(*mask), 4),
            (true, None) => return Ok(None),
        };
        let head = FrameHead {
            opcode,
            is_final,
            is_compressed: first & 0x40 != 0,
            mask,
            len,
        };
        Ok(Some((head, 2 + of_len + of_mask)))
    }
}

/// Unmasks bytes that begin at this offset of their frame's payload.
pub(super) fn unmask(mut mask: [u8; 4], offset: u64, bytes: &mut [u8]) {
    mask.rotate_left((offset % 4) as usize);
    let word = u64::from(u32::from_ne_bytes(mask));
    let word = word << 32 | word;
    let mut words = bytes.chunks_exact_mut(8);
    for eight in &mut words {
        if let Ok(eight) = <&mut [u8; 8]>::try_from(eight) {
            *eight = (u64::from_ne_bytes(*eight) ^ word).to_ne_bytes();
        }
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}
