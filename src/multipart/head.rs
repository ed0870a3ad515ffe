//! The header section of a part.

use super::parameters::{Parameters, is_token};
use super::{file_name, malformed, unsupported};
use crate::Error;

/// The header section of a part, which has been checked, and what it says.
pub(super) struct PartHead {
    /// Lines that end with CRLF.
    section: Vec<u8>,
    pub(super) name: String,
    /// The file name as the client sent it, if it sent one.
    pub(super) sent_file_name: Option<String>,
    /// One that is safe, if anything is left.
    pub(super) file_name: Option<String>,
}

impl PartHead {
    /// Reads a header section, without the empty line at its end.
    pub(super) fn of(section: Vec<u8>) -> Result<PartHead, Error> {
        let mut disposition = None;
        for line in lines(&section) {
            let (name, value) = field(line).ok_or_else(|| malformed("a header that is none"))?;
            if name.eq_ignore_ascii_case("Content-Disposition") && disposition.replace(value).is_some() {
                return Err(malformed("two Content-Disposition headers").into());
            }
            // RFC 7578 §4.7 deprecates it, and no browser sends another one. Content would not be what it seems.
            if name.eq_ignore_ascii_case("Content-Transfer-Encoding") && !is_identity(value) {
                return Err(unsupported("a Content-Transfer-Encoding").into());
            }
        }
        // RFC 7578 §4.2: "Each part MUST contain a Content-Disposition header field where the disposition type is
        // "form-data". The Content-Disposition header field MUST also contain an additional parameter of "name"".
        let disposition = disposition.ok_or_else(|| malformed("a part without Content-Disposition"))?;
        let disposition = String::from_utf8_lossy(disposition);
        let mut parameters = Parameters::of(&disposition)?;
        if !parameters.value.eq_ignore_ascii_case("form-data") {
            return Err(malformed("a part that is no form-data").into());
        }
        let name = parameters
            .take("name")
            .ok_or_else(|| malformed("a part without a name"))?;
        // Names decide what a value is for, so none is guessed at. A file name is only a hint.
        if name.contains(char::REPLACEMENT_CHARACTER) {
            return Err(malformed("a name that is not UTF-8").into());
        }
        // `filename*` is not read. RFC 7578 §4.2: "The encoding method described in [RFC5987], which would add a
        // "filename*" parameter to the Content-Disposition header field, MUST NOT be used." .NET sends it besides
        // `filename`: whoever checks one of two names and uses the other has checked nothing.
        let sent_file_name = parameters.take("filename").map(|sent| unescaped(&sent));
        Ok(PartHead {
            name: unescaped(&name),
            file_name: sent_file_name.as_deref().and_then(file_name::safe),
            sent_file_name,
            section,
        })
    }

    /// Returns the names and values of all headers, in order.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        lines(&self.section).filter_map(field)
    }
}

