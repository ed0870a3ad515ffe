//! A cookie jar, as a browser keeps one: RFC 6265bis §5.

use std::time::{SystemTime, UNIX_EPOCH};

use super::cookie_date::parse_date;
use crate::Request;

/// The most bytes of a name and its value together, and of the value of an attribute (§5.6).
const MOST: usize = 4096;
const MOST_OF_ATTRIBUTE: usize = 1024;

/// The cookies that a client keeps.
#[derive(Default)]
pub(super) struct Jar {
    /// The cookies, in the order in which they were first set.
    kept: Vec<Kept>,
    /// The application is reached over connections that are not encrypted.
    is_plain: bool,
}

struct Kept {
    name: String,
    value: String,
    domain: String,
    is_host_only: bool,
    path: String,
    /// The second since 1970 from which it is gone. A session cookie has none.
    end: Option<u64>,
    is_secure: bool,
}

/// A Set-Cookie header, as a browser reads it.
#[derive(Default)]
struct SetCookie<'s> {
    name: &'s str,
    value: &'s str,
    max_age: Option<i64>,
    expires: Option<u64>,
    domain: &'s str,
    path: &'s str,
    is_secure: bool,
    is_same_site_none: bool,
}

impl Jar {
    pub(super) fn over_plain_http() -> Jar {
        Jar {
            is_plain: true,
            ..Jar::default()
        }
    }

    /// Returns the Cookie header for a request, if there is a cookie for it (§5.8.3).
    pub(super) fn cookies_for(&self, request: &Request) -> Option<String> {
        let (host, now) = (host(request), now());
        let fits = |kept: &&Kept| {
            let fits_host = if kept.is_host_only {
                kept.domain == host
            } else {
                domain_matches(&host, &kept.domain)
            };
            let fits_connection = !(kept.is_secure && self.is_plain);
            fits_host && fits_connection && path_matches(request.path(), &kept.path) && !kept.is_over(now)
        };
        let mut found: Vec<&Kept> = self.kept.iter().filter(fits).collect();
        // "Cookies with longer paths are listed before cookies with shorter paths." The sort is stable.
        found.sort_by_key(|kept| std::cmp::Reverse(kept.path.len()));
        let pair = |kept: &&Kept| match &*kept.name {
            "" => kept.value.clone(),
            name => format!("{name}={}", kept.value),
        };
        let pairs: Vec<String> = found.iter().map(pair).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Keeps what a response to `request` sets.
    pub(super) fn receive<'r>(&mut self, request: &Request, set: impl Iterator<Item = &'r str>) {
        for text in set {
            self.keep(request, text);
        }
    }

    /// Returns the value of the first cookie of that name.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let now = now();
        let found = self.kept.iter().find(|kept| kept.name == name && !kept.is_over(now));
        found.map(|kept| kept.value.clone())
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    /// Keeps a cookie, or ignores it (§5.7).
    fn keep(&mut self, request: &Request, text: &str) {
        let (host, now) = (host(request), now());
        let Some(set) = SetCookie::parse(text).filter(|set| self.is_acceptable(set, &host)) else {
            return;
        };
        let domain = set.domain.to_ascii_lowercase();
        let is_host_only = domain.is_empty() || is_public_suffix(&domain);
        let path = match set.path {
            path if path.starts_with('/') => path,
            _ => default_path(request.path()),
        };
        let kept = Kept {
            name: set.name.to_owned(),
            value: set.value.to_owned(),
            domain: if is_host_only { host } else { domain },
            is_host_only,
            path: path.to_owned(),
            end: set.end(now),
            is_secure: set.is_secure,
        };
        match self.kept.iter_mut().find(|other| other.is_same(&kept)) {
            Some(other) => *other = kept,
            None => self.kept.push(kept),
        }
        self.kept.retain(|kept| !kept.is_over(now));
    }

    fn is_acceptable(&self, set: &SetCookie<'_>, host: &str) -> bool {
        let domain = set.domain.to_ascii_lowercase();
        let is_of_host = match &*domain {
            "" => true,
            suffix if is_public_suffix(suffix) => suffix == host,
            domain => domain_matches(host, domain),
        };
        // §5.4; what has no name would be sent as if its value were one.
        let name = if set.name.is_empty() { set.value } else { set.name };
        let has_prefix = |prefix: &str| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let is_prefixed = has_prefix("__Secure-") || has_prefix("__Host-");
        let breaks_prefix = is_prefixed && (!set.is_secure || set.name.is_empty());
        let is_of_all_hosts = !domain.is_empty() || set.path != "/";
        let is_open_to_all = set.is_same_site_none && !set.is_secure;
        is_of_host
            && !(set.is_secure && self.is_plain || is_open_to_all)
            && !(breaks_prefix || has_prefix("__Host-") && is_of_all_hosts)
    }
}

