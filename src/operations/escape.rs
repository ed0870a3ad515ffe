//! Text from clients, escaped so that it stays in its place: none of its line ends, quotes or terminal sequences get
//! into a log.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends the text between quotes in a combined line, as Apache writes it: `\"`, `\\`, and `\xhh` for every octet that
/// is not a printable ASCII character.
pub(super) fn quoted(octets: &[u8], line: &mut Vec<u8>) {
    if octets.iter().all(|octet| is_plain(*octet)) {
        // Nearly always the case.
        return line.extend_from_slice(octets);
    }
    for run in octets.chunk_by(|a, b| is_plain(*a) && is_plain(*b)) {
        match run {
            [b'"'] => line.extend_from_slice(b"\\\""),
            [b'\\'] => line.extend_from_slice(b"\\\\"),
            [octet] if !is_plain(*octet) => {
                line.extend_from_slice(&[b'\\', b'x', digit(octet >> 4), digit(octet & 0xf)]);
            }
            plain => line.extend_from_slice(plain),
        }
    }
}

/// Appends a JSON string (RFC 8259 §7) with its quotes. Invalid UTF-8 becomes U+FFFD, and control characters of both
/// kinds are escaped.
pub(crate) fn json(octets: &[u8], line: &mut Vec<u8>) {
    line.push(b'"');
    if octets.iter().all(|octet| is_plain(*octet)) {
        line.extend_from_slice(octets);
    } else {
        for chunk in octets.utf8_chunks() {
            for letter in chunk.valid().chars() {
                json_letter(letter, line);
            }
            if !chunk.invalid().is_empty() {
                json_letter(char::REPLACEMENT_CHARACTER, line);
            }
        }
    }
    line.push(b'"');
}

fn json_letter(letter: char, line: &mut Vec<u8>) {
    match letter {
        '"' => line.extend_from_slice(b"\\\""),
        '\\' => line.extend_from_slice(b"\\\\"),
        // U+2028 and U+2029 end a line in JavaScript, though not in JSON.
        letter if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') => {
            let code = letter as u32;
            line.extend_from_slice(b"\\u");
            line.extend([12, 8, 4, 0].map(|at| digit((code >> at & 0xf) as u8)));
        }
        letter => line.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn is_plain(octet: u8) -> bool {
    matches!(octet, b' '..=b'~') && octet != b'"' && octet != b'\\'
}

fn digit(value: u8) -> u8 {
    HEX[usize::from(value & 0xf)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&[u8], &mut Vec<u8>), octets: &[u8]) -> String {
        let mut line = Vec::new();
        write(octets, &mut line);
        String::from_utf8(line).unwrap()
    }

    /// Parses what [`quoted`] has written.
    fn unquoted(text: &str) -> Vec<u8> {
        let mut octets = Vec::new();
        let mut letters = text.bytes();
        while let Some(letter) = letters.next() {
            octets.push(match letter {
                b'\\' => match letters.next().unwrap() {
                    b'x' => {
                        let hex = [letters.next().unwrap(), letters.next().unwrap()];
                        u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
                    }
                    escaped => escaped,
                },
                letter => letter,
            });
        }
        octets
    }

    #[test]
    fn what_would_end_a_field_or_a_line_is_escaped() {
        assert_eq!(text(quoted, b"a\"b\\c\r\n\x1b[m\xff"), r#"a\"b\\c\x0d\x0a\x1b[m\xff"#);
        assert_eq!(
            text(json, b"a\"b\\c\n\x7f\xff"),
            r#""a\"b\\c\u000a\u007f"#.to_owned() + "\u{fffd}\""
        );
        assert_eq!(text(json, "é\u{85}\u{2028}".as_bytes()), r#""é\u0085\u2028""#);
    }

    proptest! {
        #[test]
        fn a_quoted_text_has_no_quote_of_its_own_and_can_be_read_back(octets: Vec<u8>) {
            let written = text(quoted, &octets);
            prop_assert!(written.bytes().all(|letter| matches!(letter, b' '..=b'~')));
            let mut is_escaped = false;
            for letter in written.bytes() {
                prop_assert!(is_escaped || letter != b'"', "{written}");
                is_escaped = letter == b'\\' && !is_escaped;
            }
            prop_assert!(!is_escaped, "{written}");
            prop_assert_eq!(unquoted(&written), octets);
        }

        #[test]
        fn a_json_string_can_be_read_back(octets: Vec<u8>) {
            let written = text(json, &octets);
            prop_assert!(!written.chars().any(char::is_control));
            let read: String = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&octets));
        }
    }
}
