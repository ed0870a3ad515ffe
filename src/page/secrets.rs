//! Secrets of a request, which the page leaves out: people share such pages.
//!
//! The name decides, or a value that looks like a secret. In case of doubt it is left out.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::Request;
use crate::request::Pairs;

/// Parts of names that mark a secret, anywhere in a name without its separators.
const STEMS: &[&str] = &[
    "accesskey",
    "apikey",
    "assertion",
    "authent",
    "authoris",
    "authoriz",
    "bearer",
    "cardnumber",
    "cookie",
    "credential",
    "creditcard",
    "csrf",
    "encryptionkey",
    "hmac",
    "jwt",
    "oauth",
    "passcode",
    "passphrase",
    "passw",
    "privatekey",
    "saml",
    "secret",
    "sessid",
    "session",
    "signature",
    "token",
    "verifier",
    "xsrf",
];

/// Words that mark a secret, too short to be searched inside other words.
const WORDS: &[&str] = &[
    "2fa", "cred", "creds", "cvc", "cvv", "key", "keys", "mfa", "nonce", "otp", "pass", "passkey", "pin", "psw",
    "pswd", "pw", "pwd", "sess", "sid", "sig", "sign", "ssn", "tfa", "totp",
];

/// Words that make a code a secret, because it grants access. The code of a country or a status is not one.
const OF_CODES: &[&str] = &[
    "access",
    "activation",
    "backup",
    "confirm",
    "confirmation",
    "device",
    "grant",
    "invitation",
    "invite",
    "login",
    "recovery",
    "reset",
    "security",
    "sms",
    "user",
    "verification",
    "verify",
];

/// Authentication schemes (RFC 9110 §11.1), which come before a secret.
const SCHEMES: &[&str] = &[
    "apikey ",
    "aws4-hmac-sha256 ",
    "basic ",
    "bearer ",
    "digest ",
    "dpop ",
    "hmac ",
    "key ",
    "negotiate ",
    "ntlm ",
    "signature ",
    "token ",
];

/// A value that is encoded more often than this is left out unseen.
const DECODED: usize = 4;

/// Shorter secrets are not searched in other texts, where they would occur too often.
const SHORTEST: usize = 4;
/// The same limit for a cookie that is taken for a secret because of its value only.
const SHORTEST_COOKIE: usize = 8;
/// The most secrets that are searched in other texts. If there are more, those texts are left out completely.
const MOST: usize = 64;

/// Replaces a secret that is found in a text.
const LEFT_OUT: &str = "(not shown)";

/// Returns true if the value of a field or parameter with this name is a secret.
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    is_secret_name(name) || is_secret_value(value)
}

/// Returns true if the name alone marks a secret.
fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    let whole = words.concat();
    let is_any = |known: &[&str], word: &str| known.contains(&word);
    // OAuth calls the key to a token a code (RFC 6749 §4.1.2).
    let is_code = |word: &str| word == "code" && (words.len() == 1 || words.iter().any(|of| is_any(OF_CODES, of)));
    STEMS.iter().any(|stem| whole.contains(stem))
        || ["pass", "pwd"].iter().any(|end| whole.ends_with(end))
        || words.iter().any(|word| {
            is_any(WORDS, word) || is_code(word) || (word.starts_with("auth") && !word.starts_with("author"))
        })
}

