//! RFC 9112 §5: field lines.

use hansel_proto::Reason;

use crate::wire::{accepted, get, refused};

fn value_of(line: &str) -> Vec<u8> {
    accepted(get(line)).fields[1].1.clone()
}

/// RFC 9110 §5.1: "Field names are case-insensitive"; they are kept as sent, in order, repeated
/// ones repeated (§5.3).
#[test]
fn s5_fields_are_kept_as_sent() {
    let request = accepted("GET / HTTP/1.1\r\nhOsT: a\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\n\r\n");
    let fields: Vec<_> = request
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect();
    let wanted: [(&str, &[u8]); 4] = [("hOsT", b"a"), ("X-B", b"1"), ("x-a", b"2"), ("X-B", b"3")];
    assert_eq!(fields, wanted);
}

/// §5.1: "No whitespace is allowed between the field name and colon. [...] A server MUST reject,
/// with a response status code of 400 (Bad Request), any received request message that contains
/// whitespace between a header field name and colon."
#[test]
fn s5_1_no_whitespace_before_the_colon() {
    refused(get("X : y\r\n"), Reason::SpaceBeforeColon);
    refused(get("Content-Length\t: 5\r\n"), Reason::SpaceBeforeColon);
    refused("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Reason::SpaceBeforeColon);
}

/// §5: `field-line = field-name ":" OWS field-value OWS`; RFC 9110 §5.1: `field-name = token`.
#[test]
fn s5_a_name_is_a_token() {
    assert_eq!(accepted(get("!#$%&'*+-.^_`|~09azAZ: x\r\n")).fields.len(), 2);
    refused(get("NoColon\r\n"), Reason::FieldName);
    refused(get(": value\r\n"), Reason::FieldName);
    refused(get("\u{b}X: y\r\n"), Reason::FieldName);
    for byte in (0..=255u8).filter(|byte| !byte.is_ascii_alphanumeric() && !b"!#$%&'*+-.^_`|~: \t\n".contains(byte)) {
        let lines = [b"GET / HTTP/1.1\r\nHost: a\r\nX", &[byte][..], b"Y: z\r\n\r\n"].concat();
        refused(lines, Reason::FieldName);
    }
}

/// §5: whitespace around the value "is excluded from the field value": SP and HTAB, no other.
#[test]
fn s5_whitespace_round_a_value_is_not_part_of_it() {
    assert_eq!(value_of("X:y\r\n"), b"y");
    assert_eq!(value_of("X: \t y z \t \r\n"), b"y z");
    assert_eq!(value_of("X:\r\n"), b"");
    assert_eq!(value_of("X: \t \r\n"), b"");
    assert_eq!(value_of("X::::\r\n"), b":::");
    assert_eq!(value_of("X: a\tb\r\n"), b"a\tb");
}

/// RFC 9110 §5.5: `field-vchar = VCHAR / obs-text`; "Field values containing CR, LF, or NUL
/// characters are invalid and dangerous", and other controls are no part of the grammar.
#[test]
fn s5_5_a_value_holds_no_control() {
    for byte in 0..=255u8 {
        for pad in [0, 5, 8, 13] {
            let pad = "p".repeat(pad);
            let lines = [
                b"GET / HTTP/1.1\r\nHost: a\r\nX: ",
                pad.as_bytes(),
                &[byte],
                b"z\r\n\r\n",
            ]
            .concat();
            match byte {
                b'\t' | 0x20..=0x7e | 0x80..=0xff => {
                    assert_eq!(accepted(lines).fields.len(), 2);
                }
                b'\n' => refused(lines, Reason::BareLf),
                b'\r' => refused(lines, Reason::BareCr),
                _ => refused(lines, Reason::FieldValue),
            }
        }
    }
}

/// §5.2: "A server that receives an obs-fold in a request message [...] MUST either reject the
/// message by sending a 400 (Bad Request)" or replace it; we reject.
#[test]
fn s5_2_no_folded_lines() {
    refused(get("X: y\r\n z\r\n"), Reason::LeadingWhitespace);
    refused(get("X: y\r\n\tz\r\n"), Reason::LeadingWhitespace);
    refused(get("X: y\r\n \r\n"), Reason::LeadingWhitespace);
}
