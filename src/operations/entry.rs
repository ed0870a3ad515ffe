//! One line of an access log: the request and the response.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::Version;

use super::escape;
use crate::Request;
use crate::date::Date;
use crate::request::Relayed;

/// A response that has been made.
pub(crate) struct Entry<'e> {
    pub(crate) date: &'e Date,
    /// The millisecond of the date's second.
    pub(crate) millisecond: u32,
    pub(crate) peer: Option<SocketAddr>,
    /// The client for which the peer connected.
    pub(crate) relayed: Relayed,
    /// `None` if the request was refused before its head was complete.
    pub(crate) request: Option<&'e Request>,
    pub(crate) status: u16,
    /// Octets of content in the response.
    pub(crate) content: u64,
    pub(crate) duration: Duration,
}

/// The headers by which a client tells about itself, and where it comes from.
#[derive(Default)]
struct Origin<'e> {
    referer: Option<&'e [u8]>,
    agent: Option<&'e [u8]>,
}

impl<'e> Origin<'e> {
    fn of(request: Option<&'e Request>) -> Origin<'e> {
        let mut origin = Origin::default();
        for (name, value) in request.into_iter().flat_map(Request::headers) {
            if origin.referer.is_none() && name.eq_ignore_ascii_case("referer") {
                origin.referer = Some(value);
            } else if origin.agent.is_none() && name.eq_ignore_ascii_case("user-agent") {
                origin.agent = Some(value);
            }
        }
        origin
    }
}

impl Entry<'_> {
    /// Returns the time in the line, in milliseconds.
    pub(super) fn moment(&self) -> u64 {
        self.date
            .second()
            .saturating_mul(1000)
            .saturating_add(self.millisecond.into())
    }

    /// Returns where the request comes from, whoever relayed it.
    fn client(&self) -> Option<IpAddr> {
        match (self.request, self.relayed) {
            (Some(request), _) if request.has_proxy() => request.client(),
            // No field of a refused head counts.
            (None, Relayed::For(client)) => client,
            _ => self.peer.map(|peer| peer.ip().to_canonical()),
        }
    }

    /// The combined format of Apache: `host - - [time] "request" status octets "referer" "agent"`.
    pub(super) fn combined(&self, line: &mut Vec<u8>) {
        match self.client() {
            Some(client) => written(line, format_args!("{client}")),
            None => line.push(b'-'),
        }
        line.extend_from_slice(b" - - [");
        self.time_of_log(line);
        line.extend_from_slice(b"] \"");
        match self.request {
            Some(request) => {
                escape::quoted(request.method().as_str().as_bytes(), line);
                line.push(b' ');
                escape::quoted(request.target().as_bytes(), line);
                line.push(b' ');
                line.extend_from_slice(version(request));
            }
            None => line.push(b'-'),
        }
        line.extend_from_slice(b"\" ");
        decimal(self.status.into(), line);
        line.push(b' ');
        decimal(self.content, line);
        let origin = Origin::of(self.request);
        for text in [origin.referer, origin.agent] {
            line.extend_from_slice(b" \"");
            escape::quoted(text.unwrap_or(b"-"), line);
            line.push(b'"');
        }
        line.push(b'\n');
    }

