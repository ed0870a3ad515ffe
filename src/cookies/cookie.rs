//! A cookie that a response sets, and the rules that it must keep.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::Keys;
use super::keys::Seal;

/// The most bytes that a name and its value may have together: browsers ignore a cookie with more (RFC 6265bis §5.6).
const MOST: usize = 4096;

/// The most bytes of a path or a domain: browsers ignore an attribute with more (RFC 6265bis §5.6).
const MOST_OF_ATTRIBUTE: usize = 1024;

/// The beginning of a name by which browsers take the cookie only from this host, encrypted, for all paths.
pub(super) const HOST: &str = "__Host-";

/// A cookie that a response sets: see [`Response::set_cookie`](crate::Response::set_cookie).
///
/// Requires the feature `cookies`.
///
/// ```
/// use hansel::{Cookie, Response};
/// use std::time::Duration;
///
/// let mut response = Response::new("It is dark.");
/// response.set_cookie(Cookie::new("theme", "dark").max_age(Duration::from_secs(3600)));
/// assert_eq!(
///     response.header("Set-Cookie"),
///     Some("__Host-theme=dark; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax")
/// );
/// ```
///
/// | default | effect |
/// |---|---|
/// | `__Host-` before the name | the browser takes the cookie only from this host, over an encrypted connection: no other subdomain and nobody on the network can plant one |
/// | `Secure` | the browser sends it over encrypted connections only, and to `localhost` |
/// | `HttpOnly` | no script can read it |
/// | `SameSite=Lax` | pages of other sites send it only with links that are followed |
/// | `Path=/`, no `Domain` | it is sent to this host only |
/// | no `Max-Age` | it lasts until the browser closes |
///
/// [`Cookie::unprefixed`] makes a cookie whose name is sent as it is. Only such a cookie can have another path, a domain,
/// or no `Secure`.
#[derive(Clone)]
#[must_use = "a cookie does nothing until a response sets it"]
pub struct Cookie {
    /// The value as it is sent.
    name: String,
    value: String,
    seal: Option<(Seal, Keys)>,
    path: Cow<'static, str>,
    domain: Option<String>,
    age: Age,
    is_secure: bool,
    is_http_only: bool,
    same_site: SameSite,
    /// The name was given with the prefix that is added to it.
    is_prefixed_twice: bool,
}

/// The time for which a browser keeps a cookie.
#[derive(Clone, Copy)]
enum Age {
    UntilClosed,
    Lasting(Duration),
    Over,
}

/// The requests from pages of other sites with which a browser sends a cookie.
///
/// Requires the feature `cookies`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SameSite {
    /// None at all, not even a link that is followed.
    Strict,
    /// Links that are followed, and nothing else.
    #[default]
    Lax,
    /// All of them. Then a page of any site can send requests in the name of your user.
    None,
}

impl Cookie {
    /// Creates a cookie whose name gets the prefix `__Host-`. [`Cookies::value`](super::Cookies::value) reads it by the name
    /// without the prefix.
    pub fn new(name: &str, value: impl Into<String>) -> Cookie {
        let mut cookie = Cookie::unprefixed(format!("{HOST}{name}"), value);
        cookie.is_prefixed_twice = has_prefix(name, HOST) || has_prefix(name, "__Secure-");
        cookie
    }

    /// Creates a cookie with exactly this name. The other defaults are the same.
    ///
    /// Without a prefix, whoever controls another subdomain can set a cookie of that name for your users. If the name begins
    /// with `__Host-` or `__Secure-`, the cookie must have what browsers require for that.
    ///
    /// ```
    /// use hansel::{Cookie, Response};
    ///
    /// let mut response = Response::default();
    /// response.set_cookie(Cookie::unprefixed("language", "de").domain("example.com").without_http_only());
    /// assert_eq!(
    ///     response.header("Set-Cookie"),
    ///     Some("language=de; Path=/; Domain=example.com; Secure; SameSite=Lax")
    /// );
    /// ```
    pub fn unprefixed(name: impl Into<String>, value: impl Into<String>) -> Cookie {
        Cookie {
            name: name.into(),
            value: value.into(),
            seal: None,
            path: Cow::Borrowed("/"),
            domain: None,
            age: Age::UntilClosed,
            is_secure: true,
            is_http_only: true,
            same_site: SameSite::default(),
            is_prefixed_twice: false,
        }
    }

