//! Which encoding of a file a client wants: RFC 9110 §12.5.3.

use crate::Request;

/// A content coding of which there may be a sibling of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    /// From the one that usually makes the smallest files.
    const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

    fn named(name: &str) -> Option<Coding> {
        Coding::ALL.into_iter().find(|coding| coding.name() == name)
    }

    /// Its name in Content-Encoding.
    pub(super) fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// Returns the end of the name of a sibling.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Coding::Brotli => ".br",
            Coding::Zstd => ".zst",
            Coding::Gzip => ".gz",
        }
    }

    /// Returns the mark by which an entity tag tells it from the file itself.
    pub(super) fn variant(self) -> &'static str {
        match self {
            Coding::Brotli => "-br",
            Coding::Zstd => "-zstd",
            Coding::Gzip => "-gzip",
        }
    }
}

/// Returns the codings that a client accepts and does not like less than none at all, the best one first.
///
/// A client that accepts nothing, not even the file as it is, gets the file as it is: RFC 9110 §12.4.1 lets a server
/// "disregard the header field", and a 406 helps nobody.
pub(super) fn wanted(request: &Request) -> impl Iterator<Item = Coding> {
    let accepted = request.accepted_encodings(&Coding::ALL.map(Coding::name));
    accepted.into_iter().filter_map(Coding::named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Coding::{Brotli, Gzip, Zstd};

    #[test]
    fn s12_5_3_of_codings_that_a_client_likes_equally_the_smallest_comes_first() {
        for (value, expected) in [
            ("gzip, deflate, br, zstd", &[Brotli, Zstd, Gzip][..]),
            ("*;q=0.5, gzip", &[Gzip, Brotli, Zstd]),
            ("identity, zstd", &[Zstd]),
            ("deflate", &[]),
        ] {
            let request = Request::get("/").with_header("Accept-Encoding", value);
            assert_eq!(wanted(&request).collect::<Vec<_>>(), expected, "{value}");
        }
        assert_eq!(
            wanted(&Request::get("/")).count(),
            0,
            "who says nothing gets the file as it is"
        );
    }
}