    /// Appends a JSON object (RFC 8259) and a line end.
    pub(super) fn json(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(b"{\"time\":\"");
        self.time_of_internet(line);
        line.extend_from_slice(b"\",\"peer\":");
        match self.peer {
            Some(peer) => written(line, format_args!("\"{peer}\"")),
            None => line.extend_from_slice(b"null"),
        }
        line.extend_from_slice(b",\"client\":");
        match self.client() {
            Some(client) => written(line, format_args!("\"{client}\"")),
            None => line.extend_from_slice(b"null"),
        }
        let mut room = [0; 16];
        let id = self.request.map(Request::id);
        let texts = [
            ("id", id.as_ref().map(|id| id.text(&mut room).as_bytes())),
            (
                "method",
                self.request.map(|request| request.method().as_str().as_bytes()),
            ),
            ("target", self.request.map(|request| request.target().as_bytes())),
            ("version", self.request.map(version)),
        ];
        for (name, text) in texts {
            text_member(name, text, line);
        }
        line.extend_from_slice(b",\"status\":");
        decimal(self.status.into(), line);
        line.extend_from_slice(b",\"bytes\":");
        decimal(self.content, line);
        line.extend_from_slice(b",\"seconds\":");
        decimal(self.duration.as_secs(), line);
        line.push(b'.');
        fixed(self.duration.subsec_micros().into(), 6, line);
        match self.request {
            Some(request) => {
                let endpoint = request.endpoint_text();
                let endpoint = Some(endpoint.as_bytes()).filter(|text| !text.is_empty());
                text_member("endpoint", endpoint, line);
            }
            None => text_member("endpoint", None, line),
        }
        let origin = Origin::of(self.request);
        text_member("referer", origin.referer, line);
        text_member("agent", origin.agent, line);
        line.extend_from_slice(b"}\n");
    }

    /// `06/Nov/1994:08:49:37 +0000`, from the parts of `Sun, 06 Nov 1994 08:49:37 GMT`.
    fn time_of_log(&self, line: &mut Vec<u8>) {
        let [day, month, year, time] = self.parts();
        for (part, behind) in [(day, b'/'), (month, b'/'), (year, b':'), (time, b' ')] {
            line.extend_from_slice(part);
            line.push(behind);
        }
        line.extend_from_slice(b"+0000");
    }

    /// `1994-11-06T08:49:37.123Z` (RFC 3339 §5.6).
    fn time_of_internet(&self, line: &mut Vec<u8>) {
        const MONTHS: [&[u8; 3]; 12] = [
            b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
        ];
        let [day, month, year, time] = self.parts();
        let month = MONTHS
            .iter()
            .position(|name| **name == month)
            .map_or(0, |index| index + 1);
        line.extend_from_slice(year);
        line.push(b'-');
        fixed(month as u64, 2, line);
        line.push(b'-');
        line.extend_from_slice(day);
        line.push(b'T');
        line.extend_from_slice(time);
        line.push(b'.');
        fixed(self.millisecond.into(), 3, line);
        line.push(b'Z');
    }

    fn parts(&self) -> [&[u8]; 4] {
        let text = self.date.text();
        [5..7, 8..11, 12..16, 17..25].map(|part| text.get(part).unwrap_or(&[]))
    }
}

fn version(request: &Request) -> &'static [u8] {
    match request.version() {
        Version::HTTP_10 => b"HTTP/1.0",
        _ => b"HTTP/1.1",
    }
}

fn text_member(name: &str, text: Option<&[u8]>, line: &mut Vec<u8>) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":");
    match text {
        Some(text) => escape::json(text, line),
        None => line.extend_from_slice(b"null"),
    }
}

fn written(line: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = line.write_fmt(arguments);
}

fn decimal(number: u64, line: &mut Vec<u8>) {
    let digits = number.checked_ilog10().map_or(1, |log| log as usize + 1);
    fixed(number, digits, line);
}

