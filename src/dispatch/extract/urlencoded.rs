//! Reading a type from the pairs of a query or a form.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::Pairs;

/// Reads a `T` from pairs: a field is the value of its name, a `Vec` all values of its name.
pub(super) fn read<T: DeserializeOwned>(pairs: Pairs<'_>) -> Result<T, Problem> {
    let mut fields: Vec<(Cow<'_, str>, Vec<Cow<'_, str>>)> = Vec::new();
    for (name, value) in pairs {
        match fields.iter_mut().find(|(other, _)| *other == name) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    let fields = fields.into_iter().map(|(name, values)| {
        let field = Field {
            name: name.clone().into_owned(),
            values,
        };
        (name, field)
    });
    T::deserialize(MapDeserializer::new(fields))
}

/// Why pairs are not a type.
#[derive(Debug)]
pub(super) struct Problem(String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Problem {
        Problem(message.to_string())
    }
}

/// All values of one name.
struct Field<'a> {
    name: String,
    values: Vec<Cow<'a, str>>,
}

impl<'a> Field<'a> {
    /// The value, where there has to be one.
    fn one(mut self) -> Result<(String, Cow<'a, str>), Problem> {
        match (self.values.pop(), self.values.is_empty()) {
            (Some(value), true) => Ok((self.name, value)),
            _ => Err(Problem(format!("`{}` is given more than once", self.name))),
        }
    }

    /// Names the field in what `read` complains about.
    fn read<R>(self, read: impl FnOnce(&str) -> Result<R, Problem>) -> Result<R, Problem> {
        let (name, value) = self.one()?;
        read(&value).map_err(|problem| Problem(format!("`{name}`: {problem}")))
    }
}

impl<'de> IntoDeserializer<'de, Problem> for Field<'_> {
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
                Err(_) => Err(Problem(format!("`{value}` is not a {}", stringify!($type)))),
            })
        }
    )*};
}

impl<'de> Deserializer<'de> for Field<'_> {
    type Error = Problem;

    parsed!(
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_u128 visit_u128 u128,
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_i128 visit_i128 i128,
        deserialize_f32 visit_f32 f32, deserialize_f64 visit_f64 f64, deserialize_char visit_char char
    );

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.read(|value| match value {
            // A checkbox sends `on`; a name alone says yes.
            "true" | "on" | "1" | "" => visitor.visit_bool(true),
            "false" | "off" | "0" => visitor.visit_bool(false),
            _ => Err(Problem(format!("`{value}` is neither true nor false"))),
        })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.read(|value| visitor.visit_str(value))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let Field { name, values } = self;
        visitor.visit_seq(Elements {
            name,
            values: values.into_iter(),
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.read(|value| visitor.visit_enum(value.into_deserializer()))
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

/// The values of one name, one by one.
struct Elements<'a> {
    name: String,
    values: std::vec::IntoIter<Cow<'a, str>>,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let Some(value) = self.values.next() else {
            return Ok(None);
        };
        let element = Field {
            name: self.name.clone(),
            values: vec![value],
        };
        seed.deserialize(element).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Search {
        q: String,
        page: Option<u32>,
        #[serde(default)]
        tag: Vec<String>,
        #[serde(default)]
        draft: bool,
        order: Option<Order>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        New,
        Old,
    }

    fn search(text: &str) -> Result<Search, String> {
        read(Pairs::of(text)).map_err(|problem| problem.to_string())
    }

    #[test]
    fn pairs_become_fields() {
        let found = search("q=green+eggs&page=2&tag=a&tag=b&draft&order=old&other=x").unwrap();
        assert_eq!(found.q, "green eggs");
        assert_eq!(found.page, Some(2));
        assert_eq!(found.tag, ["a", "b"]);
        assert!(found.draft);
        assert_eq!(found.order, Some(Order::Old));
        assert_eq!(search("q=").unwrap().tag, [""; 0]);
    }

    #[test]
    fn problems_name_the_field() {
        assert_eq!(search("q=x&page=two").unwrap_err(), "`page`: `two` is not a u32");
        assert_eq!(search("page=2").unwrap_err(), "missing field `q`");
        assert_eq!(search("q=x&q=y").unwrap_err(), "`q` is given more than once");
        assert_eq!(
            search("q=x&draft=maybe").unwrap_err(),
            "`draft`: `maybe` is neither true nor false"
        );
        let order = search("q=x&order=odd").unwrap_err();
        assert!(order.starts_with("`order`: unknown variant `odd`"), "{order}");
    }
}