impl Kept {
    fn is_same(&self, other: &Kept) -> bool {
        let is_same_place = self.domain == other.domain && self.path == other.path;
        self.name == other.name && self.is_host_only == other.is_host_only && is_same_place
    }

    fn is_over(&self, now: u64) -> bool {
        self.end.is_some_and(|end| end <= now)
    }
}

impl<'s> SetCookie<'s> {
    /// Reads a header (§5.6). `None` if a browser ignores it.
    fn parse(text: &'s str) -> Option<SetCookie<'s>> {
        let mut parts = text.split(';').map(trimmed);
        let pair = parts.next()?;
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        let (name, value) = (trimmed(name), trimmed(value));
        if name.len() + value.len() > MOST || (name.is_empty() && value.is_empty()) {
            return None;
        }
        let mut set = SetCookie {
            name,
            value,
            ..SetCookie::default()
        };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = trimmed(value);
            if value.len() <= MOST_OF_ATTRIBUTE {
                set.take(&trimmed(name).to_ascii_lowercase(), value);
            }
        }
        Some(set)
    }

    /// Takes an attribute. Of several with one name, the last counts.
    fn take(&mut self, name: &str, value: &'s str) {
        match name {
            "expires" => self.expires = parse_date(value).or(self.expires),
            "max-age" => self.max_age = parse_age(value).or(self.max_age),
            "domain" => self.domain = value.strip_prefix('.').unwrap_or(value),
            "path" => self.path = value,
            "secure" => self.is_secure = true,
            "samesite" => self.is_same_site_none = value.eq_ignore_ascii_case("none"),
            _ => {}
        }
    }

    /// Returns the second from which it is gone: Max-Age counts before Expires.
    fn end(&self, now: u64) -> Option<u64> {
        match self.max_age {
            Some(age) if age <= 0 => Some(0),
            Some(age) => Some(now.saturating_add(age.unsigned_abs())),
            None => self.expires,
        }
    }
}