/// Appends the last `digits` digits of `number`.
fn fixed(mut number: u64, digits: usize, line: &mut Vec<u8>) {
    let start = line.len();
    line.resize(start + digits, b'0');
    for digit in line[start..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    const COMBINED: fn(&Entry<'_>, &mut Vec<u8>) = |entry, line| entry.combined(line);
    const JSON: fn(&Entry<'_>, &mut Vec<u8>) = |entry, line| entry.json(line);

    fn line(request: Option<&Request>, write: fn(&Entry<'_>, &mut Vec<u8>)) -> String {
        let date = Date::now();
        let entry = Entry {
            date: &date,
            millisecond: 7,
            peer: Some("192.0.2.1:4711".parse().unwrap()),
            relayed: Relayed::No,
            request,
            status: 200,
            content: 1234,
            duration: Duration::from_micros(1_000_042),
        };
        let mut line = Vec::new();
        write(&entry, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_combined_line_has_the_one_form_that_everybody_reads() {
        let request = Request::get("/a?b=c")
            .with_header("Referer", "http://a.test/")
            .with_header("User-Agent", "x \"y\"");
        let line = line(Some(&request), COMBINED);
        let (before, rest) = line.split_once('[').unwrap();
        let (time, behind) = rest.split_once(']').unwrap();
        assert_eq!(before, "192.0.2.1 - - ");
        assert_eq!(time.len(), "06/Nov/1994:08:49:37 +0000".len(), "{time}");
        assert_eq!(
            behind,
            " \"GET /a?b=c HTTP/1.1\" 200 1234 \"http://a.test/\" \"x \\\"y\\\"\"\n"
        );
    }

    #[test]
    fn a_line_names_the_client_behind_a_trusted_proxy() {
        let mut request = Request::get("/").with_header("X-Forwarded-For", "198.51.100.7");
        request.peer = Some("192.0.2.1:4711".parse().unwrap());
        assert!(line(Some(&request), COMBINED).starts_with("192.0.2.1 - - "));
        request.trust = Some(Arc::new(crate::Trust::peers(["192.0.2.1"]).unwrap()));
        assert!(line(Some(&request), COMBINED).starts_with("198.51.100.7 - - "));
        let read: serde_json::Value = serde_json::from_str(&line(Some(&request), JSON)).unwrap();
        assert_eq!([&read["peer"], &read["client"]], ["192.0.2.1:4711", "198.51.100.7"]);
    }

    #[test]
    fn a_json_line_has_every_field() {
        let request = Request::get("/a?b=c").with_header("User-Agent", "x \"y\"");
        let read: serde_json::Value = serde_json::from_str(&line(Some(&request), JSON)).unwrap();
        assert_eq!(read["peer"], "192.0.2.1:4711");
        assert_eq!(read["client"], "192.0.2.1");
        assert_eq!(read["id"], request.id().to_string());
        assert_eq!(read["method"], "GET");
        assert_eq!(read["target"], "/a?b=c");
        assert_eq!(read["version"], "HTTP/1.1");
        assert_eq!(read["status"], 200);
        assert_eq!(read["bytes"], 1234);
        assert_eq!(read["seconds"], 1.000_042);
        assert_eq!(read["referer"], serde_json::Value::Null);
        assert_eq!(read["agent"], "x \"y\"");
        let time = read["time"].as_str().unwrap();
        assert!(
            time.ends_with(".007Z") && time.len() == "1994-11-06T08:49:37.123Z".len(),
            "{time}"
        );
    }

    #[test]
    fn a_request_that_was_never_whole_is_a_line_all_the_same() {
        assert!(line(None, COMBINED).ends_with("] \"-\" 200 1234 \"-\" \"-\"\n"));
        let read: serde_json::Value = serde_json::from_str(&line(None, JSON)).unwrap();
        assert_eq!(read["method"], serde_json::Value::Null);
    }

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 7, 10, 99, 100, u64::MAX] {
            let mut text = Vec::new();
            decimal(number, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), number.to_string());
        }
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_is_one_line_with_its_fields_in_place(
            target in "/[!-~]{0,40}",
            agent in proptest::collection::vec(prop_oneof![32..127_u8, 128..=255_u8], 0..40),
        ) {
            let Ok(request) = Request::try_new(http::Method::GET, &target) else { return Ok(()) };
            let request = request.with_header("User-Agent", &agent).with_header("Referer", &agent);
            let combined = line(Some(&request), COMBINED);
            prop_assert_eq!(combined.matches('\n').count(), 1);
            prop_assert!(combined.ends_with("\"\n"));
            // Quotes that are not escaped: two around each of three fields.
            let text = combined.replace("\\\\", "").replace("\\\"", "");
            prop_assert_eq!(text.matches('"').count(), 6, "{}", combined);
            let json = line(Some(&request), JSON);
            prop_assert_eq!(json.matches('\n').count(), 1);
            let read: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&read["target"], &target);
            let sent = String::from_utf8_lossy(request.header_bytes("user-agent").unwrap()).into_owned();
            prop_assert_eq!(&read["agent"], &sent);
        }
    }
}
