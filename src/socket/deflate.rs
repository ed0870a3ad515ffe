//! Compressed messages (RFC 7692 §7.2), each by itself: between messages a socket keeps nothing.
//!
//! What compresses has 300 KB of tables. Making one takes 140 µs, clearing one 5 µs, and compressing 200 bytes 25 µs. So a
//! few are kept for all sockets. Level 1 is for what is sent at once: it makes 20 KB of JSON 17.6 % as large in 80 µs,
//! level 5 16.6 % in 270 µs.

use std::sync::Mutex;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use hansel_proto::websocket::Failure;

use crate::lock::lock;

/// What each compressed message ends with, and what is not sent (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The tail of a message, and an empty last block. A message that lacks its end does not end here either.
const END: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

/// How many last blocks a message may have. Each costs as much as clearing a window, and has only two bytes.
const MOST_LAST_BLOCKS: u32 = 1024;

/// How many are kept while nobody uses them.
const KEPT: usize = 8;

static COMPRESSORS: Pool<Compress> = Pool(Mutex::new(Vec::new()));
static DECOMPRESSORS: Pool<Decompress> = Pool(Mutex::new(Vec::new()));

/// Compresses a message, which refers back by at most 2 to the power of `window_bits`. Returns `None` if that does not
/// make it shorter: each message may be sent as it is.
pub(crate) fn deflate(message: &[u8], window_bits: u8) -> Option<Vec<u8>> {
    let mut compressor = COMPRESSORS.take(|| Compress::new(Compression::fast(), false));
    // What does not fit is not shorter.
    let mut out = Vec::with_capacity(message.len() + TAIL.len());
    let is_whole = message.chunks(1 << window_bits).all(|piece| {
        // What begins anew with each window never refers back beyond it.
        compressor.reset();
        let status = compressor.compress_vec(piece, &mut out, FlushCompress::Sync);
        status.is_ok() && compressor.total_in() == piece.len() as u64 && out.len() < out.capacity()
    });
    COMPRESSORS.put_back(compressor);
    let len = out.strip_suffix(&TAIL)?.len();
    out.truncate(len);
    (is_whole && len < message.len()).then_some(out)
}

/// Decompresses a message.
///
/// # Errors
/// Returns an error if the result is longer than `limit`, or if the message is not compressed as it should be. No more
/// than twice the limit is ever in memory.
pub(crate) fn inflate(message: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let mut decompressor = DECOMPRESSORS.take(|| Decompress::new(false));
    let mut inflating = Inflating {
        decompressor: &mut decompressor,
        out: Vec::new(),
        limit,
        last_blocks: 0,
    };
    inflating.decompressor.reset(false);
    let result = inflating.take(message).and_then(|_| inflating.take(&END));
    let out = inflating.out;
    DECOMPRESSORS.put_back(decompressor);
    match result? {
        // It has come to the last block.
        Status::StreamEnd => Ok(out),
        Status::Ok | Status::BufError => Err(Failure::Compression),
    }
}

struct Inflating<'d> {
    decompressor: &'d mut Decompress,
    out: Vec<u8>,
    limit: usize,
    last_blocks: u32,
}

impl Inflating<'_> {
    /// Takes all of `bytes`, and returns how it has ended.
    fn take(&mut self, bytes: &[u8]) -> Result<Status, Failure> {
        let mut rest = bytes;
        loop {
            if self.out.len() == self.out.capacity() {
                self.grow(rest.len())?;
            }
            let (begin, before) = (self.decompressor.total_in(), self.out.len());
            let status = self
                .decompressor
                .decompress_vec(rest, &mut self.out, FlushDecompress::None)
                .map_err(|_| Failure::Compression)?;
            let consumed = usize::try_from(self.decompressor.total_in() - begin).unwrap_or(usize::MAX);
            rest = rest.get(consumed..).unwrap_or_default();
            if self.out.len() > self.limit {
                return Err(Failure::MessageTooLong);
            }
            match status {
                // RFC 7692 §7.2.3.4: a message may have a block with BFINAL, and more behind it.
                Status::StreamEnd if !rest.is_empty() && self.last_blocks < MOST_LAST_BLOCKS => {
                    self.last_blocks += 1;
                    self.decompressor.reset(false);
                }
                Status::StreamEnd if rest.is_empty() => return Ok(status),
                // It may do only one of both, although there is room, and input.
                _ if consumed > 0 || self.out.len() > before => {}
                _ if rest.is_empty() => return Ok(status),
                _ => return Err(Failure::Compression),
            }
        }
    }

    /// Makes room, by doubling, for one byte more than is allowed at most.
    fn grow(&mut self, of_input: usize) -> Result<(), Failure> {
        let most = self.limit.saturating_add(1);
        let wanted = (2 * self.out.capacity()).max(4 * of_input).max(256).min(most);
        let more = wanted.checked_sub(self.out.len()).filter(|more| *more > 0);
        self.out.reserve_exact(more.ok_or(Failure::MessageTooLong)?);
        Ok(())
    }
}