/// Returns the words of a name, in lower case: `accessToken`, `ACCESS_TOKEN` and `Access-Token` have the same two.
fn words(name: &str) -> Vec<String> {
    look_at(name);
    let mut words = vec![String::new()];
    let mut before = ' ';
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_next_lower = letters.peek().is_some_and(|next| next.is_lowercase());
        let is_first = letter.is_uppercase() && (!before.is_uppercase() || is_next_lower);
        if is_first || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (letter.is_alphanumeric(), words.last_mut()) {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns true if a value is or contains a secret, whatever its name is.
fn is_secret_value(value: &str) -> bool {
    let mut value = Cow::Borrowed(value);
    for _ in 0..DECODED {
        if has_shape_of_secret(&value) || has_secret_parameter(&value) {
            return true;
        }
        let decoded = percent_decode_str(&value).decode_utf8_lossy().into_owned();
        if decoded == *value {
            return false;
        }
        value = Cow::Owned(decoded);
    }
    true
}

fn has_shape_of_secret(value: &str) -> bool {
    look_at(value);
    let lower = value.trim_start().to_ascii_lowercase();
    SCHEMES.iter().any(|scheme| lower.starts_with(scheme))
        || value.contains("-----BEGIN ")
        || value.split(|c| !is_of_token(c)).any(is_web_token)
        || value
            .split(|c: char| !(c.is_ascii_alphanumeric() || "_+=".contains(c)))
            .any(is_random)
        || value.split("://").skip(1).any(has_password)
}

/// A JSON web token: parts in base64url with dots between them, the first of which begins an object (RFC 7515 §7.1).
fn is_web_token(text: &str) -> bool {
    let mut parts = text.split('.');
    parts.any(|part| part.starts_with("eyJ")) && parts.next().is_some()
}

fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.~".contains(c)
}

/// Returns true if this is hardly a word: long, with all kinds of letters, or as long as a digest.
fn is_random(run: &str) -> bool {
    let has = |is_kind: fn(&u8) -> bool| run.as_bytes().iter().any(is_kind);
    let has_digits = has(u8::is_ascii_digit);
    let has_letters = (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase));
    match run.len() {
        0..20 => false,
        20..40 => has_digits && has_letters == (true, true),
        _ => has_digits && has_letters != (false, false),
    }
}

