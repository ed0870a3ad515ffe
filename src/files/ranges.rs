//! Ranges of bytes: RFC 9110 §14.

use std::ops::Range;

/// The number of ranges that a request may ask for. One that asks for more gets the whole file.
pub(super) const MAX: usize = 16;

/// Two ranges with fewer bytes between them are sent as one: the head of another part is longer.
const GAP: u64 = 80;

/// The part of a file that a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Whole,
    One(Range<u64>),
    /// Two at least, none of which overlaps another, in the order of the request.
    Several(Vec<Range<u64>>),
    /// None of the ranges has a byte of the file.
    Unsatisfiable,
}

/// Reads the value of a Range header, for a file of `len` bytes.
///
/// RFC 9110 §14.2: "A server that supports range requests MAY ignore or reject a Range header field that contains an
/// invalid ranges-specifier, a ranges-specifier with more than two overlapping ranges, or a set of many small ranges".
/// Those are ignored, and so is every range of an empty file, which has none.
pub(super) fn asked(value: &[u8], len: u64) -> Asked {
    let Some(specs) = parse(value).filter(|_| len > 0) else {
        return Asked::Whole;
    };
    let ranges = joined(specs.into_iter().filter_map(|spec| spec.in_file(len)));
    match ranges.as_slice() {
        [] => Asked::Unsatisfiable,
        [range] => Asked::One(range.clone()),
        several if overlap(several) => Asked::Whole,
        _ => Asked::Several(ranges),
    }
}

/// One range as it is written: RFC 9110 §14.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    /// From a position, to the last one that is named or the end.
    From(u64, Option<u64>),
    /// This many bytes at the end.
    Last(u64),
}

impl Spec {
    /// `int-range = first-pos "-" [ last-pos ]`, `suffix-range = "-" suffix-length`.
    fn parse(text: &[u8]) -> Option<Spec> {
        let dash = text.iter().position(|&byte| byte == b'-')?;
        let (first, last) = (text.get(..dash)?, text.get(dash + 1..)?);
        if first.is_empty() {
            return Some(Spec::Last(number(last)?));
        }
        let first = number(first)?;
        if last.is_empty() {
            return Some(Spec::From(first, None));
        }
        // "An int-range is invalid if the last-pos value is present and less than first-pos."
        let last = number(last).filter(|last| first <= *last)?;
        Some(Spec::From(first, Some(last)))
    }

    /// Returns the bytes of the file that it names, if it names any: RFC 9110 §14.1.2.
    fn in_file(self, len: u64) -> Option<Range<u64>> {
        let range = match self {
            // "If the last-pos value .. is greater than or equal to the current length of the representation data, the
            // byte range is interpreted as the remainder".
            Spec::From(first, last) => first..last.map_or(len, |last| last.saturating_add(1).min(len)),
            // "If the selected representation is shorter than the specified suffix-length, the entire representation
            // is used."
            Spec::Last(count) => len.saturating_sub(count)..len,
        };
        (range.start < range.end).then_some(range)
    }
}

/// A number of any length. One that is too large for 64 bits is larger than every file.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(number.saturating_mul(10).saturating_add(digit))
    })
}

/// `ranges-specifier = range-unit "=" range-set`, `range-set = 1#range-spec`. None if that is not what it is, or there
/// are too many.
fn parse(value: &[u8]) -> Option<Vec<Spec>> {
    // RFC 9110 §14.1: "range-unit names are case-insensitive".
    let (unit, set) = value.split_at_checked(b"bytes".len())?;
    let set = set.strip_prefix(b"=").filter(|_| unit.eq_ignore_ascii_case(b"bytes"))?;
    let mut specs = Vec::new();
    // RFC 9110 §5.6.1.2: empty elements of a list are ignored.
    let elements = set.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    for element in elements.filter(|element| !element.is_empty()) {
        if specs.len() == MAX {
            return None;
        }
        specs.push(Spec::parse(element)?);
    }
    Some(specs).filter(|specs| !specs.is_empty())
}