    /// Keeps the cookie for this time, also when the browser closes. Fractions of a second are cut off, so less than one
    /// second removes it.
    pub fn max_age(mut self, age: Duration) -> Cookie {
        self.age = if age.as_secs() == 0 {
            Age::Over
        } else {
            Age::Lasting(age)
        };
        self
    }

    /// Makes the browser remove the cookie. Path and domain must be those with which it was set.
    pub fn removed(mut self) -> Cookie {
        self.value.clear();
        self.seal = None;
        self.age = Age::Over;
        self
    }

    /// Signs the value, so that [`Cookies::signed`](super::Cookies::signed) knows it again. Everybody can still read it.
    ///
    /// The name and the time of [`max_age`](Cookie::max_age) are signed with it: under another name, and after that time,
    /// a copy is worth nothing. Without a `max_age` it is valid as long as the key.
    pub fn signed(mut self, keys: &Keys) -> Cookie {
        self.seal = Some((Seal::Signed, keys.clone()));
        self
    }

    /// Encrypts the value, which may be any text then. [`Cookies::encrypted`](super::Cookies::encrypted) decrypts it.
    ///
    /// The name and the time of [`max_age`](Cookie::max_age) count as for [`signed`](Cookie::signed). The length of the value
    /// is not hidden.
    pub fn encrypted(mut self, keys: &Keys) -> Cookie {
        self.seal = Some((Seal::Encrypted, keys.clone()));
        self
    }

    /// Sends the cookie only with requests for this path and below it: `/` unless it is set.
    ///
    /// This is no protection, because all paths of a host can reach each other's cookies.
    pub fn path(mut self, path: impl Into<String>) -> Cookie {
        self.path = Cow::Owned(path.into());
        self
    }

    /// Sends the cookie also to all subdomains of `domain`, which is the host or a parent of it.
    pub fn domain(mut self, domain: impl Into<String>) -> Cookie {
        self.domain = Some(domain.into());
        self
    }

    /// Sets with which requests from other sites the cookie is sent.
    pub fn same_site(mut self, same_site: SameSite) -> Cookie {
        self.same_site = same_site;
        self
    }

    /// Lets scripts read the cookie, and so every script that an attacker gets into a page.
    pub fn without_http_only(mut self) -> Cookie {
        self.is_http_only = false;
        self
    }

    /// Sends the cookie also over connections that are not encrypted, where everybody on the way can read and replace it.
    ///
    /// It is for development without TLS, with clients that do not make an exception for `localhost`.
    pub fn without_secure(mut self) -> Cookie {
        self.is_secure = false;
        self
    }

    /// Returns the name as it is sent.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the value of the Set-Cookie header, for a clock that shows `now`, in seconds since 1970.
    pub(super) fn written(&self, now: u64) -> Result<String, InvalidCookie> {
        let invalid = |problem| InvalidCookie {
            name: self.name.clone(),
            problem,
        };
        self.check_name().map_err(invalid)?;
        self.check_attributes().map_err(invalid)?;
        let value = match &self.seal {
            None => Cow::Borrowed(&*self.value),
            Some((Seal::Encrypted, keys)) => {
                let sealed = keys.encrypt(&self.name, &self.value, self.expires(now));
                Cow::Owned(sealed.ok_or_else(|| invalid(Problem::NoRandomness))?)
            }
            Some((Seal::Signed, keys)) => Cow::Owned(keys.sign(&self.name, &self.value, self.expires(now))),
        };
        if !value.bytes().all(is_cookie_octet) {
            return Err(invalid(Problem::Value));
        }
        let length = self.name.len() + value.len();
        if length > MOST {
            return Err(invalid(Problem::TooLong(length)));
        }
        Ok(self.with_attributes(&value))
    }

    /// Returns the second at which a sealed value ends.
    fn expires(&self, now: u64) -> u64 {
        match self.age {
            Age::Lasting(age) => now.saturating_add(age.as_secs()),
            Age::UntilClosed | Age::Over => u64::MAX,
        }
    }

    fn check_name(&self) -> Result<(), Problem> {
        if self.is_prefixed_twice {
            return Err(Problem::PrefixTwice);
        }
        // RFC 6265bis §4.1.1: "cookie-name = token".
        if self.name.is_empty() || !self.name.bytes().all(is_token) {
            return Err(Problem::Name);
        }
        // RFC 6265bis §4.1.3: browsers compare the prefixes without regard to case.
        if (has_prefix(&self.name, "__Secure-") || has_prefix(&self.name, HOST)) && !self.is_secure {
            return Err(Problem::Prefix("it has no `Secure`"));
        }
        if has_prefix(&self.name, HOST) && self.domain.is_some() {
            return Err(Problem::Prefix("it has a `Domain`"));
        }
        if has_prefix(&self.name, HOST) && self.path != "/" {
            return Err(Problem::Prefix("its `Path` is not `/`"));
        }
        Ok(())
    }

