//! Errors as problem details: RFC 9457.

use crate::operations::write_json;
use crate::request::lists;
use crate::response::{Origin, reason, status_text};
use crate::seen::Seen;
use crate::{Request, Response};

const MEDIA_TYPE: &str = "application/problem+json";

/// Turns every error of an application into JSON, as RFC 9457 describes it: pass the result to
/// [`App::respond`](crate::App::respond).
///
/// ```
/// use hansel::{App, Routes, problem_details, test::Client};
///
/// let app = App::new(Routes::new().get("/", || "Hello")).respond(problem_details());
/// let response = Client::new(app).get("/nowhere");
/// assert_eq!(response.header("Content-Type"), Some("application/problem+json"));
/// assert!(response.text().starts_with(r#"{"type":"about:blank","title":"Not Found","status":404,"#));
/// ```
///
/// An error is a response with a status from 400 on and a plain text or nothing as its body. One with a page, with JSON or
/// with anything else that a handler has chosen stays as it is.
///
/// | member | value |
/// |---|---|
/// | `type` | `about:blank`: the status says it all |
/// | `title`, `status` | the status |
/// | `detail` | the text of the response, if it says more than the status |
/// | `request_id` | what the request is called in the log, if its head was whole |
/// | others | what `Error::with_member` has added, which can also replace all of these but `status` |
///
/// The detail never contains the text of a panic, or of an error that a handler passed on by `?`: these are in the log,
/// with the id.
pub fn problem_details() -> impl Fn(&Seen<'_>, &mut Response) + Send + Sync + 'static {
    |seen, response| {
        if is_plain_error(response) {
            convert(seen, response);
        }
    }
}

/// Does the same as [`problem_details`], but leaves text for clients that prefer it, by their `Accept`: a browser gets
/// text, and a client that accepts anything gets JSON.
///
/// ```
/// use hansel::{App, Request, Routes, problem_details_by_accept, test::Client};
///
/// let app = App::new(Routes::new().get("/", || "Hello")).respond(problem_details_by_accept());
/// let client = Client::new(app);
/// let of_browser = Request::get("/nowhere").with_header("Accept", "text/html,*/*;q=0.8");
/// assert_eq!(client.send(of_browser).text(), "Not Found");
/// assert_eq!(client.get("/nowhere").header("Content-Type"), Some("application/problem+json"));
/// ```
pub fn problem_details_by_accept() -> impl Fn(&Seen<'_>, &mut Response) + Send + Sync + 'static {
    |seen, response| {
        if !is_plain_error(response) {
            return;
        }
        // RFC 9110 §12.5.5: what the response was selected by.
        response.vary_by("Accept");
        if seen.request().is_none_or(prefers_json) {
            convert(seen, response);
        }
    }
}

fn is_plain_error(response: &Response) -> bool {
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    is_error && response.header("Content-Type").is_none() && (response.body().is_text() || response.body().is_none())
}

#[cold]
fn convert(seen: &Seen<'_>, response: &mut Response) {
    let json = object(seen, response);
    response.set_body(json);
    response.set_header("Content-Type", MEDIA_TYPE);
}

/// Returns the JSON of a problem: what every problem says, and the members of the error's own.
fn object(seen: &Seen<'_>, response: &Response) -> Vec<u8> {
    let status = response.status();
    let title = if reason(status).is_empty() {
        "Error"
    } else {
        reason(status)
    };
    let mut members = vec![
        ("type", string("about:blank")),
        ("title", string(title)),
        ("status", status.as_str().into()),
    ];
    members.extend(detail(seen, response).map(|detail| ("detail", string(detail))));
    members.extend(
        seen.request()
            .map(|request| ("request_id", string(&request.id().to_string()))),
    );
    for own in response.members() {
        match members.iter_mut().find(|(name, _)| *name == own.name) {
            Some(("status", _)) => {}
            Some((_, json)) => json.clone_from(&own.json),
            None => members.push((&own.name, own.json.clone())),
        }
    }
    let members: Vec<_> = members
        .iter()
        .map(|(name, json)| [&string(name)[..], b":", json].concat())
        .collect();
    [b"{", &members.join(&b',')[..], b"}"].concat()
}

fn string(text: &str) -> Vec<u8> {
    let mut json = Vec::new();
    write_json(text.as_bytes(), &mut json);
    json
}

/// Returns the text of a response besides its status.
fn detail<'r>(seen: &Seen<'_>, response: &'r Response) -> Option<&'r str> {
    if matches!(seen.origin(), Origin::Failed | Origin::Panicked) {
        return None;
    }
    let text = std::str::from_utf8(response.body().bytes()?).ok()?.trim();
    let status = status_text(response.status());
    let said = text
        .strip_prefix(&*status)
        .unwrap_or(text)
        .trim_start_matches(':')
        .trim();
    (!said.is_empty() && said != reason(response.status())).then_some(said)
}

/// Returns true if the client prefers JSON to text, or does not care.
fn prefers_json(request: &Request) -> bool {
    let mut accepted = lists::elements(request, "accept").peekable();
    if accepted.peek().is_none() {
        return true;
    }
    let (mut json, mut text) = (Quality::default(), Quality::default());
    for range in accepted {
        let (range, quality) = parse_range(range);
        json.meet(
            &range,
            &["application/problem+json", "application/json"],
            "application/*",
            quality,
        );
        text.meet(&range, &["text/plain", "text/html"], "text/*", quality);
    }
    json.value > 0 && json.value >= text.value
}

/// The quality of a kind of response to a client, in thousandths, by the range that is most specific.
#[derive(Default)]
struct Quality {
    value: u16,
    precision: u8,
}

impl Quality {
    fn meet(&mut self, range: &str, types: &[&str], wide: &str, quality: u16) {
        // RFC 9110 §12.5.1: "the most specific reference has precedence".
        let precision = match range {
            range if types.contains(&range) => 3,
            range if range == wide => 2,
            "*/*" => 1,
            _ => return,
        };
        if precision > self.precision || (precision == self.precision && quality > self.value) {
            *self = Quality {
                value: quality,
                precision,
            };
        }
    }
}

/// A media range without its parameters, in lower case, and its quality in thousandths.
fn parse_range(range: &[u8]) -> (String, u16) {
    let text = String::from_utf8_lossy(range).to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or("").to_owned();
    let quality = parts.find_map(|parameter| parameter.strip_prefix("q="));
    (name, quality.map_or(1000, thousandths))
}

/// RFC 9110 §12.4.2: at most three digits after the point. What is malformed counts as nothing.
fn thousandths(quality: &str) -> u16 {
    let value: f32 = quality.trim().parse().unwrap_or(0.0);
    if (0.0..=1.0).contains(&value) {
        (value * 1000.0).round() as u16
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_goes_to_those_who_prefer_it_or_do_not_care() {
        for (accept, expected) in [
            ("*/*", true),
            ("", true),
            ("application/json", true),
            ("application/problem+json, text/plain;q=0.5", true),
            ("application/*;q=0.3, text/*;q=0.2", true),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false),
            ("text/plain", false),
            ("image/png", false),
            ("application/json;q=0, */*", false),
            ("application/json;q=0.5, text/html;q=0.6", false),
            ("application/json;q=2, text/html;q=0.1", false),
            ("APPLICATION/JSON", true),
        ] {
            let request = Request::get("/").with_header("Accept", accept);
            assert_eq!(prefers_json(&request), expected, "{accept}");
        }
        assert!(prefers_json(&Request::get("/")));
    }

    #[cfg(feature = "json")]
    #[test]
    fn members_of_an_error_replace_the_defaults_and_come_after_them() {
        use crate::{App, Error, Routes, StatusCode, problem_details, test::Client};
        let routes = Routes::new().get("/", || -> crate::Result {
            Err(Error::new(StatusCode::CONFLICT, "taken")
                .with_member("name", "Gretel")
                .with_member("title", "Name is taken")
                .with_member("status", 200)
                .with_member("name", ["Hansel", "Gretel"]))
        });
        let response = Client::new(App::new(routes).respond(problem_details())).get("/");
        let told = response.text();
        let (before, after) = told.split_once(r#""request_id""#).unwrap();
        assert_eq!(
            before,
            r#"{"type":"about:blank","title":"Name is taken","status":409,"detail":"taken","#
        );
        assert!(after.ends_with(r#","name":["Hansel","Gretel"]}"#), "{after}");
    }

    #[cfg(feature = "json")]
    #[test]
    fn a_member_that_cannot_be_json_is_an_error_of_the_program() {
        use crate::{Error, StatusCode};
        let pairs = std::collections::HashMap::from([([1, 2], 3)]);
        let mut response = Response::new(Error::new(StatusCode::CONFLICT, "taken").with_member("pairs", pairs));
        let logged = response.report_fault(None).unwrap();
        assert!(logged.contains("problem.rs"), "{logged}");
        assert_eq!(response.status(), 500);
    }
}
