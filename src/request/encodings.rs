//! Which content codings a client accepts: RFC 9110 §12.5.3.

use std::cmp::Reverse;

use super::{Request, lists};

/// Returns those of `offered` that a client accepts, the one it likes best first: see
/// [`Request::accepted_encodings`].
pub(super) fn accepted<'o>(request: &Request, offered: &[&'o str]) -> Vec<&'o str> {
    let weights = |name: &str| Weights::of(request, name);
    let least = weights("identity").named.unwrap_or(0);
    let weighted = offered.iter().map(|name| (weights(name).of_coding(), *name));
    let mut accepted: Vec<_> = weighted.filter(|(weight, _)| *weight > 0 && *weight >= least).collect();
    // Stable: of those that a client likes equally, the order is that of the offer.
    accepted.sort_by_key(|(weight, _)| Reverse(*weight));
    accepted.into_iter().map(|(_, name)| name).collect()
}

/// The weights that a client gives to a coding, in thousandths.
#[derive(Default)]
struct Weights {
    named: Option<u16>,
    /// The weight of `*`, for codings that are not named.
    of_others: Option<u16>,
}

impl Weights {
    fn of(request: &Request, coding: &str) -> Weights {
        let mut weights = Weights::default();
        for element in lists::elements(request, "accept-encoding") {
            let (name, weight) = weighted(element);
            // RFC 9110 §8.4.1.3: "A recipient SHOULD consider 'x-gzip' to be equivalent to 'gzip'."
            let name = if name.eq_ignore_ascii_case(b"x-gzip") {
                b"gzip"
            } else {
                name
            };
            if name.eq_ignore_ascii_case(coding.as_bytes()) {
                // The first one counts.
                weights.named.get_or_insert(weight);
            } else if name == b"*" {
                weights.of_others.get_or_insert(weight);
            }
        }
        weights
    }

    fn of_coding(&self) -> u16 {
        // "The asterisk "*" symbol in an Accept-Encoding field matches any available content coding not explicitly
        // listed in the field."
        self.named.or(self.of_others).unwrap_or(0)
    }
}

/// Returns the name and the weight of an element: `codings [ weight ]`, `weight = OWS ";" OWS "q=" qvalue`.
fn weighted(element: &[u8]) -> (&[u8], u16) {
    let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().unwrap_or_default();
    let weight = match (parts.next(), parts.next()) {
        (None, _) => 1000,
        // An element with something else behind its name is invalid: it accepts nothing.
        (Some(weight), None) => qvalue(weight).unwrap_or(0),
        (Some(_), Some(_)) => 0,
    };
    (name, weight)
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

    const OFFERED: &[&str] = &["br", "zstd", "gzip"];

    #[test]
    fn s12_5_3_the_best_that_is_accepted_comes_first() {
        for (value, expected) in [
            ("gzip, deflate, br, zstd", &["br", "zstd", "gzip"][..]),
            ("gzip", &["gzip"]),
            ("GZIP", &["gzip"]),
            ("x-gzip", &["gzip"]),
            ("gzip;q=1.0, br;q=0.5", &["gzip", "br"]),
            ("br ; q=0.001 , zstd;Q=0.002", &["zstd", "br"]),
            ("*", &["br", "zstd", "gzip"]),
            ("*;q=0.5, gzip", &["gzip", "br", "zstd"]),
            ("br;q=0, *", &["zstd", "gzip"]),
            ("identity", &[]),
            ("identity, gzip", &["gzip"]),
            ("identity;q=1, gzip;q=0.9", &[]),
            ("identity;q=0.5, gzip;q=0.5, br;q=0.4", &["gzip"]),
            ("identity;q=0", &[]),
            ("identity;q=0, gzip", &["gzip"]),
            ("deflate", &[]),
            ("", &[]),
            ("gzip;q=0", &[]),
            ("gzip;q=0.000", &[]),
            ("gzip;q=1.001", &[]),
            ("gzip;q=x, br", &["br"]),
            ("gzip;x=1", &[]),
            ("gzip;q=1;x", &[]),
            ("gzip;q=0.1234", &[]),
            ("gzip;q=0, gzip", &[]),
            (",, gzip ,", &["gzip"]),
            ("gzipped, brotli", &[]),
        ] {
            let request = Request::get("/").with_header("Accept-Encoding", value);
            assert_eq!(accepted(&request, OFFERED), expected, "{value}");
        }
        assert_eq!(
            accepted(&Request::get("/"), OFFERED),
            [""; 0],
            "no preference is no wish"
        );
        let lines = Request::get("/")
            .with_header("Accept-Encoding", "gzip;q=0.5")
            .with_header("Accept-Encoding", "br");
        assert_eq!(accepted(&lines, OFFERED), ["br", "gzip"], "lines are one list");
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
