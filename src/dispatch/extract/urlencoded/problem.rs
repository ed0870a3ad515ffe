//! The errors of reading a type from pairs.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

/// The most pairs that a type gets.
pub(super) const MOST: usize = 10_000;

/// Why a type can't be read from pairs.
#[derive(Debug)]
pub(in super::super) enum Problem {
    /// A message for the client.
    Text(String),
    /// A value was stored as another type than the expected one.
    Mismatch { found: Found, expected: String },
    /// The type would get more pairs than `MOST`.
    TooMany,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Text(text) => f.write_str(text),
            Problem::Mismatch { found, expected } => write!(f, "{found} is not {expected}"),
            Problem::TooMany => write!(f, "more than {MOST} fields"),
        }
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Problem {
        Problem::Text(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Problem {
        Problem::Mismatch {
            found: Found::of(found),
            expected: expected.to_string(),
        }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Problem {
        de::Error::invalid_type(found, expected)
    }
}

/// A value as it was stored, or as it was found where something else was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Found {
    Nothing,
    Text(String),
    /// A number or a flag.
    Parsed(String),
    Sequence,
}

impl Found {
    pub(super) fn of(found: Unexpected<'_>) -> Found {
        match found {
            Unexpected::Str(text) => Found::Text(text.to_owned()),
            Unexpected::Unit | Unexpected::Option => Found::Nothing,
            Unexpected::Unsigned(number) => Found::Parsed(number.to_string()),
            Unexpected::Signed(number) => Found::Parsed(number.to_string()),
            Unexpected::Float(number) => Found::Parsed(number.to_string()),
            Unexpected::Bool(flag) => Found::Parsed(flag.to_string()),
            Unexpected::Seq => Found::Sequence,
            other => Found::Text(other.to_string()),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Text(text) | Found::Parsed(text) => write!(f, "`{text}`"),
            Found::Nothing => f.write_str("``"),
            Found::Sequence => f.write_str("a sequence"),
        }
    }
}