/// Joins neighbours that overlap, or that have little between them.
///
/// RFC 9110 §15.3.7.2: "When multiple ranges are requested, a server MAY coalesce any of the ranges that overlap, or that
/// are separated by a gap that is smaller than the overhead of sending multiple parts".
fn joined(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if is_near(last, &range) => *last = last.start.min(range.start)..last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

fn is_near(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start <= other.end.saturating_add(GAP) && other.start <= one.end.saturating_add(GAP)
}

/// Returns whether any two overlap. There are [few](MAX).
fn overlap(ranges: &[Range<u64>]) -> bool {
    let pairs = ranges.iter().enumerate();
    pairs.into_iter().any(|(at, one)| {
        let later = ranges.iter().skip(at + 1);
        later
            .into_iter()
            .any(|other| one.start < other.end && other.start < one.end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of_1000(value: &str) -> Asked {
        asked(value.as_bytes(), 1000)
    }

    #[test]
    fn s14_1_2_the_examples_of_the_rfc() {
        // "assuming a representation of length 10000".
        for (value, expected) in [
            ("bytes=0-499", 0..500),
            ("bytes=500-999", 500..1000),
            ("bytes=-500", 9500..10000),
            ("bytes=9500-", 9500..10000),
        ] {
            assert_eq!(asked(value.as_bytes(), 10000), Asked::One(expected), "{value}");
        }
        assert_eq!(asked(b"bytes=0-0,-1", 10000), Asked::Several(vec![0..1, 9999..10000]));
        let all = Asked::Several(vec![0..1000, 4500..5500, 9000..10000]);
        assert_eq!(asked(b"bytes= 0-999, 4500-5499, -1000", 10000), all);
        assert_eq!(asked(b"bytes=500-600,601-999", 10000), Asked::One(500..1000));
        assert_eq!(asked(b"bytes=500-700,601-999", 10000), Asked::One(500..1000));
    }

    #[test]
    fn s14_1_2_a_range_ends_where_the_file_does() {
        for (value, expected) in [
            ("bytes=0-", 0..1000),
            ("bytes=999-", 999..1000),
            ("bytes=999-1000", 999..1000),
            ("bytes=0-99999999999999999999999999", 0..1000),
            ("bytes=-1000", 0..1000),
            ("bytes=-99999999999999999999999999", 0..1000),
            ("bytes=00000000000000000000000001-1", 1..2),
            ("BYTES=1-1", 1..2),
            ("bytes=,, 1-1 ,", 1..2),
            ("bytes=2000-, 1-1, -0", 1..2),
        ] {
            assert_eq!(of_1000(value), Asked::One(expected), "{value}");
        }
    }

    #[test]
    fn s14_1_1_what_is_invalid_is_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=2-1",
            "bytes=a-b",
            "bytes=1",
            "bytes=1-2-3",
            "bytes=--1",
            "bytes=1-2;3-4",
            "bytes=+1-2",
            "bytes=1 -2",
            "bytes=0x1-2",
            "bytes:0-1",
            "bytes =0-1",
            "lines=0-1",
            "byte=0-1",
            "bytes=0-1, x",
            "bytes=1.0-2",
            "=0-1",
            "0-1",
        ] {
            assert_eq!(of_1000(value), Asked::Whole, "{value}");
        }
    }

    #[test]
    fn s15_5_17_what_is_outside_is_unsatisfiable() {
        for value in [
            "bytes=1000-",
            "bytes=1000-2000",
            "bytes=-0",
            "bytes=99999999999999999999-",
            "bytes=1000-,-0",
        ] {
            assert_eq!(of_1000(value), Asked::Unsatisfiable, "{value}");
        }
    }

    #[test]
    fn an_empty_file_has_no_ranges() {
        for value in ["bytes=0-", "bytes=-1", "bytes=0-0,-1"] {
            assert_eq!(asked(value.as_bytes(), 0), Asked::Whole, "{value}");
        }
    }

    #[test]
    fn s14_2_many_ranges_and_those_that_overlap_are_ignored() {
        let ranges = |count: usize| {
            let ranges: Vec<String> = (0..count).map(|at| format!("{0}-{0}", at * 1000)).collect();
            asked(format!("bytes={}", ranges.join(",")).as_bytes(), 1_000_000)
        };
        assert!(matches!(ranges(MAX), Asked::Several(several) if several.len() == MAX));
        assert_eq!(ranges(MAX + 1), Asked::Whole);
        assert_eq!(of_1000("bytes=0-99,500-599,50-60"), Asked::Whole);
        assert_eq!(
            of_1000("bytes=0-,500-599,0-"),
            Asked::One(0..1000),
            "joined one after the other"
        );
        assert_eq!(
            of_1000("bytes=900-999,0-99"),
            Asked::Several(vec![900..1000, 0..100]),
            "in their order"
        );
        assert_eq!(
            of_1000("bytes=0-99,179-200"),
            Asked::One(0..201),
            "the gap is smaller than a head"
        );
        assert_eq!(of_1000("bytes=0-99,181-200"), Asked::Several(vec![0..100, 181..201]));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_is_in_the_file_and_never_more_than_the_file(
            specs in prop::collection::vec((any::<Option<u16>>(), any::<Option<u16>>()), 1..20),
            len in 0_u64..100_000,
        ) {
            let written: Vec<String> = specs.iter().map(|(first, last)| {
                let number = |n: &Option<u16>| n.map(|n| n.to_string()).unwrap_or_default();
                format!("{}-{}", number(first), number(last))
            }).collect();
            let ranges = match asked(format!("bytes={}", written.join(", ")).as_bytes(), len) {
                Asked::Whole | Asked::Unsatisfiable => Vec::new(),
                Asked::One(range) => vec![range],
                Asked::Several(ranges) => {
                    prop_assert!(ranges.len() > 1 && ranges.len() <= MAX);
                    ranges
                }
            };
            let sum: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            prop_assert!(sum <= len);
            for range in ranges {
                prop_assert!(range.start < range.end && range.end <= len);
            }
        }

        #[test]
        fn every_byte_that_is_asked_for_is_in_the_response(
            ranges in prop::collection::vec((0_u64..1000, 0_u64..1000), 1..MAX),
        ) {
            let written: Vec<String> = ranges.iter().map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))).collect();
            let sent = match of_1000(&format!("bytes={}", written.join(","))) {
                Asked::One(range) => vec![range],
                Asked::Several(ranges) => ranges,
                other => {
                    prop_assert_eq!(other, Asked::Whole);
                    std::iter::once(0..1000).collect()
                }
            };
            for (a, b) in ranges {
                for byte in [a.min(b), a.max(b)] {
                    prop_assert!(sent.iter().any(|range| range.contains(&byte)));
                }
            }
        }

        #[test]
        fn no_value_is_too_much(value in prop::collection::vec(any::<u8>(), 0..60), len in any::<u64>()) {
            asked(&[b"bytes=", &value[..]].concat(), len);
            asked(&value, len);
        }
    }
}
