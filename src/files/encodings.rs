//! Which encoding of a file a client wants: RFC 9110 §12.5.3.

use super::fields::lines;
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

    /// Its name in Content-Encoding.
    pub(super) fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// What the name of a sibling ends with.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Coding::Brotli => ".br",
            Coding::Zstd => ".zst",
            Coding::Gzip => ".gz",
        }
    }

    /// How an entity tag tells it from the file itself.
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
    let weights = Weights::of(request);
    let mut ranked = Coding::ALL.map(|coding| (weights.of_coding(coding), coding));
    // Stable: of those that a client likes equally, ours is the order.
    ranked.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let least = weights.of_identity();
    let is_wanted = move |weight: u16| weight > 0 && weight >= least;
    ranked
        .into_iter()
        .filter(move |(weight, _)| is_wanted(*weight))
        .map(|(_, coding)| coding)
}

/// The weights that a client gives, in thousandths.
#[derive(Default)]
struct Weights {
    brotli: Option<u16>,
    zstd: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    /// Of every coding that is not named.
    others: Option<u16>,
}

impl Weights {
    fn of(request: &Request) -> Weights {
        let mut weights = Weights::default();
        for line in lines(request, "accept-encoding") {
            for element in line.split(|&byte| byte == b',') {
                weights.take(element.trim_ascii());
            }
        }
        weights
    }

    /// `codings [ weight ]`, `weight = OWS ";" OWS "q=" qvalue`.
    fn take(&mut self, element: &[u8]) {
        let mut parts = element.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let weight = match (parts.next(), parts.next()) {
            (None, _) => 1000,
            // What is no weight makes the element invalid: it is nothing that the client accepts.
            (Some(weight), None) => qvalue(weight).unwrap_or(0),
            (Some(_), Some(_)) => 0,
        };
        let is = |coding: &str| name.eq_ignore_ascii_case(coding.as_bytes());
        let place = if is("br") {
            &mut self.brotli
        } else if is("zstd") {
            &mut self.zstd
        } else if is("gzip") || is("x-gzip") {
            // RFC 9110 §8.4.1.3: "A recipient SHOULD consider 'x-gzip' to be equivalent to 'gzip'."
            &mut self.gzip
        } else if is("identity") {
            &mut self.identity
        } else if name == b"*" {
            &mut self.others
        } else {
            return;
        };
        // The first one counts.
        place.get_or_insert(weight);
    }

    fn of_coding(&self, coding: Coding) -> u16 {
        let named = match coding {
            Coding::Brotli => self.brotli,
            Coding::Zstd => self.zstd,
            Coding::Gzip => self.gzip,
        };
        // "The asterisk .. matches any available content coding not explicitly listed."
        named.or(self.others).unwrap_or(0)
    }

    /// What is not named is "acceptable unless specifically excluded", and less welcome than what is named.
    fn of_identity(&self) -> u16 {
        self.identity.unwrap_or(0)
    }
}

/// `qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )`, in thousandths.
fn qvalue(parameter: &[u8]) -> Option<u16> {
    let (name, value) = parameter.split_at_checked(2)?;
    if !name.eq_ignore_ascii_case(b"q=") {
        return None;
    }
    let (whole, fraction) = match value {
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (*whole, fraction),
        [whole] => (*whole, &[][..]),
        _ => return None,
    };
    let mut thousandths = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    for (digit, worth) in fraction.iter().zip([100, 10, 1]) {
        thousandths += digit.is_ascii_digit().then(|| u16::from(digit - b'0'))? * worth;
    }
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Coding::{Brotli, Gzip, Zstd};

    fn wanted_by(value: &str) -> Vec<Coding> {
        wanted(&Request::get("/").with_header("Accept-Encoding", value)).collect()
    }

    #[test]
    fn s12_5_3_the_best_that_is_accepted_comes_first() {
        for (value, expected) in [
            ("gzip, deflate, br, zstd", &[Brotli, Zstd, Gzip][..]),
            ("gzip", &[Gzip]),
            ("GZIP", &[Gzip]),
            ("x-gzip", &[Gzip]),
            ("gzip;q=1.0, br;q=0.5", &[Gzip, Brotli]),
            ("br ; q=0.001 , zstd;Q=0.002", &[Zstd, Brotli]),
            ("*", &[Brotli, Zstd, Gzip]),
            ("*;q=0.5, gzip", &[Gzip, Brotli, Zstd]),
            ("br;q=0, *", &[Zstd, Gzip]),
            ("identity", &[]),
            ("identity, gzip", &[Gzip]),
            ("identity;q=1, gzip;q=0.9", &[]),
            ("identity;q=0.5, gzip;q=0.5, br;q=0.4", &[Gzip]),
            ("identity;q=0", &[]),
            ("identity;q=0, gzip", &[Gzip]),
            ("deflate", &[]),
            ("", &[]),
            ("gzip;q=0", &[]),
            ("gzip;q=0.000", &[]),
            ("gzip;q=1.001", &[]),
            ("gzip;q=x, br", &[Brotli]),
            ("gzip;x=1", &[]),
            ("gzip;q=1;x", &[]),
            ("gzip;q=0.1234", &[]),
            ("gzip;q=0, gzip", &[]),
            (",, gzip ,", &[Gzip]),
            ("gzipped, brotli", &[]),
        ] {
            assert_eq!(wanted_by(value), expected, "{value}");
        }
        assert_eq!(
            wanted(&Request::get("/")).count(),
            0,
            "who says nothing may get anything: the file as it is"
        );
        let lines = Request::get("/")
            .with_header("Accept-Encoding", "gzip;q=0.5")
            .with_header("Accept-Encoding", "br");
        assert_eq!(wanted(&lines).collect::<Vec<_>>(), [Brotli, Gzip], "lines are one list");
    }

    #[test]
    fn s12_4_2_a_weight_has_three_digits() {
        for (text, expected) in [
            ("q=1", Some(1000)),
            ("q=0", Some(0)),
            ("q=0.5", Some(500)),
            ("q=0.05", Some(50)),
            ("Q=0.123", Some(123)),
            ("q=1.000", Some(1000)),
            ("q=1.", Some(1000)),
            ("q=1.1", None),
            ("q=2", None),
            ("q=-1", None),
            ("q=.5", None),
            ("q=", None),
            ("q", None),
            ("q=0.0a", None),
            ("r=1", None),
        ] {
            assert_eq!(qvalue(text.as_bytes()), expected, "{text}");
        }
    }
}