/// §5.6.2: digits, after a sign or none. What is too large means for ever.
fn parse_age(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let largest = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    Some(text.parse().unwrap_or(largest))
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Returns the host of a request, without its port.
fn host(request: &Request) -> String {
    let host = request.host().unwrap_or("");
    let name = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    name.map_or(host, |(name, _)| name).to_ascii_lowercase()
}

/// Returns true if a domain is a public suffix. There is no list of them here: a domain of one label is one.
fn is_public_suffix(domain: &str) -> bool {
    !domain.contains('.')
}

/// §5.1.3.
fn domain_matches(host: &str, domain: &str) -> bool {
    let is_below = host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    let is_address = host.parse::<std::net::Ipv4Addr>().is_ok() || host.starts_with('[');
    host == domain || (is_below && !is_address)
}

/// §5.1.4.
fn path_matches(path: &str, cookie_path: &str) -> bool {
    let rest = path.strip_prefix(cookie_path);
    rest.is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}

/// §5.1.4: the path up to its last slash.
fn default_path(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((folder, _)) if folder.starts_with('/') => folder,
        _ => "/",
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "a.example.com";

    fn request(host: &str, path: &str) -> Request {
        Request::get(path).with_header("Host", host)
    }

    /// A jar that has got these from a host and a path.
    fn jar(host: &str, path: &str, set: &[&str]) -> Jar {
        let mut jar = Jar::default();
        jar.receive(&request(host, path), set.iter().copied());
        jar
    }

    fn sent(jar: &Jar, host: &str, path: &str) -> String {
        jar.cookies_for(&request(host, path)).unwrap_or_default()
    }

    #[test]
    fn s5_6_a_header_is_read_as_browsers_read_it() {
        for (set, expected) in [
            ("a=1", "a=1"),
            (" a = 1 ; Path = / ; unknown", "a=1"),
            ("a=\"x y\"", "a=\"x y\""),
            ("a==1=", "a==1="),
            ("a=", "a="),
            ("nameless", "nameless"),
            ("=value", "value"),
            ("=", ""),
            ("", ""),
            ("a=1; PATH=/x; path=/", "a=1"),
        ] {
            assert_eq!(sent(&jar(HOST, "/", &[set]), HOST, "/"), expected, "{set}");
        }
        let long = |length: usize| format!("a={}", "x".repeat(length));
        assert_ne!(sent(&jar(HOST, "/", &[&long(MOST - 1)]), HOST, "/"), "");
        assert_eq!(sent(&jar(HOST, "/", &[&long(MOST)]), HOST, "/"), "");
    }

    #[test]
    fn s5_7_a_cookie_is_its_hosts_or_its_domains() {
        let of_host = jar(HOST, "/", &["a=1"]);
        assert_eq!(sent(&of_host, HOST, "/"), "a=1");
        assert_eq!(sent(&of_host, "A.Example.com:8080", "/"), "a=1");
        for other in ["example.com", "b.example.com", "x.a.example.com"] {
            assert_eq!(sent(&of_host, other, "/"), "", "{other}");
        }
        let of_domain = jar(HOST, "/", &["a=1; Domain=.Example.com"]);
        for (host, expected) in [
            (HOST, "a=1"),
            ("example.com", "a=1"),
            ("b.example.com", "a=1"),
            ("badexample.com", ""),
            ("com", ""),
        ] {
            assert_eq!(sent(&of_domain, host, "/"), expected, "{host}");
        }
        for foreign in ["b.example.com", "x.a.example.com", "com", "example.org"] {
            let set = format!("a=1; Domain={foreign}");
            assert_eq!(sent(&jar(HOST, "/", &[&set]), HOST, "/"), "", "{foreign}");
        }
        assert_eq!(sent(&jar("1.2.3.4", "/", &["a=1; Domain=3.4"]), "1.2.3.4", "/"), "");
        assert_eq!(
            sent(&jar("localhost", "/", &["a=1; Domain=localhost"]), "localhost:1", "/"),
            "a=1"
        );
    }

    #[test]
    fn s5_1_4_a_cookie_is_for_its_path_and_below() {
        for (set, at, expected) in [
            ("a=1; Path=/x", "/x", "a=1"),
            ("a=1; Path=/x", "/x/y", "a=1"),
            ("a=1; Path=/x", "/xy", ""),
            ("a=1; Path=/x/", "/x", ""),
            ("a=1; Path=/x/", "/x/y", "a=1"),
            ("a=1", "/set/other", "a=1"),
            ("a=1", "/set", "a=1"),
            ("a=1; Path=relative", "/", ""),
        ] {
            let jar = jar(HOST, "/set/here", &[set]);
            assert_eq!(sent(&jar, HOST, at), expected, "{set} at {at}");
        }
        let several = jar(HOST, "/", &["a=1", "b=2; Path=/x", "c=3", "a=4"]);
        assert_eq!(sent(&several, HOST, "/x"), "b=2; a=4; c=3");
    }

    #[test]
    fn s5_7_a_cookie_ends() {
        for (set, expected) in [
            ("a=1; Max-Age=1000", "a=1"),
            ("a=1; Max-Age=99999999999999999999", "a=1"),
            ("a=1; Max-Age=0", ""),
            ("a=1; Max-Age=-1", ""),
            ("a=1; Max-Age=-99999999999999999999", ""),
            ("a=1; Max-Age=soon", "a=1"),
            ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ""),
            ("a=1; Expires=Fri, 31 Dec 9999 23:59:59 GMT", "a=1"),
            ("a=1; Max-Age=1000; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=1"),
            ("a=1; Expires=whenever", "a=1"),
        ] {
            assert_eq!(sent(&jar(HOST, "/", &[set]), HOST, "/"), expected, "{set}");
        }
        let removed = jar(HOST, "/", &["a=1", "b=2", "a=; Max-Age=0"]);
        assert_eq!(sent(&removed, HOST, "/"), "b=2");
        assert_eq!(removed.value("a"), None);
    }

    #[test]
    fn s5_4_a_cookie_keeps_the_promise_of_its_prefix_or_is_ignored() {
        for (set, is_kept) in [
            ("__Host-a=1; Secure; Path=/", true),
            ("__Host-a=1; Path=/", false),
            ("__Host-a=1; Secure", false),
            ("__Host-a=1; Secure; Path=/x", false),
            ("__host-a=1; Secure; Path=/; Domain=a.example.com", false),
            ("__Secure-a=1; Secure; Path=/; Domain=example.com", true),
            ("__secure-a=1", false),
            ("=__Host-a=1; Secure; Path=/", false),
            ("a=1; SameSite=None", false),
            ("a=1; SameSite=None; Secure", true),
        ] {
            assert_eq!(!sent(&jar(HOST, "/", &[set]), HOST, "/").is_empty(), is_kept, "{set}");
        }
    }

    #[test]
    fn s5_7_a_secure_cookie_never_crosses_a_plain_connection() {
        let mut jar = Jar::over_plain_http();
        jar.receive(&request(HOST, "/"), ["a=1; Secure", "b=2"].into_iter());
        assert_eq!(sent(&jar, HOST, "/"), "b=2");
        let secure = Jar {
            is_plain: true,
            ..self::jar(HOST, "/", &["a=1; Secure"])
        };
        assert_eq!(sent(&secure, HOST, "/"), "");
    }
}
