//! As what the values of a flattened part are stored, before its own types are known.

use std::cell::RefCell;
use std::collections::HashMap;

use serde::de::Unexpected;

use super::problem::{Found, Problem};

/// How many fields get another shape at most: as many as a type has flattened fields, not as many as a client sends.
const MOST_LEARNT: usize = 64;

/// As what the values of one name are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// A sequence, even of a single value.
    pub(super) is_sequence: bool,
    pub(super) item: Item,
}

/// As what one value is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Item {
    /// As a text, or as nothing where it is empty.
    #[default]
    Unknown,
    Text,
    Number,
    Flag,
}

/// The shapes that have been learnt, by the names of the fields.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    learnt: HashMap<String, Shape>,
    /// The same names, in the order in which they were learnt.
    order: Vec<String>,
    /// What was stored in the present attempt, and for which field.
    stored: RefCell<Vec<(String, Found)>>,
}

impl Shapes {
    pub(super) fn of(&self, name: &str) -> Shape {
        self.learnt.get(name).copied().unwrap_or_default()
    }

    /// A value is stored for the field of this name.
    pub(super) fn note(&self, name: &str, found: Found) {
        self.stored.borrow_mut().push((name.to_owned(), found));
    }

    /// Gives the field that was stored as `found` the shape that is `expected`.
    ///
    /// # Errors
    /// If there is no such field, or its value has no such shape: then this is the client's mistake.
    pub(super) fn learn(&mut self, found: Found, expected: &str) -> Result<(), Problem> {
        let stored = self.stored.take();
        let mut candidates: Vec<&str> = Vec::new();
        for (name, stored) in &stored {
            if *stored == found && !candidates.contains(&name.as_str()) && candidates.len() < MOST_LEARNT {
                candidates.push(name);
            }
        }
        // Of those that have learnt to be something else, the one that did so first was wrong.
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
    /// The shape to try next, where `found` was stored and something else was expected. None if there is none.
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

/// Numbers of the standard library are expected by the names of their types.
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

/// What a value says as a `bool`.
pub(super) fn flag(value: &str) -> Option<bool> {
    match value {
        // A checkbox sends `on`; a name alone says yes.
        "true" | "on" | "1" | "" => Some(true),
        "false" | "off" | "0" => Some(false),
        _ => None,
    }
}
