//! Authentication: hooks that let only those requests in whose sender is known.
//!
//! Both kinds read the header `Authorization`, [`Basic`] a name and a password, [`Bearer`] a token. Both answer 401 to
//! whoever is not known, before anything inside is looked at: neither what is there nor which methods it takes shows.
//! The value that the check returns for a sender is set on the request, and handlers take it as [`Extension`], or
//! as [`User`] if it is one.
//!
//! ```
//! use hansel::auth::{Bearer, User};
//! use hansel::{App, Request, Routes, test::Client};
//!
//! fn whoami(user: User) -> String {
//!     format!("you are {}", user.name())
//! }
//!
//! let api = Bearer::tokens("api", [("t0ken-of-gretel", "gretel")]).on(Routes::new().get("/whoami", whoami));
//! let client = Client::new(App::new(api));
//! assert_eq!(client.get("/whoami").status(), 401);
//! let request = Request::get("/whoami").with_header("Authorization", "Bearer t0ken-of-gretel");
//! assert_eq!(client.send(request).text(), "you are gretel");
//! ```
//!
//! # Times tell nothing
//! [`Basic::users`] and [`Bearer::tokens`] compare with every entry they have, whole, and [`is_same`] takes as long for a
//! wrong secret as for a right one. A check of your own should compare by [`is_same`] as well, or look a hash of the token
//! up. For the passwords of many users, keep hashes made by a slow function such as Argon2 and compare with one also where
//! the name is unknown.
//!
//! Neither scheme encrypts anything: use them over TLS.
//!
//! Requires the feature `auth`.

mod basic;
mod bearer;
mod check;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

pub use basic::Basic;
pub use bearer::Bearer;
pub use check::Checked;

use crate::{Error, Extension, FromRequest, Request, Response};

/// A user of whom only the name is known.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct User(String);

impl User {
    /// Creates a user of this name.
    pub fn new(name: impl Into<String>) -> User {
        User(name.into())
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl FromRequest for User {
    type Rejection = Error;

    /// Reads the user that [`Basic::users`] or [`Bearer::tokens`] has set.
    fn from_request(request: &Request) -> Result<User, Error> {
        Ok(Extension::<User>::from_request(request)?.0.as_ref().clone())
    }

    fn optional(request: &Request) -> Result<Option<User>, Response> {
        Ok(request.value::<User>().map(|user| user.as_ref().clone()))
    }
}

/// Returns true if both are the same. How long it takes depends on the length of `given` alone, not on where the two begin
/// to differ: so whoever measures the time can't guess a secret letter by letter.
///
/// ```
/// use hansel::auth::is_same;
///
/// assert!(is_same("open sesame", "open sesame"));
/// assert!(!is_same("open sesamf", "open sesame"));
/// ```
pub fn is_same(given: impl AsRef<[u8]>, secret: impl AsRef<[u8]>) -> bool {
    is_same_choice(given.as_ref(), secret.as_ref()).into()
}

fn is_same_choice(given: &[u8], secret: &[u8]) -> Choice {
    let mut same = given.len().ct_eq(&secret.len());
    // Of a shorter secret, its bytes come again: the length has decided already.
    for (byte, expected) in given.iter().zip(secret.iter().cycle()) {
        same &= byte.ct_eq(expected);
    }
    same
}

/// Returns the index of the entry that is the same, if one is. It looks at all of them, so that the time does not tell where
/// it stands.
fn index_of(entries: impl Iterator<Item = Choice>) -> Option<usize> {
    let mut found = u64::MAX;
    for (at, is_same) in (0_u64..).zip(entries) {
        found.conditional_assign(&at, is_same);
    }
    let is_found = !found.ct_eq(&u64::MAX);
    if is_found.into() {
        usize::try_from(found).ok()
    } else {
        None
    }
}

/// The credentials of a request.
enum Credentials<'r> {
    None,
    /// Of the scheme that is asked for.
    Given(&'r str),
    /// Of another scheme.
    Other,
    /// Nothing that RFC 9110 knows.
    Malformed,
}

impl<'r> Credentials<'r> {
    /// Reads the header Authorization.
    fn of(request: &'r Request, scheme: &str) -> Credentials<'r> {
        // RFC 9110 §11.6.2: the field is no list, so it comes once.
        let value = match request.single_header("Authorization") {
            Ok(Some(value)) => value,
            Ok(None) => return Credentials::None,
            Err(_) => return Credentials::Malformed,
        };
        // RFC 9110 §11.4: "credentials = auth-scheme [ 1*SP ( token68 / #auth-param ) ]"; §11.1: the scheme is
        // "case-insensitive".
        match value.split_once(' ') {
            Some((given, rest)) if given.eq_ignore_ascii_case(scheme) => Credentials::Given(rest.trim_ascii()),
            None if value.eq_ignore_ascii_case(scheme) => Credentials::Malformed,
            _ => Credentials::Other,
        }
    }
}

/// Returns a realm as it stands in a challenge.
#[track_caller]
fn quoted(realm: &str) -> String {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    assert!(
        realm.bytes().all(is_plain),
        "{realm:?} is no realm: use printable ASCII without quotation marks and backslashes"
    );
    format!("\"{realm}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_the_same_whatever_its_length() {
        for (given, secret, expected) in [
            ("", "", true),
            ("a", "", false),
            ("", "a", false),
            ("aa", "a", false),
            ("a", "aa", false),
            ("abab", "ab", false),
            ("ab", "ab", true),
            ("ab", "ac", false),
        ] {
            assert_eq!(is_same(given, secret), expected, "{given} {secret}");
        }
    }

    #[test]
    #[should_panic(expected = "no realm")]
    fn a_realm_can_not_end_its_own_quotation() {
        let _ = Basic::users("a\", charset=\"x", [("a", "b")]);
    }
}
