//! The content codings: RFC 9110 §8.4.1.
//!
//! Both are chosen by their figures for what is compressed while a client waits (release build, one core of a machine that
//! others used as well; sizes in per cent of the original). Level 6 of gzip takes twice the time of 5 for long responses.
//! For streams, Brotli 5 takes more time than 4 and makes only tiny pieces smaller.
//!
//! | | 2 KB HTML | 20 KB HTML | 20 KB JSON | 1 MB JSON | 1 MB in writes of 8 KiB | 1000 events of 60 bytes |
//! |---|---|---|---|---|---|---|
//! | gzip 4 | 23.8% | 14.8%, 0.3 ms | 14.5%, 0.5 ms | 13.2%, 31 ms | 13.6%, 39 ms | 50.8%, 49 ms |
//! | gzip 5 | 23.8% | 14.5%, 0.5 ms | 13.8%, 0.6 ms | 12.4%, 45 ms | | |
//! | gzip 6 | 23.8% | 14.3%, 0.6 ms | 13.2%, 1.2 ms | 11.4%, 97 ms | 11.7%, 132 ms | 48.9%, 56 ms |
//! | Brotli 4 | 23.0% | 15.2%, 0.6 ms | 15.9%, 0.5 ms | 13.3%, 30 ms | 15.4%, 49 ms | 42.0%, 31 ms |
//! | Brotli 5 | 20.6% | 13.8%, 1.1 ms | 13.5%, 1.1 ms | 11.9%, 95 ms | 16.4%, 74 ms | 35.1%, 30 ms |
//!
//! zstd is left out: what compresses well with it is C, and every browser that takes zstd takes Brotli.

use std::io::{self, Write};

use brotli::CompressorWriter;
use flate2::write::GzEncoder;

use crate::{BodyFilter, Request};

/// A content coding that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
}

const GZIP_LEVEL: flate2::Compression = flate2::Compression::new(5);
const BROTLI_WHOLE: u32 = 5;
const BROTLI_STREAM: u32 = 4;
/// The window of a stream, in powers of two: 256 KiB bound its memory.
const STREAM_WINDOW: u32 = 18;

impl Coding {
    pub(super) const ALL: [Coding; 2] = [Coding::Brotli, Coding::Gzip];

    /// Returns the one that a client likes best, if it likes one at least as much as none.
    pub(super) fn preferred(request: &Request) -> Option<Coding> {
        let name = *request.accepted_encodings(&Coding::ALL.map(Coding::name)).first()?;
        Coding::named(name.as_bytes())
    }

    pub(super) fn named(name: &[u8]) -> Option<Coding> {
        // RFC 9110 §8.4.1: "All content codings are case-insensitive". §8.4.1.3: `x-gzip` is gzip.
        let name = if name.eq_ignore_ascii_case(b"x-gzip") {
            b"gzip"
        } else {
            name
        };
        Coding::ALL
            .into_iter()
            .find(|coding| name.eq_ignore_ascii_case(coding.name().as_bytes()))
    }

    /// Its name in Content-Encoding.
    pub(super) fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }

    /// Compresses all of a body.
    pub(super) fn whole(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Coding::Brotli => {
                let mut encoder = CompressorWriter::new(Vec::new(), BUFFER, BROTLI_WHOLE, window(bytes.len()));
                // Writing to memory cannot fail.
                let _ = encoder.write_all(bytes);
                encoder.into_inner()
            }
            Coding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), GZIP_LEVEL);
                let _ = encoder.write_all(bytes);
                encoder.finish().unwrap_or_default()
            }
        }
    }

    /// Returns what compresses a body piece by piece.
    pub(super) fn filter(self) -> Encoder {
        match self {
            Coding::Brotli => Encoder::Brotli(Some(Box::new(CompressorWriter::new(
                Vec::new(),
                BUFFER,
                BROTLI_STREAM,
                STREAM_WINDOW,
            )))),
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), GZIP_LEVEL)),
        }
    }
}

const BUFFER: usize = 4096;

/// Returns the window of Brotli for a body of this length, in powers of two. Smaller ones make it choose another way to
/// search, which takes 32 MiB and 20 times as long.
fn window(len: usize) -> u32 {
    (usize::BITS - len.leading_zeros()).clamp(18, 22)
}

/// Compresses a body while it is sent. After each piece comes all that the client needs to decompress it.
pub(super) enum Encoder {
    /// None once it has ended.
    Brotli(Option<Box<CompressorWriter<Vec<u8>>>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl BodyFilter for Encoder {
    fn filter(&mut self, piece: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Encoder::Brotli(None) => return Err(io::ErrorKind::BrokenPipe.into()),
            Encoder::Brotli(Some(encoder)) => {
                encoder.write_all(piece)?;
                encoder.flush()?;
                out.append(encoder.get_mut());
            }
            Encoder::Gzip(encoder) => {
                encoder.write_all(piece)?;
                encoder.flush()?;
                out.append(encoder.get_mut());
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Encoder::Brotli(encoder) => {
                if let Some(encoder) = encoder.take() {
                    out.append(&mut encoder.into_inner());
                }
            }
            Encoder::Gzip(encoder) => {
                encoder.try_finish()?;
                out.append(encoder.get_mut());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    fn decoded(coding: Coding, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut decoded = Vec::new();
        match coding {
            Coding::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut decoded)?,
            Coding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut decoded)?,
        };
        Ok(decoded)
    }

    /// Returns what a decoder makes of a beginning.
    fn begun(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut decoder: Box<dyn Read> = match coding {
            Coding::Brotli => Box::new(brotli::Decompressor::new(bytes, 4096)),
            Coding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
        };
        let (mut decoded, mut piece) = (Vec::new(), [0; 1000]);
        while let Ok(n @ 1..) = decoder.read(&mut piece) {
            decoded.extend_from_slice(&piece[..n]);
        }
        decoded
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..3000),
            "(<li>[a-f ]{0,9}</li>\n){0,300}".prop_map(String::into_bytes),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_compressed_whole_is_decompressed_to_the_same(body in text()) {
            for coding in Coding::ALL {
                prop_assert_eq!(&decoded(coding, &coding.whole(&body)).unwrap(), &body);
            }
        }

        #[test]
        fn each_piece_can_be_decompressed_when_it_was_sent_and_only_the_end_is_the_end(
            pieces in proptest::collection::vec(text(), 1..6)
        ) {
            for coding in Coding::ALL {
                let (mut encoder, mut sent, mut written) = (coding.filter(), Vec::new(), Vec::new());
                for piece in &pieces {
                    encoder.filter(piece, &mut sent).unwrap();
                    written.extend_from_slice(piece);
                    prop_assert_eq!(&begun(coding, &sent), &written);
                    prop_assert!(decoded(coding, &sent).is_err(), "a decoder takes no part for the whole");
                }
                encoder.finish(&mut sent).unwrap();
                prop_assert_eq!(&decoded(coding, &sent).unwrap(), &written);
            }
        }
    }
}