/// Those that nobody uses at the moment.
struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    fn take(&self, make: impl FnOnce() -> T) -> T {
        let kept = lock(&self.0).pop();
        kept.unwrap_or_else(make)
    }

    fn put_back(&self, one: T) {
        let mut kept = lock(&self.0);
        if kept.len() < KEPT {
            kept.push(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An empty message (RFC 7692 §7.2.3.6).
    const EMPTY: &[u8] = &[0];

    /// A message of JSON, which is about a fifth as long when it is compressed.
    fn json(len: usize) -> Vec<u8> {
        let messages = (0u64..).flat_map(|number| {
            let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 100_000;
            format!(
                "{{\"id\":{id},\"user\":\"user-{}\",\"text\":\"message {number} of a room\"}},",
                id % 977
            )
            .into_bytes()
        });
        messages.take(len).collect()
    }

    #[test]
    fn the_examples_of_section_7_2_3() {
        let hello = |bytes: &[u8]| assert_eq!(inflate(bytes, 5).unwrap(), b"Hello", "{bytes:x?}");
        // One block, fragments or not; without compression; with BFINAL; two blocks.
        hello(b"\xf2\x48\xcd\xc9\xc9\x07\x00");
        hello(b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00");
        hello(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00");
        hello(b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00");
        // Many with BFINAL.
        let many = |count| inflate(&[&[3, 0].repeat(count)[..], EMPTY].concat(), 0);
        assert_eq!(many(1024).unwrap(), b"");
        assert_eq!(many(1025), Err(Failure::Compression));
        // An empty message.
        assert_eq!(inflate(EMPTY, 0).unwrap(), b"");
    }

    #[test]
    fn what_is_not_compressed_is_refused() {
        for wrong in [
            &b"\x07"[..],                        // a kind of block that there is not
            b"\x00\x05\x00\xfa\xfe\x48",         // a length that does not match
            b"\x00\x05\x00\xfa\xff\x48\x65",     // a block that does not end
            b"\xf2\x48\xcd\xc9",                 // a message that does not end
            b"\x02\x10\x01\x00",                 // it refers back to what is not there
            b"\xf3\x48\xcd\xc9\xc9\x07\x00\xff", // more behind the last block, which is no block
        ] {
            assert_eq!(inflate(wrong, 1000), Err(Failure::Compression), "{wrong:x?}");
        }
    }

    #[test]
    fn a_message_may_be_as_long_as_the_limit() {
        for len in [1, 255, 256, 257, 70_000] {
            let message = json(len);
            let mut compressor = Compress::new(Compression::fast(), false);
            let mut compressed = Vec::with_capacity(len + 100);
            compressor
                .compress_vec(&message, &mut compressed, FlushCompress::Sync)
                .unwrap();
            let compressed = compressed.strip_suffix(&TAIL).unwrap();
            assert_eq!(inflate(compressed, len).as_deref(), Ok(&message[..]), "{len}");
            assert_eq!(inflate(compressed, len - 1), Err(Failure::MessageTooLong), "{len}");
        }
    }

    #[test]
    fn a_bomb_is_refused_without_being_unpacked() {
        // 4 MiB.
        let bomb = deflate(&vec![0; 4 << 20], 15).unwrap();
        assert!(bomb.len() < 40_000, "{}", bomb.len());
        let mut decompressor = Decompress::new(false);
        let mut inflating = Inflating {
            decompressor: &mut decompressor,
            out: Vec::new(),
            limit: 10_000,
            last_blocks: 0,
        };
        assert_eq!(inflating.take(&bomb), Err(Failure::MessageTooLong));
        assert!(inflating.out.capacity() <= 10_001, "{}", inflating.out.capacity());
    }

    #[test]
    fn a_message_that_compression_does_not_shorten_is_left_as_it_is() {
        assert_eq!(deflate(b"", 15), None);
        assert_eq!(deflate(b"Hello", 15), None);
        let mut state = 1u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(5000)
        .collect();
        assert_eq!(deflate(&noise, 15), None);
        assert_eq!(deflate(&noise, 8), None);
        assert!(deflate(&json(200), 15).is_some());
    }

    #[test]
    fn a_small_window_is_not_exceeded() {
        // Nothing that repeats within a window, and much that does beyond it.
        let unlike: Vec<u8> = (0..=255).collect();
        assert!(deflate(&unlike.repeat(8), 15).is_some());
        assert_eq!(deflate(&unlike.repeat(8), 8), None);
        let message = json(5000);
        for bits in 8..=15 {
            let compressed = deflate(&message, bits).unwrap();
            assert_eq!(inflate(&compressed, 5000).unwrap(), message);
        }
    }

    proptest! {
        #[test]
        fn what_is_compressed_is_the_same_when_it_is_decompressed(
            pieces in proptest::collection::vec(("[a-d]{0,9}", 0usize..200), 0..20),
            bits in 8u8..=15,
        ) {
            let message: Vec<u8> = pieces.iter().flat_map(|(piece, count)| piece.repeat(*count).into_bytes()).collect();
            if let Some(compressed) = deflate(&message, bits) {
                prop_assert!(compressed.len() < message.len());
                prop_assert_eq!(inflate(&compressed, message.len()).unwrap(), message);
            }
        }

        #[test]
        fn whatever_arrives_the_limit_holds(bytes in proptest::collection::vec(any::<u8>(), 0..200), limit in 0usize..300) {
            if let Ok(message) = inflate(&bytes, limit) {
                prop_assert!(message.len() <= limit);
            }
        }
    }
}
