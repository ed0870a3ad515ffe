//! Reads a type from the pairs of a query or a form.
//!
//! A type that names its fields gets the values of these fields only: the values of other pairs are not decoded,
//! however many there are. A type that takes any name (a map, or a struct with a flattened part) gets all pairs, up to
//! 10,000.
//!
//! # Flattened parts
//! serde stores the values of a flattened part before it knows their types, and does not read a stored text as a
//! number. So the type is read again, with that value [shaped](shape::Shapes) as expected.

mod field;
mod problem;
mod shape;

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::Pairs;
use field::Field;
use problem::MOST;
use shape::Shapes;

pub(super) use problem::Problem;

/// A name and its value, decoded.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Reads a `T` from pairs: a field is the value of its name, a `Vec` all values of its name.
pub(super) fn read<T: DeserializeOwned>(pairs: Pairs<'_>) -> Result<T, Problem> {
    let mut shapes = Shapes::default();
    loop {
        let deserializer = PairsDeserializer {
            pairs: pairs.clone(),
            shapes: &shapes,
        };
        match T::deserialize(deserializer) {
            Err(Problem::Mismatch { found, expected }) => shapes.learn(found, &expected)?,
            outcome => return outcome,
        }
    }
}

/// The deserializer of pairs.
struct PairsDeserializer<'a, 's> {
    pairs: Pairs<'a>,
    shapes: &'s Shapes,
}

impl<'a, 's> PairsDeserializer<'a, 's> {
    /// Returns the fields that a type asks for by these names, and the first of all other fields, for a type that
    /// denies unknown fields.
    fn asked(self, names: &'static [&'static str]) -> Result<Vec<Field<'a, 's>>, Problem> {
        let mut asked: Vec<Vec<Cow<'a, str>>> = vec![Vec::new(); names.len()];
        let mut kept = 0;
        let mut unknown = None;
        for (name, value) in self.pairs.raw() {
            let name = name.decoded();
            if let Some(place) = names.iter().position(|asked| *asked == name) {
                kept += 1;
                if kept > MOST {
                    return Err(Problem::TooMany);
                }
                asked[place].push(value.decoded());
            } else if unknown.is_none() {
                unknown = Some(Field::new(name, vec![value.decoded()], self.shapes));
            }
        }
        let known = names.iter().zip(asked).filter(|(_, values)| !values.is_empty());
        let known = known.map(|(name, values)| Field::new(Cow::Borrowed(*name), values, self.shapes));
        Ok(known.chain(unknown).collect())
    }

    /// Returns all fields with their values, in the order in which their names first occur.
    fn grouped(self) -> Result<Vec<Field<'a, 's>>, Problem> {
        let fields = group(self.bounded()?).into_iter();
        Ok(fields
            .map(|(name, values)| Field::new(name, values, self.shapes))
            .collect())
    }

    fn bounded(&self) -> Result<Vec<Pair<'a>>, Problem> {
        let pairs: Vec<_> = self.pairs.clone().take(MOST + 1).collect();
        if pairs.len() > MOST {
            Err(Problem::TooMany)
        } else {
            Ok(pairs)
        }
    }
}

/// Groups the values by name. Each name is looked up once, by its hash.
fn group<N: Clone + Eq + Hash, V>(pairs: Vec<(N, V)>) -> Vec<(N, Vec<V>)> {
    let mut places = HashMap::new();
    let mut grouped: Vec<(N, Vec<V>)> = Vec::new();
    for (name, value) in pairs {
        let place = *places.entry(name.clone()).or_insert(grouped.len());
        match grouped.get_mut(place) {
            Some((_, values)) => values.push(value),
            None => grouped.push((name, vec![value])),
        }
    }
    grouped
}

/// Passes fields to a visitor as a map.
fn visit<'de, V: Visitor<'de>>(fields: Vec<Field<'_, '_>>, visitor: V) -> Result<V::Value, Problem> {
    let fields = fields.into_iter().map(|field| (field.name.clone(), field));
    MapDeserializer::new(fields).deserialize_map(visitor)
}