    fn check_attributes(&self) -> Result<(), Problem> {
        // RFC 6265bis §5.7: browsers ignore such a cookie.
        if self.same_site == SameSite::None && !self.is_secure {
            return Err(Problem::SameSiteNone);
        }
        let is_path = self.path.starts_with('/') && is_attribute(&self.path);
        let is_domain = |domain: &String| {
            domain
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
                && is_attribute(domain)
        };
        if !is_path {
            return Err(Problem::Attribute("Path"));
        }
        if !self.domain.as_ref().is_none_or(is_domain) {
            return Err(Problem::Attribute("Domain"));
        }
        Ok(())
    }

    fn with_attributes(&self, value: &str) -> String {
        let mut text = format!("{}={value}; Path={}", self.name, self.path);
        if let Some(domain) = &self.domain {
            text.push_str("; Domain=");
            text.push_str(domain);
        }
        match self.age {
            Age::UntilClosed => {}
            Age::Lasting(age) => text.push_str(&format!("; Max-Age={}", age.as_secs())),
            // RFC 6265bis §4.1.1: "max-age-av = "Max-Age=" non-zero-digit *DIGIT", so the end is a time that has passed.
            Age::Over => text.push_str("; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        }
        if self.is_secure {
            text.push_str("; Secure");
        }
        if self.is_http_only {
            text.push_str("; HttpOnly");
        }
        text.push_str(match self.same_site {
            SameSite::Strict => "; SameSite=Strict",
            SameSite::Lax => "; SameSite=Lax",
            SameSite::None => "; SameSite=None",
        });
        text
    }
}

/// Shows neither the value nor the keys.
impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookie")
            .field("name", &self.name)
            .field("path", &self.path)
            .field("domain", &self.domain)
            .field("is_secure", &self.is_secure)
            .field("is_http_only", &self.is_http_only)
            .field("same_site", &self.same_site)
            .finish_non_exhaustive()
    }
}

/// The error for a cookie that a browser would ignore or read as something else.
///
/// Requires the feature `cookies`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCookie {
    name: String,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Name,
    Value,
    Attribute(&'static str),
    Prefix(&'static str),
    PrefixTwice,
    SameSiteNone,
    TooLong(usize),
    NoRandomness,
}

impl fmt::Display for InvalidCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cookie {:?}: ", self.name)?;
        match self.problem {
            Problem::Name => f.write_str("its name is no token (RFC 6265bis §4.1.1)"),
            Problem::Value => f.write_str(
                "its value has bytes that RFC 6265bis §4.1.1 does not allow: encode it, say as a query is, or encrypt it",
            ),
            Problem::Attribute(name) => write!(f, "its {name} is invalid (RFC 6265bis §4.1.1)"),
            Problem::Prefix(why) => write!(
                f,
                "{why}, so browsers ignore a cookie of that name (RFC 6265bis §4.1.3): use `Cookie::unprefixed`"
            ),
            Problem::PrefixTwice => f.write_str("`Cookie::new` adds the prefix: leave it out"),
            Problem::SameSiteNone => f.write_str("browsers ignore `SameSite=None` without `Secure`"),
            Problem::TooLong(length) => write!(
                f,
                "its name and value have {length} bytes, and browsers ignore a cookie with more than {MOST}"
            ),
            Problem::NoRandomness => f.write_str("the system has no random numbers to encrypt it with"),
        }
    }
}

impl std::error::Error for InvalidCookie {}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 6265bis §4.1.1: "US-ASCII characters excluding CTLs, whitespace, DQUOTE, comma, semicolon, and backslash".
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

