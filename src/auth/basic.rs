//! Names and passwords: RFC 7617.

use std::fmt;

use super::check::set_user;
use super::{Checked, Credentials, User, index_of, is_same_choice, quoted};
use crate::dispatch::IntoDispatch;
use crate::{Hooks, IntoResponse, Request, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Lets only those in who send a name and a password that are known. Browsers ask the user for both.
///
/// ```
/// use hansel::auth::Basic;
/// use hansel::{App, Request, Routes, test::Client};
///
/// let staff = Basic::users("staff", [("gretel", "cr0umbs")]).on(Routes::new().get("/", || "the oven"));
/// let client = Client::new(App::new(staff));
/// let asked = client.get("/");
/// assert_eq!(asked.status(), 401);
/// assert_eq!(asked.header("WWW-Authenticate"), Some(r#"Basic realm="staff", charset="UTF-8""#));
/// let request = Request::get("/").with_header("Authorization", "Basic Z3JldGVsOmNyMHVtYnM=");
/// assert_eq!(client.send(request).text(), "the oven");
/// ```
#[must_use = "it checks nothing until it is put around something: `basic.on(routes)`"]
pub struct Basic {
    challenge: String,
    check: Box<Check>,
}

/// Sets the user on the request, or returns the response.
type Check = dyn Fn(&Request, &str, &str) -> Result<bool, Response> + Send + Sync;

impl Basic {
    /// Creates a check by a function, which gets the name and the password. What it returns for a user is set on the request.
    /// `realm` is what browsers call the place when they ask.
    ///
    /// The function may block, for example to ask a database.
    ///
    /// # Panics
    /// If the realm is anything but printable ASCII without quotation marks and backslashes.
    #[track_caller]
    pub fn new<C: Checked>(realm: &str, check: impl Fn(&str, &str) -> C + Send + Sync + 'static) -> Basic {
        Basic {
            // RFC 7617 §2.1: so that browsers send UTF-8.
            challenge: format!("Basic realm={}, charset=\"UTF-8\"", quoted(realm)),
            check: Box::new(move |request, name, password| set_user(request, check(name, password))),
        }
    }

    /// Creates a check against a list of names and passwords. A [`User`] is set on the request.
    ///
    /// # Panics
    /// If a name contains a colon, because it would end there; and as [`new`](Basic::new) does.
    #[track_caller]
    pub fn users<N, P>(realm: &str, users: impl IntoIterator<Item = (N, P)>) -> Basic
    where
        N: Into<String>,
        P: Into<String>,
    {
        let users: Vec<(String, String)> = users
            .into_iter()
            .map(|(name, password)| (name.into(), password.into()))
            .collect();
        for (name, _) in &users {
            assert!(
                !name.contains(':'),
                "{name:?} is no name for Basic: it contains a colon"
            );
        }
        Basic::new(realm, move |name, password| find(&users, name, password))
    }

    /// Lets only known senders into `inner`. Hooks that are added to the result run inside.
    #[track_caller]
    pub fn on<K>(self, inner: impl IntoDispatch<K>) -> Hooks {
        Hooks::on(inner).before(move |request: &Request| self.refuse(request))
    }

    /// Returns the response to a request whose sender is not known.
    fn refuse(&self, request: &Request) -> Option<Response> {
        let challenge = || {
            StatusCode::UNAUTHORIZED
                .into_response()
                .with_header("WWW-Authenticate", &self.challenge)
        };
        let Credentials::Given(encoded) = Credentials::of(request, "Basic") else {
            return Some(challenge());
        };
        let Some((name, password)) = decode(encoded) else {
            return Some(challenge());
        };
        match (self.check)(request, &name, &password) {
            Ok(true) => None,
            Ok(false) => Some(challenge()),
            Err(response) => Some(response),
        }
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic")
            .field("challenge", &self.challenge)
            .finish_non_exhaustive()
    }
}

/// Compares with all users, each time, so that the time tells neither whether a name is known nor where it stands.
fn find(users: &[(String, String)], name: &str, password: &str) -> Option<User> {
    let is_user = |(known, secret): &(String, String)| {
        is_same_choice(name.as_bytes(), known.as_bytes()) & is_same_choice(password.as_bytes(), secret.as_bytes())
    };
    let (name, _) = users.get(index_of(users.iter().map(is_user))?)?;
    Some(User::new(name))
}

/// RFC 7617 §2: the name ends at the first colon, and the password is all that follows.
fn decode(encoded: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::Client;
    use crate::{App, Error, Routes};

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    fn request(authorization: &str) -> Request {
        Request::get("/").with_header("Authorization", authorization)
    }

    fn whoami(request: &Request) -> String {
        request
            .value::<User>()
            .map_or("nobody".to_owned(), |user| user.name().to_owned())
    }

    #[test]
    fn who_is_known_gets_in_and_is_named() {
        let users = [("gretel", "a:b c"), ("hänsel", "pässword"), ("empty", "")];
        let client = Client::new(App::new(
            Basic::users("house", users).on(Routes::new().get("/", whoami)),
        ));
        for (sent, expected) in [
            (basic("gretel:a:b c"), Some("gretel")),
            (basic("hänsel:pässword"), Some("hänsel")),
            (basic("empty:"), Some("empty")),
            (basic("gretel:a:b c").replace("Basic", "bAsIc"), Some("gretel")),
            (basic("gretel:pässword"), None),
            (basic("gretel:a:b"), None),
            (basic("Gretel:a:b c"), None),
            (basic("gretel"), None),
            (basic(""), None),
            ("Basic".to_owned(), None),
            ("Basic !!".to_owned(), None),
            ("Basic /w==".to_owned(), None),
            ("Bearer x".to_owned(), None),
            (String::new(), None),
        ] {
            let response = client.send(request(&sent));
            let known = (response.status() == 200).then(|| response.text());
            assert_eq!(known, expected, "{sent}");
            assert_eq!(response.header("WWW-Authenticate").is_some(), expected.is_none());
        }
        let twice = request(&basic("gretel:a:b c")).with_header("Authorization", basic("x:y"));
        assert_eq!(client.send(twice).status(), 401);
    }

    #[test]
    fn who_is_not_known_learns_nothing_of_what_is_inside() {
        let inside = Routes::new().get("/there", || "").post("/only-post", || "");
        let client = Client::new(App::new(
            Routes::new().mount("/x", Basic::users("x", [("a", "b")]).on(inside)),
        ));
        for (method, path) in [
            ("GET", "/x/there"),
            ("GET", "/x/not"),
            ("GET", "/x/only-post"),
            ("OPTIONS", "/x/there"),
        ] {
            assert_eq!(client.call(method, path).status(), 401, "{method} {path}");
        }
    }

    #[test]
    fn a_check_of_ones_own_returns_a_user_of_ones_own_or_fails() {
        struct Person(usize);
        let check = |name: &str, password: &str| match name {
            "broken" => Err(Error::new(StatusCode::BAD_GATEWAY, "no database")),
            name => Ok((name == password).then_some(Person(name.len()))),
        };
        let person = |request: &Request| request.value::<Person>().map(|person| person.0.to_string());
        let client = Client::new(App::new(Basic::new("x", check).on(person)));
        assert_eq!(client.send(request(&basic("hansel:hansel"))).text(), "6");
        assert_eq!(client.send(request(&basic("hansel:x"))).status(), 401);
        assert_eq!(client.send(request(&basic("broken:x"))).status(), 502);
    }
}