fn lines(section: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = section.split_inclusive(|byte| *byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\r\n").unwrap_or(line))
}

/// Returns the name and value of a header, if it is one. A folded line is none: no client of forms sends it.
fn field(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at(colon);
    let name = std::str::from_utf8(name).ok().filter(|name| is_token(name))?;
    let value = value.get(1..)?.trim_ascii();
    let is_text = value.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
    is_text.then_some((name, value))
}

fn is_identity(encoding: &[u8]) -> bool {
    [&b"7bit"[..], b"8bit", b"binary"]
        .iter()
        .any(|identity| encoding.eq_ignore_ascii_case(identity))
}

/// Decodes a name as browsers encode it: "replace any 0x0A (LF) bytes with the byte sequence `%0A`, 0x0D (CR) with `%0D`
/// and 0x22 (") with `%22`" (HTML, "Multipart form data"). Nothing else is encoded, not even a percent sign.
fn unescaped(sent: &str) -> String {
    let mut name = String::with_capacity(sent.len());
    let mut rest = sent;
    while let Some(at) = rest.find('%') {
        let (before, behind) = rest.split_at(at);
        name.push_str(before);
        let decoded = match behind.as_bytes() {
            [_, b'2', b'2', ..] => Some('"'),
            [_, b'0', b'D' | b'd', ..] => Some('\r'),
            [_, b'0', b'A' | b'a', ..] => Some('\n'),
            _ => None,
        };
        name.push(decoded.unwrap_or('%'));
        rest = behind.get(if decoded.is_some() { 3 } else { 1 }..).unwrap_or("");
    }
    name.push_str(rest);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(section: &str) -> Result<PartHead, Error> {
        PartHead::of(section.as_bytes().to_vec())
    }

    #[test]
    fn names_are_decoded_as_browsers_and_other_clients_write_them() {
        for (disposition, name, sent, safe) in [
            (r#"form-data; name="a""#, "a", None, None),
            ("form-data; name=a", "a", None, None),
            ("FORM-DATA;NAME=a", "a", None, None),
            (r#"form-data; name="""#, "", None, None),
            (
                r#"form-data; name="a%22b%0D%0Ac%zz%25%""#,
                "a\"b\r\nc%zz%25%",
                None,
                None,
            ),
            (r#"form-data; name="a\"b\\c""#, r#"a"b\c"#, None, None),
            ("form-data; name=\"gr\u{fc}n\"", "gr\u{fc}n", None, None),
            (r#"form-data; name="f"; filename="""#, "f", Some(""), None),
            (
                r#"form-data; name="f"; filename="a%22.txt""#,
                "f",
                Some("a\".txt"),
                Some("a_.txt"),
            ),
            (r#"form-data; name="f"; filename="..""#, "f", Some(".."), None),
            (
                r#"form-data; name="f"; filename="C:\dir\a.txt""#,
                "f",
                Some(r"C:\dir\a.txt"),
                Some("a.txt"),
            ),
            (
                r#"form-data; filename="../../a.txt"; name="f""#,
                "f",
                Some("../../a.txt"),
                Some("a.txt"),
            ),
            (
                r#"form-data; name="f"; filename="a.txt"; filename*=utf-8''b.txt"#,
                "f",
                Some("a.txt"),
                Some("a.txt"),
            ),
            (r#"form-data; name="f"; filename*=utf-8''b.txt"#, "f", None, None),
        ] {
            let head = read(&format!("Content-Disposition: {disposition}\r\n")).unwrap();
            assert_eq!(head.name, name, "{disposition}");
            assert_eq!(head.sent_file_name.as_deref(), sent, "{disposition}");
            assert_eq!(head.file_name.as_deref(), safe, "{disposition}");
        }
    }

    #[test]
    fn a_file_name_may_be_of_another_encoding_and_a_name_may_not() {
        let head = PartHead::of(b"Content-Disposition: form-data; name=f; filename=\"M\xfcller.txt\"\r\n".to_vec());
        assert_eq!(head.unwrap().file_name.as_deref(), Some("M\u{fffd}ller.txt"));
        let head = PartHead::of(b"Content-Disposition: form-data; name=\"M\xfcller\"\r\n".to_vec());
        assert_eq!(head.err().unwrap().status(), 400);
    }

    #[test]
    fn s4_2_a_part_has_one_disposition_with_a_name() {
        let good = "Content-Disposition: form-data; name=a\r\n";
        for section in [
            String::new(),
            "Content-Type: text/plain\r\n".to_owned(),
            "Content-Disposition: form-data\r\n".to_owned(),
            "Content-Disposition: attachment; name=a\r\n".to_owned(),
            format!("{good}{good}"),
            format!("{good} ; filename=b\r\n"),
            format!("{good}no header\r\n"),
            format!("{good}: empty\r\n"),
            format!("{good}A B: c\r\n"),
            format!("{good}A: b\0c\r\n"),
            format!("{good}A: b\rc\r\n"),
        ] {
            assert_eq!(
                read(&section).err().map(|error| error.status().as_u16()),
                Some(400),
                "{section:?}"
            );
        }
        let head = read(&format!("{good}Content-Type: text/html\r\nX-Empty:\r\n")).unwrap();
        let headers: Vec<_> = head.headers().skip(1).collect();
        assert_eq!(headers, [("Content-Type", &b"text/html"[..]), ("X-Empty", b"")]);
    }

    #[test]
    fn s4_7_content_that_is_encoded_is_not_taken_for_what_it_encodes() {
        for (encoding, status) in [("binary", None), ("8BIT", None), ("base64", Some(415)), ("", Some(415))] {
            let read = read(&format!(
                "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: {encoding}\r\n"
            ));
            assert_eq!(read.err().map(|error| error.status().as_u16()), status, "{encoding}");
        }
    }
}
