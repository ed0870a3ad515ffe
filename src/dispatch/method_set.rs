//! Sets of methods that endpoints take.

use std::fmt;

use http::Method;

/// A set of methods: those that an endpoint takes, or that all endpoints at a path take together.
///
/// As text it is the value of an `Allow` header.
///
/// ```
/// use hansel::Method;
/// use hansel::dispatch::MethodSet;
///
/// let set = MethodSet::of(Method::POST).with(Method::GET);
/// assert!(set.allows(&Method::HEAD), "HEAD is GET without the body");
/// assert_eq!(set.allow().to_string(), "GET, HEAD, OPTIONS, POST");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MethodSet {
    /// One bit for each of [`STANDARD`], and [`ANY`].
    bits: u16,
    /// All others, sorted by name. There are hardly ever any.
    others: Vec<Method>,
}

const ANY: u16 = 1 << 15;

/// The standard methods in the order of their names, in which they are shown.
static STANDARD: [Method; 9] = [
    Method::CONNECT,
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
    Method::TRACE,
];

/// The methods that are shown for [`MethodSet::any`]: CONNECT and TRACE are rarely meant.
static SHOWN_FOR_ANY: [Method; 7] = [
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
];

impl MethodSet {
    /// Returns the empty set.
    pub const fn empty() -> MethodSet {
        MethodSet::of_bits(0)
    }

    /// Returns the set of all methods, custom methods included.
    pub const fn any() -> MethodSet {
        MethodSet::of_bits(ANY)
    }

    const fn of_bits(bits: u16) -> MethodSet {
        let others = Vec::new();
        MethodSet { bits, others }
    }

    /// Returns the set of this method alone.
    pub fn of(method: Method) -> MethodSet {
        MethodSet::empty().with(method)
    }

    /// Adds a method, and returns the set.
    #[must_use]
    pub fn with(mut self, method: Method) -> MethodSet {
        self.insert(&method);
        self
    }

    /// Adds a method.
    pub fn insert(&mut self, method: &Method) {
        match bit(method) {
            Some(bit) => self.bits |= bit,
            None => self.insert_other(method),
        }
    }

    #[cold]
    fn insert_other(&mut self, method: &Method) {
        let place = self.others.binary_search_by(|other| name(other).cmp(name(method)));
        if let Err(place) = place {
            self.others.insert(place, method.clone());
        }
    }

    /// Adds all methods of `other`.
    pub fn merge(&mut self, other: &MethodSet) {
        self.bits |= other.bits;
        for method in &other.others {
            self.insert_other(method);
        }
    }

    /// Returns whether exactly this method is in the set.
    #[inline]
    pub fn contains(&self, method: &Method) -> bool {
        match bit(method) {
            Some(bit) => self.bits & (bit | ANY) != 0,
            None => self.has_other(method),
        }
    }

    #[cold]
    fn has_other(&self, method: &Method) -> bool {
        self.is_any() || self.others.contains(method)
    }

    /// Returns whether a request with this method may be answered: it is in the set, or it is HEAD and GET is in the
    /// set.
    #[inline]
    pub fn allows(&self, method: &Method) -> bool {
        // RFC 9110 §9.3.2: "The HEAD method is identical to GET except that the server MUST NOT send
        // content in the response."
        self.contains(method) || (*method == Method::HEAD && self.contains(&Method::GET))
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        *self == MethodSet::empty()
    }

    /// Returns whether all methods are in the set.
    pub fn is_any(&self) -> bool {
        self.bits & ANY != 0
    }

    /// Returns the methods that are answered at a path whose endpoints take this set: HEAD if GET is in it, and always
    /// OPTIONS.
    #[must_use]
    pub fn allow(&self) -> MethodSet {
        let mut all = self.clone();
        if all.contains(&Method::GET) {
            all.insert(&Method::HEAD);
        }
        all.insert(&Method::OPTIONS);
        all
    }

