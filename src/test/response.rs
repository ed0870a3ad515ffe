//! A response, as a client reads it.

use std::fmt;

use http::StatusCode;

use crate::dispatch::Trail;

/// A response, as a client parsed it.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    status: StatusCode,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    is_whole: bool,
    pub(super) trail: Option<Trail>,
}

impl Response {
    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the value of the first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the names and values of all headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the body without its framing.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// Returns the body as text.
    ///
    /// # Panics
    /// If the body is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(error) => panic!("the body of the response is not text: {error}"),
        }
    }

    /// Returns the body, JSON, read as a `T`.
    ///
    /// Requires the feature `json`.
    ///
    /// ```
    /// use hansel::{Json, test::Client};
    ///
    /// let client = Client::new(|| Json([1, 2, 3]));
    /// assert_eq!(client.get("/").json::<Vec<u32>>(), [1, 2, 3]);
    /// ```
    ///
    /// # Panics
    /// If the body is not a `T`.
    #[cfg(feature = "json")]
    #[track_caller]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!(
                "the body of the response is not JSON of type {}: {error}; it is {:?}",
                std::any::type_name::<T>(),
                String::from_utf8_lossy(&self.body)
            ),
        }
    }

    pub(super) fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    /// Returns true if the body is complete. It is not if a stream or a reader failed.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Returns how dispatch came to this response, decision by decision, recorded during the call itself. `None` if the request
    /// was refused before, or if the application does not dispatch.
    ///
    /// ```
    /// use hansel::{Routes, test::Client};
    ///
    /// let client = Client::new(Routes::new().get("/people/{id}", |id: u32| id.to_string()));
    /// let response = client.get("/people/gretel");
    /// let trail = response.trail().unwrap();
    /// assert_eq!(response.status(), 404, "{trail}");
    /// assert_eq!(trail.crumbs[1].declined.as_ref().unwrap().to_string(), "`gretel` is not a u32");
    /// ```
    pub fn trail(&self) -> Option<&Trail> {
        self.trail.as_ref()
    }

    /// Parses the final response at the beginning of `received`.
    pub(super) fn read(received: &[u8], is_to_head: bool) -> Response {
        let (mut response, rest) = Response::begin(received);
        if response.is_whole && !is_to_head {
            response.read_body(rest);
        }
        response
    }

    /// Parses the head of the final response, and returns what follows it. Anything invalid is a broken response.
    pub(super) fn begin(received: &[u8]) -> (Response, &[u8]) {
        let mut rest = received;
        while let Some((response, behind)) = read_head(rest) {
            rest = behind;
            // RFC 9110 §15.2: interim responses come before the final one; behind a 101 there is another protocol.
            if !response.status.is_informational() || response.status == StatusCode::SWITCHING_PROTOCOLS {
                return (response, rest);
            }
        }
        let broken = Response {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            headers: Vec::new(),
            body: rest.to_vec(),
            is_whole: false,
            trail: None,
        };
        (broken, &[])
    }

    /// RFC 9112 §6.3, applied by the receiver.
    fn read_body(&mut self, rest: &[u8]) {
        let has_none = matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let length = self
            .header("Content-Length")
            .and_then(|length| length.parse::<usize>().ok());
        if has_none {
            return;
        }
        if self.header("Transfer-Encoding").is_some() {
            self.is_whole = read_chunks(rest, &mut self.body).is_some();
        } else if let Some(length) = length {
            self.is_whole = rest.len() >= length;
            self.body = rest[..length.min(rest.len())].to_vec();
        } else {
            self.body = rest.to_vec();
        }
    }
}

/// Shows the length of the body only, which may be long.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("is_whole", &self.is_whole)
            .field("trail", &self.trail)
            .finish()
    }
}

fn read_head(bytes: &[u8]) -> Option<(Response, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse::<StatusCode>().ok()?;
    let fields = lines.filter_map(|line| line.split_once(": "));
    let headers = fields
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let response = Response {
        status,
        headers,
        body: Vec::new(),
        is_whole: true,
        trail: None,
    };
    Some((response, &bytes[end + 4..]))
}

/// Appends the content of a chunked body. Returns `None` if its end is missing.
fn read_chunks(mut rest: &[u8], body: &mut Vec<u8>) -> Option<()> {
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return rest.starts_with(b"\r\n").then_some(());
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_framing_is_read() {
        let body = |received: &str| {
            let response = Response::read(received.as_bytes(), false);
            (String::from_utf8(response.body).unwrap(), response.is_whole)
        };
        assert_eq!(
            body("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc"),
            ("ab".into(), true)
        );
        assert_eq!(
            body("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
            ("abc".into(), false)
        );
        assert_eq!(
            body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
            ("abc".into(), true)
        );
        assert_eq!(
            body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"),
            ("ab".into(), false)
        );
        assert_eq!(
            body("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
            ("abc".into(), true),
            "RFC 9112 §6.3: the Transfer-Encoding overrides the Content-Length"
        );
        for broken in ["0\r\n", "0\r\nx", "1\r\nabc0\r\n\r\n", "x\r\n"] {
            let received = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{broken}");
            assert!(!body(&received).1, "{broken:?}");
        }
        assert_eq!(body("HTTP/1.0 200 OK\r\n\r\nto the end"), ("to the end".into(), true));
        for status in ["204 No Content", "304 Not Modified"] {
            let received = format!("HTTP/1.1 {status}\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
            assert_eq!(body(&received), (String::new(), true), "{status}");
        }
        assert_eq!(
            body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
            (String::new(), true)
        );
    }

    #[test]
    fn a_field_is_found_by_its_name_in_any_case() {
        let response = Response::read(b"HTTP/1.1 200 OK\r\nX-Ham: 1\r\nx-ham: 2\r\n\r\n", false);
        for name in ["X-Ham", "x-ham", "X-HAM"] {
            assert_eq!(response.header(name), Some("1"));
        }
        assert_eq!(response.headers().collect::<Vec<_>>(), [("X-Ham", "1"), ("x-ham", "2")]);
    }

    #[test]
    fn what_is_no_response_is_a_broken_one_that_has_what_has_come() {
        for received in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 OK\r\n\r\n"] {
            for interim in ["", "HTTP/1.1 100 Continue\r\n\r\n"] {
                let response = Response::read(format!("{interim}{received}").as_bytes(), false);
                assert_eq!(response.text(), received);
                assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
                assert!(!response.is_whole());
            }
        }
    }
}
