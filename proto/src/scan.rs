//! Byte classes, and the loops that scan nearly every byte of a head.

/// RFC 9110 §5.6.2: `tchar`, the characters of methods and field names.
pub(crate) const TOKEN: u8 = 1 << 0;
/// The characters of a path, without the `%` of an escape: see [`is_left_raw`].
pub(crate) const PATH: u8 = 1 << 1;
/// The characters of a query, without the `%` of an escape: see [`is_left_raw`].
pub(crate) const QUERY: u8 = 1 << 2;
/// RFC 3986 §3.2.2: the characters of a `reg-name`, without the `%` of an escape.
pub(crate) const REG_NAME: u8 = 1 << 3;
/// RFC 9110 §5.5: `field-vchar`, SP and HTAB.
pub(crate) const VALUE: u8 = 1 << 4;
/// RFC 5234: `HEXDIG`, in either case.
pub(crate) const HEX: u8 = 1 << 5;

static CLASSES: [u8; 256] = classes();

/// Returns true if `byte` belongs to one of the `classes`.
#[inline(always)]
pub(crate) const fn is(byte: u8, classes: u8) -> bool {
    CLASSES[byte as usize] & classes != 0
}

/// Returns the index of the first byte at or after `from` that belongs to none of the `classes`; the length if there is
/// none.
#[inline(always)]
pub(crate) fn run(bytes: &[u8], from: usize, classes: u8) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let taken = rest.iter().position(|&byte| !is(byte, classes));
    from + taken.unwrap_or(rest.len())
}

/// Returns true if all of `bytes` belong to `classes`.
#[inline(always)]
pub(crate) fn are_of(bytes: &[u8], classes: u8) -> bool {
    bytes.iter().all(|&byte| is(byte, classes))
}

/// Returns the index of the first byte at or after `from` that cannot be part of a field value (RFC 9110 §5.5); the
/// length if there is none.
#[inline(always)]
pub(crate) fn value_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        at += visible_run(bytes.get(at..).unwrap_or_default());
        match bytes.get(at) {
            Some(b'\t') => at += 1,
            _ => return at,
        }
    }
}

/// Returns true if both are equal without case.
#[inline(always)]
pub(crate) fn is_word(bytes: &[u8], word: &[u8]) -> bool {
    // The length rules out nearly all others.
    bytes.len() == word.len() && has_letters_of(bytes, word)
}

/// Compares two words of equal length, eight letters at a time.
#[inline(never)]
fn has_letters_of(bytes: &[u8], word: &[u8]) -> bool {
    let is_same = |(our, their): (&[u8; 8], &[u8; 8])| {
        let pairs = our.iter().zip(their);
        pairs.fold(true, |all, (our, their)| all & our.eq_ignore_ascii_case(their))
    };
    match bytes.last_chunk().zip(word.last_chunk()) {
        // The last chunk overlaps the one before it.
        Some(last) => is_same(last) && chunks(bytes).zip(chunks(word)).all(is_same),
        None => bytes.eq_ignore_ascii_case(word),
    }
}

/// RFC 9110 §5.6.2: `token = 1*tchar`.
#[inline(never)]
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    // Nearly all names consist of these bytes only.
    in_chunks(bytes, |byte| byte.is_ascii_alphabetic() | (byte == b'-')) || (!bytes.is_empty() && are_of(bytes, TOKEN))
}

/// Returns true if all of `bytes` may be part of a field value.
#[inline(never)]
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    // HTAB is a control byte, and may be part of a value.
    in_chunks(bytes, |byte| (byte >= 0x20) & (byte != 0x7f)) || are_of(bytes, VALUE)
}

/// Returns true if there are at least eight bytes, and all pass a test that the processor can apply to eight at once.
#[inline(always)]
fn in_chunks(bytes: &[u8], test: impl Fn(u8) -> bool) -> bool {
    // There is no branch for each byte.
    let passes = |chunk: &[u8; 8]| chunk.iter().fold(true, |all, &byte| all & test(byte));
    // The last chunk overlaps the one before it, so that no byte has to be tested by itself.
    bytes.last_chunk().is_some_and(passes) && chunks(bytes).all(passes)
}

/// Returns the bytes in chunks of eight, without those at the end that are fewer.
#[inline(always)]
fn chunks(bytes: &[u8]) -> impl Iterator<Item = &[u8; 8]> {
    bytes.chunks_exact(8).filter_map(<[u8]>::first_chunk)
}

/// Returns the number of bytes at the start that are neither controls nor DEL, eight at a time.
#[inline(always)]
fn visible_run(bytes: &[u8]) -> usize {
    for (index, word) in chunks(bytes).enumerate() {
        let controls = controls(u64::from_le_bytes(*word));
        if controls != 0 {
            return index * 8 + (controls.trailing_zeros() / 8) as usize;
        }
    }
    let tail = bytes.chunks_exact(8).remainder();
    let taken = tail.iter().position(|&byte| byte < 0x20 || byte == 0x7f);
    bytes.len() - tail.len() + taken.unwrap_or(tail.len())
}