impl<'de> Deserializer<'de> for PairsDeserializer<'_, '_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visit(self.grouped()?, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visit(self.asked(names)?, visitor)
    }

    /// All pairs in their order. A name may occur several times.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let pairs = self.bounded()?.into_iter().map(|(name, value)| {
            let field = Field::new(name.clone(), vec![value], self.shapes);
            (name, field)
        });
        MapDeserializer::new(pairs).deserialize_seq(visitor)
    }

    /// An empty query or form is `None`.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        if self.pairs.clone().next().is_none() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
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

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf tuple tuple_struct map enum
        identifier
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::cell::Cell;
    use std::hash::Hasher;

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

    fn of<T: DeserializeOwned>(text: &str) -> Result<T, String> {
        read(Pairs::of(text)).map_err(|problem| problem.to_string())
    }

    fn search(text: &str) -> Result<Search, String> {
        of(text)
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
        assert_eq!(search("%71=x").unwrap().q, "x", "a name is decoded as well");
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

    #[test]
    fn fields_that_nobody_asks_for_never_matter() {
        for text in ["q=x&utm=1", "q=x&utm=1&utm=2", "utm&q=x&utm=&utm=%FF"] {
            assert_eq!(search(text).unwrap().q, "x", "{text}");
        }

        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Strict {
            #[expect(dead_code, reason = "only its name counts")]
            q: String,
        }
        let denied = of::<Strict>("q=x&utm=1&utm=2").unwrap_err();
        assert!(denied.contains("unknown field `utm`"), "{denied}");
    }

    #[test]
    fn an_empty_optional_value_is_none() {
        for text in ["q=x&page=&order=", "q=x&page&order"] {
            let found = search(text).unwrap();
            assert_eq!((found.page, found.order), (None, None), "{text}");
        }
        let found: HashMap<String, Option<u8>> = of("a=&b=2").unwrap();
        assert_eq!((found["a"], found["b"]), (None, Some(2)));
        assert_eq!(of::<Option<Search>>("").unwrap(), None);
        assert_eq!(of::<Option<Search>>("q=x").unwrap().unwrap().q, "x");
    }

    #[test]
    fn pairs_come_in_order_where_they_are_wanted_as_such() {
        let pairs: Vec<(String, u8)> = of("b=1&a=2&b=3").unwrap();
        assert_eq!(pairs, [("b".into(), 1), ("a".into(), 2), ("b".into(), 3)]);
        let all: HashMap<String, Vec<u8>> = of("b=1&a=2&b=3").unwrap();
        assert_eq!((&all["a"], &all["b"]), (&vec![2], &vec![1, 3]));
        assert_eq!(of::<(u8, u8)>("").unwrap_err(), of::<(u8, u8)>("a=1").unwrap_err());

        #[derive(Debug, PartialEq, Deserialize)]
        struct Span {
            between: (u8, u8),
        }
        assert_eq!(of("between=1&between=2"), Ok(Span { between: (1, 2) }));
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Listing {
        q: String,
        #[serde(flatten)]
        paging: Paging,
        #[serde(flatten)]
        others: HashMap<String, String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Paging {
        page: u32,
        zip: Option<String>,
        offset: Option<i64>,
        ratio: Option<f64>,
        #[serde(default)]
        all: bool,
        #[serde(default)]
        tag: Vec<String>,
    }

    #[test]
    fn flattened_parts_are_read_as_their_types() {
        let found: Listing = of("q=1&page=2&zip=04109&offset=-3&ratio=0.5&all=on&tag=a&other=7").unwrap();
        assert_eq!(found.q, "1");
        let paging = &found.paging;
        assert_eq!((paging.page, paging.zip.as_deref()), (2, Some("04109")));
        assert_eq!((paging.offset, paging.ratio, paging.all), (Some(-3), Some(0.5), true));
        assert_eq!(paging.tag, ["a"]);
        assert_eq!(found.others["other"], "7");
        let found: Listing = of("q=1&page=2&zip=2&tag=2&tag=3").unwrap();
        assert_eq!((found.paging.page, found.paging.zip.as_deref()), (2, Some("2")));
        assert_eq!(found.paging.tag, ["2", "3"]);
        let found: Listing = of("q=1&zip=&page=2&offset=&ratio=").unwrap();
        assert_eq!((found.paging.offset, found.paging.ratio), (None, None));
        assert_eq!(found.paging.zip, None);
    }

    #[test]
    fn problems_of_flattened_parts_name_the_field() {
        assert_eq!(of::<Listing>("q=1&page=two").unwrap_err(), "`page`: `two` is not a u32");
        assert_eq!(of::<Listing>("q=1&page=-1").unwrap_err(), "`page`: `-1` is not a u32");
        assert_eq!(of::<Listing>("q=1&page=").unwrap_err(), "`page`: `` is not a u32");
        assert_eq!(
            of::<Listing>("q=1&page=1&all=perhaps").unwrap_err(),
            "`all`: `perhaps` is neither true nor false"
        );
        assert_eq!(of::<Listing>("q=1").unwrap_err(), "missing field `page`");
    }

    /// A form of so many names, each another one.
    fn form_of(names: usize) -> String {
        (0..names).map(|name| format!("{name:x}&")).collect()
    }

    #[test]
    fn only_what_the_type_takes_is_bounded() {
        let many = form_of(20 * MOST);
        assert_eq!(search(&format!("{many}q=x")).unwrap().q, "x");
        let bound = "more than 10000 fields";
        assert_eq!(of::<HashMap<String, String>>(&form_of(MOST)).unwrap().len(), MOST);
        assert_eq!(of::<HashMap<String, String>>(&form_of(MOST + 1)).unwrap_err(), bound);
        assert_eq!(of::<Vec<(String, String)>>(&form_of(MOST + 1)).unwrap_err(), bound);
        let tags = "tag=a&".repeat(MOST);
        assert_eq!(search(&format!("{tags}q=x")).unwrap_err(), bound);
        assert_eq!(search(&format!("{tags}other=x")).unwrap_err(), "missing field `q`");
    }

    #[derive(Clone)]
    struct Counted<'c>(usize, &'c Cell<usize>);

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.1.set(self.1.get() + 1);
            self.0 == other.0
        }
    }

    impl Eq for Counted<'_> {}

    impl Hash for Counted<'_> {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    #[test]
    fn names_are_compared_in_proportion_to_their_number() {
        for names in [1000, 2000, 4000, 8000] {
            let comparisons = Cell::new(0);
            let pairs = (0..2 * names).map(|name| (Counted(name % names, &comparisons), name));
            let grouped = group(pairs.collect());
            assert_eq!(grouped.len(), names);
            assert!(grouped.iter().all(|(name, values)| *values == [name.0, name.0 + names]));
            // Each second one is found again; a few more share a hash's first bits.
            assert!(comparisons.get() <= 2 * names, "{} for {names}", comparisons.get());
        }
    }
}