/// RFC 6265bis §4.1.1: "any CHAR except CTLs or ";"".
fn is_attribute(text: &str) -> bool {
    let is_allowed = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b';';
    !text.is_empty() && text.len() <= MOST_OF_ATTRIBUTE && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(cookie: Cookie) -> Result<String, String> {
        cookie.written(0).map_err(|error| error.to_string())
    }

    #[test]
    fn a_cookie_is_safe_unless_it_says_otherwise() {
        assert_eq!(
            written(Cookie::new("a", "b")).unwrap(),
            "__Host-a=b; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            written(Cookie::unprefixed("a", "b")).unwrap(),
            "a=b; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        let open = Cookie::unprefixed("a", "").without_secure().without_http_only();
        assert_eq!(
            written(open.same_site(SameSite::Strict)).unwrap(),
            "a=; Path=/; SameSite=Strict"
        );
    }

    #[test]
    fn s4_1_3_a_prefix_is_kept_or_the_cookie_refused() {
        for cookie in [
            Cookie::new("a", "b").domain("example.com"),
            Cookie::new("a", "b").path("/x"),
            Cookie::new("a", "b").without_secure(),
            Cookie::unprefixed("__host-a", "b").path("/x"),
            Cookie::unprefixed("__secure-a", "b").without_secure(),
        ] {
            let error = written(cookie).unwrap_err();
            assert!(error.contains("browsers ignore"), "{error}");
        }
        assert!(written(Cookie::unprefixed("__Secure-a", "b").domain("example.com").path("/x")).is_ok());
        for name in ["__Host-a", "__host-a", "__Secure-a"] {
            assert!(written(Cookie::new(name, "b")).unwrap_err().contains("leave it out"));
        }
    }

    #[test]
    fn s4_1_1_what_would_be_read_as_something_else_is_refused() {
        for value in [
            "a b",
            "a;b",
            "a,b",
            "a\"",
            "a\\",
            "a\r\nSet-Cookie: b=c",
            "é",
            "\0",
            "\u{7f}",
        ] {
            assert!(written(Cookie::new("a", value)).is_err(), "{value:?}");
        }
        for name in ["", "a b", "a=b", "a;b", "é", "a\n", "[a]"] {
            assert!(written(Cookie::unprefixed(name, "b")).is_err(), "{name:?}");
        }
        for path in ["", "x", "/a;b", "/\n", "/é"] {
            assert!(written(Cookie::unprefixed("a", "b").path(path)).is_err(), "{path:?}");
        }
        for domain in ["", "a b", "a;b", "é.example", "a/b"] {
            assert!(
                written(Cookie::unprefixed("a", "b").domain(domain)).is_err(),
                "{domain:?}"
            );
        }
        assert!(written(Cookie::unprefixed("a", "b").without_secure().same_site(SameSite::None)).is_err());
    }

    #[test]
    fn s5_6_a_cookie_that_browsers_would_not_keep_is_refused() {
        let value = |length: usize| "x".repeat(length);
        assert!(written(Cookie::unprefixed("a", value(MOST - 1))).is_ok());
        let error = written(Cookie::unprefixed("a", value(MOST))).unwrap_err();
        assert!(error.contains("4097 bytes"), "{error}");
        let path = |length| format!("/{}", value(length));
        assert!(written(Cookie::unprefixed("a", "").path(path(MOST_OF_ATTRIBUTE - 1))).is_ok());
        assert!(written(Cookie::unprefixed("a", "").path(path(MOST_OF_ATTRIBUTE))).is_err());
    }

    #[test]
    fn an_age_of_nothing_removes() {
        let removal = "__Host-a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax";
        assert_eq!(written(Cookie::new("a", "b").removed()).unwrap(), removal);
        let moment = Cookie::new("a", "").max_age(Duration::from_millis(999));
        assert_eq!(written(moment).unwrap(), removal);
        let long = written(Cookie::new("a", "").max_age(Duration::MAX)).unwrap();
        assert!(long.contains(&format!("; Max-Age={};", u64::MAX)), "{long}");
    }

    #[test]
    fn no_value_is_shown() {
        let shown = format!("{:?}", Cookie::new("a", "secret").signed(&Keys::new(&[7; 32])));
        assert!(shown.contains("__Host-a") && !shown.contains("secret"), "{shown}");
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_one_pair_and_its_attributes(
            name in ".{0,8}", value in ".{0,8}", path in "/.{0,8}", domain in ".{1,8}"
        ) {
            let cookie = Cookie::unprefixed(&*name, &*value).path(path).domain(domain);
            if let Ok(text) = cookie.written(0) {
                prop_assert_eq!(text.split(';').count(), 6, "{}", text);
                let pair = text.split(';').next().and_then(|pair| pair.split_once('='));
                prop_assert_eq!(pair, Some((&*name, &*value)));
                prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
        }
    }
}