/// Sets the top bit of every byte below 0x20 or equal to 0x7f.
///
/// A borrow can mark the byte above a marked one by mistake, but never one below it. So the lowest mark is always
/// right, and only the lowest is used.
#[inline(always)]
const fn controls(word: u64) -> u64 {
    let below_space = word.wrapping_sub(repeat(0x20)) & !word;
    let from_delete = word ^ repeat(0x7f);
    let delete = from_delete.wrapping_sub(repeat(0x01)) & !from_delete;
    (below_space | delete) & repeat(0x80)
}

const fn repeat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = classes_of(byte as u8);
        byte += 1;
    }
    table
}

const fn classes_of(byte: u8) -> u8 {
    let mut classes = 0;
    if in_token(byte) {
        classes |= TOKEN;
    }
    if unreserved(byte) || sub_delim(byte) {
        classes |= PATH | QUERY | REG_NAME;
    }
    if matches!(byte, b':' | b'@' | b'/') {
        classes |= PATH | QUERY;
    }
    // RFC 3986 §3.4: a query may also contain `?`.
    if byte == b'?' || byte == b'\\' {
        classes |= QUERY;
    }
    if is_left_raw(byte) {
        classes |= PATH | QUERY;
    }
    if byte == b'\t' || (byte >= 0x20 && byte != 0x7f) {
        classes |= VALUE;
    }
    if byte.is_ascii_hexdigit() {
        classes |= HEX;
    }
    classes
}

/// RFC 9110 §5.6.2: `tchar`.
const fn in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// RFC 3986 §2.3.
const fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 §2.2.
const fn sub_delim(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
    )
}

/// Returns true for the characters beyond `pchar` (RFC 3986 §3.3) and `/` that paths and queries may contain. Other
/// software leaves them unescaped: browsers do so in a query (WHATWG URL, "query percent-encode set"), and in a path
/// with `[`, `]`, `|` and, until 2023, `^`, as in `/a|b[0]?filter[name]=c`. Refusing them would refuse links that work
/// everywhere else, and no two servers differ on where a target, its path or a segment ends because of them. A
/// backslash is different: in a query it is data, but in a path WHATWG URL takes it for a slash, and RFC 3986 does not
/// allow it.
const fn is_left_raw(byte: u8) -> bool {
    matches!(byte, b'[' | b']' | b'{' | b'}' | b'|' | b'^' | b'`')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_end_stops_where_a_plain_loop_stops() {
        for length in 0..40 {
            for at in 0..length {
                for byte in 0..=255 {
                    let mut bytes = vec![b'x'; length];
                    bytes[at] = byte;
                    let plain = bytes.iter().position(|&b| !is(b, VALUE)).unwrap_or(length);
                    assert_eq!(value_end(&bytes, 0), plain, "0x{byte:02x} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn values_and_tokens_are_what_a_plain_loop_takes_for_them() {
        for length in 1..20 {
            for (at, count) in (0..length).flat_map(|at| [1, 2, length].map(|count| (at, count))) {
                for byte in 0..=255 {
                    let mut bytes = vec![b'x'; length];
                    for place in at..at + count {
                        bytes[place % length] = byte;
                    }
                    let case = || format!("0x{byte:02x} {count} times from {at} of {length}");
                    assert_eq!(is_value(&bytes), is(byte, VALUE), "{}", case());
                    assert_eq!(is_token(&bytes), is(byte, TOKEN), "{}", case());
                }
            }
        }
        assert!(is_value(b""));
        assert!(!is_token(b""));
    }

    #[test]
    fn words_are_the_same_but_for_the_case_of_letters() {
        for length in 1..20 {
            for (at, count) in (0..length).flat_map(|at| [1, 2].map(|count| (at, count))) {
                for (one, other) in (0..=255).flat_map(|one| [0x20, 0x80, 1, 0].map(|bit| (one, one ^ bit))) {
                    let mut bytes = vec![b'x'; length];
                    let mut word = vec![b'X'; length];
                    for place in at..at + count {
                        (bytes[place % length], word[place % length]) = (one, other);
                    }
                    let plain = bytes.eq_ignore_ascii_case(&word);
                    assert_eq!(
                        is_word(&bytes, &word),
                        plain,
                        "0x{one:02x} and 0x{other:02x} {count} times from {at} of {length}"
                    );
                }
            }
        }
        assert!(is_word(b"", b""));
        assert!(!is_word(b"host", b"hosts"));
    }

    #[test]
    fn the_lowest_mark_is_right_whatever_stands_above_it() {
        for low in 0..=255u8 {
            for high in 0..=255u8 {
                let marks = controls(u64::from_le_bytes([low, high, b'x', b'x', b'x', b'x', b'x', b'x']));
                let control = |byte: u8| byte < 0x20 || byte == 0x7f;
                assert_eq!(control(low), marks & 0x80 != 0, "{low:02x} {high:02x}");
                assert!(
                    control(low) || control(high) == (marks & 0x8000 != 0),
                    "{low:02x} {high:02x}"
                );
            }
        }
    }

    #[test]
    fn token_bytes_are_those_of_the_grammar() {
        let token = (0..=255u8)
            .filter(|&b| is(b, TOKEN))
            .map(char::from)
            .collect::<String>();
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~";
        assert_eq!(token, format!("!#$%&'*+-.0123456789{letters}"));
    }
}
