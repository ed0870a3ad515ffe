//! Tokens: RFC 6750.

use std::fmt;

use super::check::set_user;
use super::{Checked, Credentials, User, index_of, is_same_choice, quoted};
use crate::dispatch::IntoDispatch;
use crate::{Hooks, IntoResponse, Request, Response, StatusCode};

/// Lets only those in who send a token that is known, as programs do.
///
/// ```
/// use hansel::auth::Bearer;
/// use hansel::{Extension, Routes};
///
/// struct Account { id: u64 }
///
/// fn account_of(token: &str) -> hansel::Result<Option<Account>> {
///     // Ask a database: this may block.
///     Ok((token == "t0ken").then(|| Account { id: 7 }))
/// }
///
/// fn balance(account: Extension<Account>) -> String {
///     format!("account {}", account.id)
/// }
///
/// let api = Bearer::new("api", account_of).on(Routes::new().get("/balance", balance));
/// # let client = hansel::test::Client::new(api);
/// # let request = hansel::Request::get("/balance").with_header("Authorization", "Bearer t0ken");
/// # assert_eq!(client.send(request).text(), "account 7");
/// ```
#[must_use = "it checks nothing until it is put around something: `bearer.on(routes)`"]
pub struct Bearer {
    realm: String,
    check: Box<Check>,
}

/// Sets the user on the request, or returns the response.
type Check = dyn Fn(&Request, &str) -> Result<bool, Response> + Send + Sync;

impl Bearer {
    /// Creates a check by a function, which gets the token. What it returns for a user is set on the request.
    ///
    /// The function may block, for example to ask a database.
    ///
    /// # Panics
    /// If the realm is anything but printable ASCII without quotation marks and backslashes.
    #[track_caller]
    pub fn new<C: Checked>(realm: &str, check: impl Fn(&str) -> C + Send + Sync + 'static) -> Bearer {
        Bearer {
            realm: quoted(realm),
            check: Box::new(move |request, token| set_user(request, check(token))),
        }
    }

    /// Creates a check against a list of tokens, each with the name of its user. A [`User`] is set on the request.
    ///
    /// # Panics
    /// If a token can't be sent, and as [`new`](Bearer::new) does.
    #[track_caller]
    pub fn tokens<T, N>(realm: &str, tokens: impl IntoIterator<Item = (T, N)>) -> Bearer
    where
        T: Into<String>,
        N: Into<String>,
    {
        let tokens: Vec<(String, String)> = tokens
            .into_iter()
            .map(|(token, name)| (token.into(), name.into()))
            .collect();
        for (token, name) in &tokens {
            assert!(
                is_token(token),
                "the token of {name:?} can't be sent: use letters, digits and -._~+/, then perhaps ="
            );
        }
        Bearer::new(realm, move |token| find(&tokens, token))
    }

    /// Lets only known senders into `inner`. Hooks that are added to the result run inside.
    #[track_caller]
    pub fn on<K>(self, inner: impl IntoDispatch<K>) -> Hooks {
        Hooks::on(inner).before(move |request: &Request| self.refuse(request))
    }

    /// Returns the response to a request whose sender is not known.
    fn refuse(&self, request: &Request) -> Option<Response> {
        let token = match Credentials::of(request, "Bearer") {
            Credentials::Given(token) if is_token(token) => token,
            // RFC 6750 §3.1: "If the request lacks any authentication information [..], the resource server SHOULD NOT
            // include an error code".
            Credentials::None | Credentials::Other => return Some(self.challenge(StatusCode::UNAUTHORIZED, "")),
            // "The request [..] is otherwise malformed. The resource server SHOULD respond with the HTTP 400 status code."
            Credentials::Given(_) | Credentials::Malformed => {
                return Some(self.challenge(StatusCode::BAD_REQUEST, ", error=\"invalid_request\""));
            }
        };
        match (self.check)(request, token) {
            Ok(true) => None,
            Ok(false) => Some(self.challenge(StatusCode::UNAUTHORIZED, ", error=\"invalid_token\"")),
            Err(response) => Some(response),
        }
    }

    fn challenge(&self, status: StatusCode, error: &str) -> Response {
        let challenge = format!("Bearer realm={}{error}", self.realm);
        status.into_response().with_header("WWW-Authenticate", challenge)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer")
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// Compares with all tokens, each time, so that the time does not tell where one stands.
fn find(tokens: &[(String, String)], token: &str) -> Option<User> {
    let is_token = |(known, _): &(String, String)| is_same_choice(token.as_bytes(), known.as_bytes());
    let (_, name) = tokens.get(index_of(tokens.iter().map(is_token))?)?;
    Some(User::new(name))
}

/// RFC 6750 §2.1: `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::App;
    use crate::test::Client;

    #[test]
    fn each_way_to_be_unknown_has_its_challenge() {
        let whoami = |request: &Request| request.value::<User>().map(|user| user.name().to_owned());
        let bearer = Bearer::tokens("api", [("abc", "gretel"), ("abc-._~+/==", "hansel")]);
        let client = Client::new(App::new(bearer.on(whoami)));
        for (sent, status, told) in [
            (&["Bearer abc"][..], 200, "gretel"),
            (&["bearer   abc-._~+/=="], 200, "hansel"),
            (&["Bearer abd"], 401, "Bearer realm=\"api\", error=\"invalid_token\""),
            (&["Bearer ab"], 401, "Bearer realm=\"api\", error=\"invalid_token\""),
            (&["Bearer abcabc"], 401, "Bearer realm=\"api\", error=\"invalid_token\""),
            (&[], 401, "Bearer realm=\"api\""),
            (&["Basic abc"], 401, "Bearer realm=\"api\""),
            (&["Bearer"], 400, "Bearer realm=\"api\", error=\"invalid_request\""),
            (&["Bearer a b"], 400, "Bearer realm=\"api\", error=\"invalid_request\""),
            (
                &["Bearer \u{e9}"],
                400,
                "Bearer realm=\"api\", error=\"invalid_request\"",
            ),
            (
                &["Bearer abc", "Bearer abc"],
                400,
                "Bearer realm=\"api\", error=\"invalid_request\"",
            ),
        ] {
            let with = |request: Request, value: &&str| request.with_header("Authorization", *value);
            let response = client.send(sent.iter().fold(Request::get("/"), with));
            assert_eq!(response.status(), status, "{sent:?}");
            let text = response.text();
            assert_eq!(response.header("WWW-Authenticate").unwrap_or(text), told, "{sent:?}");
        }
    }

    #[test]
    #[should_panic(expected = "the token of \"gretel\" can't be sent")]
    fn a_token_that_nobody_can_send_is_found_at_the_start() {
        let _ = Bearer::tokens("api", [("two words", "gretel")]);
    }
}
