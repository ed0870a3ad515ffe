//! The shapes in which the values of a flattened part are stored, before their types are known.

use std::cell::RefCell;
use std::collections::HashMap;

use serde::de::Unexpected;

use super::problem::{Found, Problem};

/// The most fields that get another shape. It bounds the flattened fields of a type, whatever a client sends.
const MOST_LEARNT: usize = 64;

/// The shape in which the values of a field are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// A sequence, even of a single value.
    pub(super) is_sequence: bool,
    pub(super) item: Item,
}

/// The shape in which one value is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Item {
    /// Text, or nothing if it is empty.
    #[default]
    Unknown,
    Text,
    Number,
    Flag,
}

/// The shapes that have been learnt, by field.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    learnt: HashMap<String, Shape>,
    /// The names of these fields, in the order in which they were learnt.
    order: Vec<String>,
    /// The values that were stored in this attempt, with their fields.
    stored: RefCell<Vec<(String, Found)>>,
}

impl Shapes {
    pub(super) fn of(&self, name: &str) -> Shape {
        self.learnt.get(name).copied().unwrap_or_default()
    }

    /// Notes that a value is stored for this field.
    pub(super) fn note(&self, name: &str, found: Found) {
        self.stored.borrow_mut().push((name.to_owned(), found));
    }

    /// Gives the `expected` shape to the field that was stored as `found`.
    ///
    /// # Errors
    /// If there is no such field, or its value can't have that shape: the client's mistake.
    pub(super) fn learn(&mut self, found: Found, expected: &str) -> Result<(), Problem> {
        let stored = self.stored.take();
        let mut candidates: Vec<&str> = Vec::new();
        for (name, stored) in &stored {
            if *stored == found && !candidates.contains(&name.as_str()) && candidates.len() < MOST_LEARNT {
                candidates.push(name);
            }
        }
        // Among fields that have learnt a shape already, the first one is the wrong one.
        candidates.sort_by_key(|name| self.order.iter().position(|learnt| learnt == name));
        let change = candidates.iter().find_map(|name| {
            let shape = self.of(name).changed(&found, expected)?;
            Some(((*name).to_owned(), shape))
        });
        match change {
            Some((name, shape)) if self.order.len() < 2 * MOST_LEARNT => {
                self.order.push(name.clone());
                self.learnt.insert(name, shape);
                Ok(())
            }
            _ => Err(complaint(candidates.first().copied(), &found, expected)),
        }
    }
}

impl Shape {
    /// Returns the shape to try next, if `found` was stored and something else was expected.
    fn changed(self, found: &Found, expected: &str) -> Option<Shape> {
        match (found, self.item) {
            (Found::Text(_), _) if expects_sequence(expected) && !self.is_sequence => Some(Shape {
                is_sequence: true,
                ..self
            }),
            (Found::Text(text), Item::Unknown) if expected == "a boolean" => flag(text).map(|_| self.with(Item::Flag)),
            (Found::Text(text), Item::Unknown) if expects_number(expected) => {
                Number::of(text).map(|_| self.with(Item::Number))
            }
            (Found::Nothing, Item::Unknown) | (Found::Parsed(_), Item::Number | Item::Flag) => {
                Some(self.with(Item::Text))
            }
            (Found::Sequence, Item::Unknown) => Some(Shape {
                is_sequence: false,
                item: Item::Text,
            }),
            _ => None,
        }
    }

    fn with(self, item: Item) -> Shape {
        Shape { item, ..self }
    }
}

fn expects_sequence(expected: &str) -> bool {
    ["sequence", "tuple", "array"]
        .iter()
        .any(|kind| expected.contains(kind))
}

/// Returns whether a number is expected. The standard library names the type of the number.
fn expects_number(expected: &str) -> bool {
    let width = expected.strip_prefix(['u', 'i', 'f']);
    let width = width.or_else(|| {
        expected
            .strip_prefix("a nonzero u")
            .or_else(|| expected.strip_prefix("a nonzero i"))
    });
    width.is_some_and(|width| width == "size" || width.parse::<u8>().is_ok())
}

fn complaint(name: Option<&str>, found: &Found, expected: &str) -> Problem {
    let reason = if expected == "a boolean" {
        format!("{found} is neither true nor false")
    } else if expects_number(expected) {
        format!("{found} is not a {expected}")
    } else {
        format!("{found} is not {expected}")
    };
    Problem::Text(match name {
        Some(name) => format!("`{name}`: {reason}"),
        None => reason,
    })
}

/// A number as serde stores it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl Number {
    pub(super) fn of(text: &str) -> Option<Number> {
        let unsigned = text.parse().map(Number::Unsigned);
        let signed = || text.parse().map(Number::Signed);
        let float = || text.parse().map(Number::Float);
        unsigned.or_else(|_| signed()).ok().or_else(|| float().ok())
    }

    pub(super) fn found(self) -> Found {
        Found::of(match self {
            Number::Unsigned(number) => Unexpected::Unsigned(number),
            Number::Signed(number) => Unexpected::Signed(number),
            Number::Float(number) => Unexpected::Float(number),
        })
    }
}

/// Reads a value as a `bool`.
pub(super) fn flag(value: &str) -> Option<bool> {
    match value {
        // A checkbox sends `on`; a name alone is true.
        "true" | "on" | "1" | "" => Some(true),
        "false" | "off" | "0" => Some(false),
        _ => None,
    }
}