    /// Returns the methods in the order of their names. For [`any`](MethodSet::any), these are the usual ones.
    pub fn iter(&self) -> impl Iterator<Item = &Method> {
        let shown: &[Method] = if self.is_any() { &SHOWN_FOR_ANY } else { &STANDARD };
        let mut standard = shown.iter().filter(|method| self.contains(method)).peekable();
        let mut others = self.others.iter().peekable();
        std::iter::from_fn(move || match (standard.peek(), others.peek()) {
            (Some(a), Some(b)) if name(a) <= name(b) => standard.next(),
            (_, Some(_)) => others.next(),
            (_, None) => standard.next(),
        })
    }
}

/// Returns the standard method with this name, whatever its case.
pub(super) fn standard(name: &str) -> Option<&'static Method> {
    STANDARD
        .iter()
        .find(|method| self::name(method).eq_ignore_ascii_case(name))
}

/// Returns the name of a method. It is not inlined, because it contains a table of all methods.
#[inline(never)]
fn name(method: &Method) -> &str {
    method.as_str()
}

#[inline]
fn bit(method: &Method) -> Option<u16> {
    Some(match *method {
        Method::GET => 1 << 2,
        Method::POST => 1 << 6,
        Method::HEAD => 1 << 3,
        Method::PUT => 1 << 7,
        Method::DELETE => 1 << 1,
        Method::PATCH => 1 << 5,
        Method::OPTIONS => 1 << 4,
        Method::CONNECT => 1 << 0,
        Method::TRACE => 1 << 8,
        _ => return None,
    })
}

impl Extend<Method> for MethodSet {
    fn extend<I: IntoIterator<Item = Method>>(&mut self, methods: I) {
        for method in methods {
            self.insert(&method);
        }
    }
}

impl FromIterator<Method> for MethodSet {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> MethodSet {
        methods.into_iter().fold(MethodSet::empty(), MethodSet::with)
    }
}

impl fmt::Display for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, method) in self.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            f.write_str(name(method))?;
        }
        Ok(())
    }
}

impl fmt::Debug for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any() {
            return f.write_str("{any}");
        }
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(name: &str) -> Method {
        Method::from_bytes(name.as_bytes()).unwrap()
    }

    #[test]
    fn methods_are_shown_sorted_and_once() {
        let set: MethodSet = [
            custom("PLOUGH"),
            Method::PUT,
            custom("BREW"),
            Method::GET,
            custom("BREW"),
        ]
        .into_iter()
        .collect();
        assert_eq!(set.to_string(), "BREW, GET, PLOUGH, PUT");
        assert_eq!(set.allow().to_string(), "BREW, GET, HEAD, OPTIONS, PLOUGH, PUT");
    }

    #[test]
    fn every_bit_is_that_of_its_place_in_the_table() {
        for (place, method) in STANDARD.iter().enumerate() {
            assert_eq!(bit(method), Some(1 << place), "{method}");
        }
    }

    #[test]
    fn head_is_allowed_where_get_is_and_case_matters() {
        assert!(MethodSet::of(Method::GET).allows(&Method::HEAD));
        assert!(!MethodSet::of(Method::POST).allows(&Method::HEAD));
        assert!(!MethodSet::of(Method::GET).allows(&custom("get")));
        assert!(MethodSet::any().allows(&custom("BREW")));
    }

    #[test]
    fn only_a_set_without_methods_is_empty() {
        let mut set = MethodSet::empty();
        assert!(set.is_empty());
        set.extend([Method::GET, custom("BREW")]);
        assert_eq!(
            format!("{set} {set:?} {:?}", MethodSet::any()),
            "BREW, GET {BREW, GET} {any}"
        );
        for set in [set, MethodSet::of(custom("BREW")), MethodSet::any()] {
            assert!(!set.is_empty(), "{set:?}");
        }
    }

    #[test]
    fn merging_is_union() {
        let mut a = MethodSet::of(Method::GET).with(custom("A"));
        let b = MethodSet::of(custom("B")).with(Method::GET);
        a.merge(&b);
        let mut other = b.clone();
        other.merge(&MethodSet::of(Method::GET).with(custom("A")));
        assert_eq!(a, other);
        assert_eq!(a.to_string(), "A, B, GET");
    }
}
