//! Frames to send.

use super::close::CloseCode;
use super::frame::{MOST_CONTROL, Opcode, unmask};

/// Appends a frame of a server, which is not masked.
pub fn encode(opcode: Opcode, is_final: bool, is_compressed: bool, payload: &[u8], out: &mut Vec<u8>) {
    out.reserve(payload.len() + 10);
    head(opcode, is_final, is_compressed, 0, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends a frame of a client. RFC 6455 §5.3: the mask "MUST be derived from a strong source of entropy" where a browser
/// sends what a page has made; in tests it may be anything.
pub fn encode_masked(
    opcode: Opcode,
    is_final: bool,
    is_compressed: bool,
    payload: &[u8],
    mask: [u8; 4],
    out: &mut Vec<u8>,
) {
    out.reserve(payload.len() + 14);
    head(opcode, is_final, is_compressed, 0x80, payload.len(), out);
    out.extend_from_slice(&mask);
    let begin = out.len();
    out.extend_from_slice(payload);
    unmask(mask, 0, out.get_mut(begin..).unwrap_or_default());
}

/// Appends the close frame of a server. A reason that is too long for a control frame is cut between two characters.
pub fn encode_close(code: Option<CloseCode>, reason: &str, out: &mut Vec<u8>) {
    let Some(code) = code else {
        return encode(Opcode::Close, true, false, &[], out);
    };
    let mut end = reason.len().min(MOST_CONTROL - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    head(Opcode::Close, true, false, 0, end + 2, out);
    out.extend_from_slice(&code.get().to_be_bytes());
    out.extend_from_slice(reason.get(..end).unwrap_or_default().as_bytes());
}

fn head(opcode: Opcode, is_final: bool, is_compressed: bool, masked: u8, len: usize, out: &mut Vec<u8>) {
    out.push(u8::from(is_final) << 7 | u8::from(is_compressed) << 6 | opcode as u8);
    // RFC 6455 §5.2: "the minimal number of bytes MUST be used to encode the length".
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ 0..=125), _) => out.push(masked | len),
        (_, Ok(len)) => {
            out.push(masked | 126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}