/// Returns true if there is a password in what follows the `://` of a URL (RFC 3986 §3.2.1).
fn has_password(behind: &str) -> bool {
    let authority = behind.split(['/', '?', '#', ' ']).next().unwrap_or("");
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

/// Returns true if a value names a secret inside: `?token=..` of a URL, `"password": ".."` of an object.
fn has_secret_parameter(value: &str) -> bool {
    let mut behind_last = 0;
    value.match_indices(['=', ':']).any(|(at, sign)| {
        let before = value.get(behind_last..at).unwrap_or("");
        let after = value.get(at + 1..).unwrap_or("");
        behind_last = at + 1;
        // Times, hosts and schemes contain colons as well.
        let is_parameter = sign == "=" || before.ends_with(['"', '\'']) || after.starts_with(' ');
        let name = before.trim_end_matches(['"', '\'', ' ', ']']);
        let start = name.rfind(|c: char| !(c.is_alphanumeric() || "-_.[".contains(c)));
        let name = start.and_then(|at| name.get(at..)).unwrap_or(name);
        is_parameter && !name.is_empty() && is_secret_name(name)
    })
}

/// Returns a query without its secrets.
pub(super) fn query(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match secret_of_pair(pair) {
        None => Cow::Borrowed(pair),
        Some(secret) => {
            let name = pair.get(..pair.len() - secret.len()).unwrap_or("");
            Cow::Owned(format!("{name}{}", octets(secret.len())))
        }
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// Returns what is not shown of a pair of a query, as it was sent: the value, or the whole pair.
fn secret_of_pair(pair: &str) -> Option<&str> {
    let (name, value) = Pairs::of(pair).next()?;
    let (_, sent) = pair.split_once('=').unwrap_or((pair, ""));
    if is_secret_value(&name) {
        return Some(pair);
    }
    Some(sent).filter(|sent| !sent.is_empty() && is_secret(&name, &value))
}

/// Describes something that is not shown by its length.
pub(super) fn octets(len: usize) -> String {
    format!("({len} octets, not shown)")
}

/// The secrets of a request, which are searched in other texts about it.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    values: Vec<String>,
    are_too_many: bool,
}

impl Secrets {
    pub(super) fn of(request: &Request) -> Secrets {
        let mut values: Vec<String> = Vec::new();
        for pair in request.query().unwrap_or("").split('&') {
            if let Some(secret) = secret_of_pair(pair) {
                values.push(secret.to_owned());
                values.extend(
                    Pairs::of(pair).map(|(name, value)| if value.is_empty() { name } else { value }.into_owned()),
                );
            }
        }
        for (name, value) in request.headers() {
            let value = String::from_utf8_lossy(value);
            if name.eq_ignore_ascii_case("cookie") {
                values.extend(value.split(';').filter_map(cookie).map(str::to_owned));
            } else if is_secret(name, &value) {
                // The part after the scheme, which is not a secret.
                values.extend(value.trim_start().split_once(' ').map(|(_, rest)| rest.to_owned()));
                values.push(value.into_owned());
            }
        }
        values.retain(|value| value.len() >= SHORTEST);
        if values.len() > MOST {
            return Secrets {
                values: Vec::new(),
                are_too_many: true,
            };
        }
        Secrets {
            values,
            are_too_many: false,
        }
    }

    /// Returns the text without the secrets.
    pub(super) fn left_out_of<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.are_too_many {
            return Cow::Borrowed(LEFT_OUT);
        }
        // All are found first: the text that replaces one must not be taken for another.
        let places = self
            .values
            .iter()
            .flat_map(|secret| text.match_indices(secret.as_str()));
        let mut places: Vec<_> = places.map(|(start, secret)| (start, start + secret.len())).collect();
        if places.is_empty() {
            return Cow::Borrowed(text);
        }
        places.sort_unstable();
        let mut shown = String::new();
        let mut end = 0;
        for (start, behind) in places {
            if start > end || shown.is_empty() {
                shown.push_str(text.get(end..start).unwrap_or(""));
                shown.push_str(LEFT_OUT);
            }
            end = end.max(behind);
        }
        shown.push_str(text.get(end..).unwrap_or(""));
        Cow::Owned(shown)
    }
}

/// Counts what is looked at, in tests.
fn look_at(_text: &str) {
    #[cfg(test)]
    crate::request::steps::count(_text.len());
}

/// Returns the value of a cookie, if it may be a secret. A theme or a language occurs everywhere.
fn cookie(pair: &str) -> Option<&str> {
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let value = value.trim();
    (value.len() >= SHORTEST_COOKIE || is_secret(name, value)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::steps::counted;
    use crate::{App, Application, Routes};
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

    const SECRET_NAMES: &[&str] = &[
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "X-Api-Key",
        "SSHKey",
        "apikey",
        "api_key",
        "API-KEY",
        "key",
        "token",
        "access_token",
        "accessToken",
        "accesstoken",
        "refresh_token",
        "id_token",
        "X-CSRF-Token",
        "csrfmiddlewaretoken",
        "_xsrf",
        "XSRF-TOKEN",
        "password",
        "passwd",
        "user_password",
        "newPassword",
        "pwd",
        "pass",
        "dbpass",
        "passphrase",
        "passcode",
        "pw",
        "pin",
        "PIN",
        "otp",
        "totp",
        "otp_code",
        "secret",
        "client_secret",
        "clientSecret",
        "session",
        "sessionid",
        "JSESSIONID",
        "PHPSESSID",
        "connect.sid",
        "sid",
        "sig",
        "Signature",
        "X-Hub-Signature-256",
        "X-Amz-Security-Token",
        "X-Amz-Credential",
        "X-Amz-Signature",
        "AWSAccessKeyId",
        "jwt",
        "bearer",
        "auth",
        "x-auth",
        "authkey",
        "X-Auth-Token",
        "oauth_verifier",
        "code_verifier",
        "code",
        "device_code",
        "resetCode",
        "credentials",
        "private_key",
        "privateKey",
        "SAMLResponse",
        "nonce",
        "user[password]",
        "cvv",
    ];

    const OPEN_NAMES: &[&str] = &[
        "q",
        "page",
        "sort",
        "author",
        "authors",
        "authority",
        "keyword",
        "keyboard",
        "monkey",
        "passenger",
        "passport",
        "pinned",
        "signal",
        "design",
        "assignee",
        "side",
        "country_code",
        "zipCode",
        "status-code",
        "codec",
        "state",
        "Host",
        "Accept",
        "Accept-Language",
        "User-Agent",
        "Referer",
        "X-Forwarded-For",
        "X-Request-Id",
        "Sec-Fetch-Mode",
        "Content-Type",
        "If-None-Match",
    ];

    const SECRET_VALUES: &[&str] = &[
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "x.eyJhbGciOiJIUzI1NiJ9.e30.c2ln;v=1",
        "Bearer abc",
        "bearer  abc",
        "Basic dXNlcjpwYXNz",
        "Digest username=\"x\"",
        "AWS4-HMAC-SHA256 Credential=x",
        "https://user:hunter2@example.org/",
        "https://example.org/?token=abc",
        "/login?next=/&access_token=abc",
        "%2Flogin%3Ftoken%3Dabc",
        "%252Flogin%253Ftoken%253Dabc",
        "%25252525252Flogin",
        "a=1;password=x",
        "{\"password\": \"x\"}",
        "{'user':{\"apiKey\":1}}",
        "password: x",
        "user[password]=x",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "d41d8cd98f00b204e9800998ecf8427e00000000",
        "sk_live_51H8xYzABCDEFGHIJKLMNOP",
        "-----BEGIN PRIVATE KEY-----",
    ];

    const OPEN_VALUES: &[&str] = &[
        "",
        "green eggs",
        "2024-01-01T12:30:00Z",
        "localhost:8080",
        "auth.example.org:8080",
        "http://token.example.org/people?page=2#top",
        "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) AppleWebKit/537.36 (KHTML, like Gecko)",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "550e8400-e29b-41d4-a716-446655440000",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "gzip, deflate, br",
        "100%25",
        "monkeyJump.now",
        "max-age=0",
        "internationalization",
        "for=192.0.2.1;proto=https",
        "user@example.org",
        "\"Chromium\";v=\"120\"",
    ];

    #[test]
    fn names_and_values_that_look_like_secrets_are_told_from_others() {
        for name in SECRET_NAMES {
            assert!(is_secret(name, "x"), "{name}");
        }
        for name in OPEN_NAMES {
            assert!(!is_secret(name, "x"), "{name}: {:?}", words(name));
        }
        for value in SECRET_VALUES {
            assert!(is_secret("q", value), "{value}");
        }
        for value in OPEN_VALUES {
            assert!(!is_secret("q", value), "{value}");
        }
    }

    #[test]
    fn no_secret_is_on_the_page_by_whatever_name_it_goes() {
        let app = App::new(Routes::new()).development(true);
        let page = |request: Request| {
            let response = app.call(&request.with_header("Accept", "text/html"));
            String::from_utf8(response.body().bytes().unwrap().to_vec()).unwrap()
        };
        for name in SECRET_NAMES {
            let encoded = utf8_percent_encode(name, NON_ALPHANUMERIC);
            let request = Request::get(&format!("/?{encoded}=hidden&q=1&X={encoded}%3Dhidden"))
                .with_header("Referer", format!("/?{encoded}=hidden"))
                .with_header("X-Data", format!("{{\"{name}\": \"hidden\"}}"));
            let is_field = !name.contains('[');
            let request = if is_field {
                request.with_header(name, "hidden")
            } else {
                request
            };
            let page = page(request);
            assert!(!page.contains("hidden") && page.contains("q=1"), "{name}: {page}");
        }
        for name in OPEN_NAMES.iter().filter(|name| !name.eq_ignore_ascii_case("Accept")) {
            let request = Request::get(&format!("/?{name}=shown-1")).with_header(name, "shown-2");
            let page = page(request);
            assert!(
                page.contains(&format!("{name}=shown-1")) && page.contains("shown-2"),
                "{name}: {page}"
            );
        }
    }

    #[test]
    fn what_is_looked_at_and_shown_grows_as_the_request_does() {
        let declined = Routes::new()
            .get("/a/{x}/b", |x: u32| x.to_string())
            .get("/{x}", |x: u32| x.to_string());
        let app = App::new(Routes::new().mount("/a", declined)).development(true);
        let cost = |request: Request| {
            let mut shown = 0;
            let steps = counted(|| shown = app.call(&request).body().bytes().unwrap().len());
            (steps, shown)
        };
        for piece in [
            "/",
            "/a",
            "/a/%60",
            "%2F",
            "&a=b",
            "&key=abcde",
            "=",
            "%25",
            "Ab",
            ".eyJ",
            "://",
            "@:",
            ":%20",
            "%22:",
            "a=bcdefghij;",
            "key=",
        ] {
            let requests = |times| {
                let text = piece.repeat(times);
                let request = |target: &str| Request::get(target).with_header("Accept", "text/html");
                [
                    request(&format!("/a/{text}")),
                    request(&format!("/?{text}")),
                    request("/").with_header("X-A", &text),
                    request("/").with_header("Cookie", &text),
                ]
            };
            for (half, whole) in requests(300).into_iter().zip(requests(600)) {
                let (half, whole) = (cost(half), cost(whole));
                // With some more for what does not double.
                assert!(whole.0 <= 2 * half.0 + 2000, "{piece}: {half:?}, {whole:?}");
                assert!(whole.1 <= 2 * half.1 + 2000, "{piece}: {half:?}, {whole:?}");
            }
        }
    }

    #[test]
    fn a_query_keeps_its_names_and_leaves_out_secrets() {
        for (sent, shown) in [
            ("", ""),
            ("q=green+eggs&page=2&&draft", "q=green+eggs&page=2&&draft"),
            ("token=abc&q=1", "token=(3 octets, not shown)&q=1"),
            ("q=1&%74oken=%61bc", "q=1&%74oken=(5 octets, not shown)"),
            ("key=a=b", "key=(3 octets, not shown)"),
            ("next=%2Fx%3Ftoken%3Dabc", "next=(18 octets, not shown)"),
            ("a=1;pwd=x", "a=(7 octets, not shown)"),
            ("password&pwd=", "password&pwd="),
            ("eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "(29 octets, not shown)"),
            ("?token=abc", "?token=(3 octets, not shown)"),
        ] {
            assert_eq!(query(sent), shown, "{sent}");
        }
    }

    #[test]
    fn secrets_are_left_out_of_what_others_say() {
        let request = Request::get("/?token=s3%20cr3t&pin=12&q=visible")
            .with_header("Authorization", "Bearer abcdef")
            .with_header("Cookie", "theme=dark; anything=01234567; sid=4711")
            .with_header("Referer", "/visible");
        let secrets = Secrets::of(&request);
        let said = secrets.left_out_of("s3%20cr3t s3 cr3t <Bearer abcdef> abcdef 01234567 4711 dark visible Bearer 12");
        assert_eq!(
            said,
            "(not shown) (not shown) <(not shown)> (not shown) (not shown) (not shown) dark visible Bearer 12"
        );
        let of = |target: &str, text: &str| Secrets::of(&Request::get(target)).left_out_of(text).into_owned();
        assert_eq!(
            of(
                "/?key=shown&pwd=n)(not&token=(not%20shown",
                "a shown) b, shown)(not, abc"
            ),
            "a (not shown)) b, (not shown), abc",
            "once each, and what stands in a secret's place is none"
        );
        assert_eq!(of("/?key=aaaa&pwd=aaaab", "xaaaaaaaaaby"), "x(not shown)y");
        assert_eq!(
            of("/?key=long-secret&pwd=secr", "a long-secret!"),
            "a (not shown)!",
            "the rest of one around another neither"
        );
        let many: Vec<_> = (0..=MOST).map(|number| format!("key=s3cr3t{number}")).collect();
        let secrets = Secrets::of(&Request::get(&format!("/?{}", many.join("&"))));
        assert_eq!(secrets.left_out_of("anything"), LEFT_OUT);
    }
}
