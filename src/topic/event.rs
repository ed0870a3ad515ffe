//! An event: what is sent to a topic.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// A message to those who subscribe to a [`Topic`](crate::Topic): data, and perhaps a name and an id.
///
/// ```
/// use hansel::Event;
///
/// let event = Event::new("42 degrees").with_name("weather")?;
/// # let _ = event;
/// # Ok::<(), hansel::InvalidEvent>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    pub(super) id: Option<String>,
    name: Option<String>,
    retry: Option<Duration>,
    pub(super) data: Vec<u8>,
}

/// Why an event can't have this name or id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidEvent {
    what: &'static str,
}

impl Event {
    /// Creates an event with this data. Lines of it, which end with LF, CR or CRLF, are lines for the client, too.
    pub fn new(data: impl Into<Vec<u8>>) -> Event {
        Event {
            id: None,
            name: None,
            retry: None,
            data: data.into(),
        }
    }

    /// Sets the name: a browser's `EventSource` calls the listeners of that name. Without one it is `message`.
    ///
    /// # Errors
    /// If it contains CR, LF or NUL.
    pub fn with_name(mut self, name: impl Into<String>) -> Result<Event, InvalidEvent> {
        self.name = Some(checked(name.into(), "name")?);
        Ok(self)
    }

    /// Sets the id, in place of the topic's own: for what is stored elsewhere, and [replayed](crate::TopicSettings::replay_by)
    /// from there.
    ///
    /// # Errors
    /// If it contains CR, LF or NUL.
    pub fn with_id(mut self, id: impl Into<String>) -> Result<Event, InvalidEvent> {
        self.id = Some(checked(id.into(), "id")?);
        Ok(self)
    }

    /// Tells clients how long to wait before they connect again. It is sent in whole milliseconds.
    #[must_use]
    pub fn with_retry(mut self, time: Duration) -> Event {
        self.retry = Some(time);
        self
    }

    /// Returns it as the text of an event stream.
    pub(super) fn write(&self, id: Option<&str>, out: &mut Vec<u8>) {
        for (field, value) in [("event", self.name.as_deref()), ("id", id)] {
            if let Some(value) = value {
                field_line(field, value.as_bytes(), out);
            }
        }
        if let Some(retry) = self.retry {
            field_line("retry", retry.as_millis().to_string().as_bytes(), out);
        }
        for line in lines(&self.data) {
            field_line("data", line, out);
        }
        out.push(b'\n');
    }
}

fn checked(text: String, what: &'static str) -> Result<String, InvalidEvent> {
    // An id with NUL is ignored by clients, so they would not continue behind it.
    match text.contains(['\r', '\n', '\0']) {
        true => Err(InvalidEvent { what }),
        false => Ok(text),
    }
}

fn field_line(field: &str, value: &[u8], out: &mut Vec<u8>) {
    for part in [field.as_bytes(), b": ", value, b"\n"] {
        out.extend_from_slice(part);
    }
}

/// Returns the lines of `data`, without their ends.
fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let here = rest?;
        let Some(end) = here.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            rest = None;
            return Some(here);
        };
        let (line, behind) = here.split_at(end);
        rest = behind.strip_prefix(b"\r\n").or_else(|| behind.get(1..));
        Some(line)
    })
}

impl From<String> for Event {
    fn from(data: String) -> Event {
        Event::new(data)
    }
}

impl From<&str> for Event {
    fn from(data: &str) -> Event {
        Event::new(data)
    }
}

impl From<Cow<'_, str>> for Event {
    fn from(data: Cow<'_, str>) -> Event {
        Event::new(data.into_owned())
    }
}

impl From<Vec<u8>> for Event {
    fn from(data: Vec<u8>) -> Event {
        Event::new(data)
    }
}

/// Shows the name and how long the data is, but not the data.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.name)
            .field("len", &self.data.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for InvalidEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} of an event can't contain CR, LF or NUL", self.what)
    }
}

impl std::error::Error for InvalidEvent {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(event: &Event) -> String {
        let mut out = Vec::new();
        event.write(event.id.as_deref(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_field_is_a_line_and_so_is_each_line_of_the_data() {
        let event = Event::new("a\nb\r\nc\rd\n")
            .with_name("n")
            .unwrap()
            .with_id("7")
            .unwrap();
        let event = event.with_retry(Duration::from_millis(1500));
        let expected = "event: n\nid: 7\nretry: 1500\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n";
        assert_eq!(text(&event), expected);
        assert_eq!(text(&Event::new("")), "data: \n\n");
    }

    #[test]
    fn a_name_or_an_id_that_would_end_its_line_is_an_error() {
        for bad in ["a\nb", "a\r", "\0"] {
            assert!(Event::new("").with_name(bad).is_err());
            assert!(Event::new("").with_id(bad).is_err());
        }
        assert!(Event::new("").with_id("").is_ok());
    }

    proptest! {
        #[test]
        fn whatever_the_data_is_no_line_of_it_becomes_another_field(data in "[a-z:\r\n ]{0,30}") {
            let text = text(&Event::new(data.clone()));
            let body = text.strip_suffix("\n\n").unwrap();
            prop_assert!(body.split('\n').all(|line| line.starts_with("data: ")), "{text:?}");
            let read: Vec<_> = body.split('\n').map(|line| &line[6..]).collect();
            let expected = data.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(read.join("\n"), expected);
        }
    }
}
