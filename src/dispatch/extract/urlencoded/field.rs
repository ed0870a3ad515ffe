//! The deserializer of a field: all values with its name.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::problem::{Found, Problem};
use super::shape::{Item, Number, Shapes, flag};

/// A field: all values with one name.
pub(super) struct Field<'a, 's> {
    pub(super) name: Cow<'a, str>,
    values: Vec<Cow<'a, str>>,
    shapes: &'s Shapes,
    /// True if this is one of several values.
    is_element: bool,
}

impl<'a, 's> Field<'a, 's> {
    pub(super) fn new(name: Cow<'a, str>, values: Vec<Cow<'a, str>>, shapes: &'s Shapes) -> Field<'a, 's> {
        Field {
            name,
            values,
            shapes,
            is_element: false,
        }
    }

    /// Returns the value, if there is exactly one.
    fn one(&self) -> Result<&str, Problem> {
        match self.values.as_slice() {
            [value] => Ok(value),
            _ => Err(Problem::Text(format!("`{}` is given more than once", self.name))),
        }
    }

    /// Reads the value, and names the field in an error.
    fn read<R>(&self, read: impl FnOnce(&str) -> Result<R, Problem>) -> Result<R, Problem> {
        read(self.one()?).map_err(|problem| match problem {
            Problem::Text(text) => Problem::Text(format!("`{}`: {text}", self.name)),
            other => other,
        })
    }

    /// Lets serde store the value for a type that is not known yet.
    fn store<'de, V: Visitor<'de>>(&self, value: &str, item: Item, visitor: V) -> Result<V::Value, Problem> {
        let note = |found| self.shapes.note(&self.name, found);
        match item {
            Item::Unknown if value.is_empty() => {
                note(Found::Nothing);
                return visitor.visit_unit();
            }
            Item::Number => {
                if let Some(number) = Number::of(value) {
                    note(number.found());
                    return match number {
                        Number::Unsigned(number) => visitor.visit_u64(number),
                        Number::Signed(number) => visitor.visit_i64(number),
                        Number::Float(number) => visitor.visit_f64(number),
                    };
                }
            }
            Item::Flag => {
                if let Some(flag) = flag(value) {
                    note(Found::Parsed(flag.to_string()));
                    return visitor.visit_bool(flag);
                }
            }
            Item::Unknown | Item::Text => {}
        }
        note(Found::Text(value.to_owned()));
        visitor.visit_str(value)
    }
}

impl<'de> IntoDeserializer<'de, Problem> for Field<'_, '_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $type:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            self.read(|value| match value.parse::<$type>() {
                Ok(parsed) => visitor.$visit(parsed),
                Err(_) => Err(Problem::Text(format!("`{value}` is not a {}", stringify!($type)))),
            })
        }
    )*};
}

impl<'de> Deserializer<'de> for Field<'_, '_> {
    type Error = Problem;

    parsed!(
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_u128 visit_u128 u128,
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_i128 visit_i128 i128,
        deserialize_f32 visit_f32 f32, deserialize_f64 visit_f64 f64, deserialize_char visit_char char
    );

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.read(|value| match flag(value) {
            Some(flag) => visitor.visit_bool(flag),
            None => Err(Problem::Text(format!("`{value}` is neither true nor false"))),
        })
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.read(|value| visitor.visit_str(value))
    }

    /// For a type that does not say what it takes: a flattened part, or a type that takes anything.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let shape = self.shapes.of(&self.name);
        let is_sequence = shape.is_sequence || (self.values.len() != 1 && shape.item != Item::Text);
        if is_sequence && !self.is_element {
            self.shapes.note(&self.name, Found::Sequence);
            return self.deserialize_seq(visitor);
        }
        self.read(|value| self.store(value, shape.item, visitor))
    }

    /// An empty value is `None`: a form sends it for an empty input.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.values.as_slice() {
            [value] if value.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_seq(Elements {
            name: self.name,
            values: self.values.into_iter(),
            shapes: self.shapes,
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.read(|value| visitor.visit_enum(value.into_deserializer()))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_str(visitor)
    }

    forward_to_deserialize_any! {
        bytes byte_buf map struct identifier
    }
}

/// The values of a field, one by one.
struct Elements<'a, 's> {
    name: Cow<'a, str>,
    values: std::vec::IntoIter<Cow<'a, str>>,
    shapes: &'s Shapes,
}

impl<'de> SeqAccess<'de> for Elements<'_, '_> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let Some(value) = self.values.next() else {
            return Ok(None);
        };
        let element = Field {
            name: self.name.clone(),
            values: vec![value],
            shapes: self.shapes,
            is_element: true,
        };
        seed.deserialize(element).map(Some)
    }
}
