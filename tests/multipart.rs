//! Forms with files: over sockets, in any pieces, and what no client may do with them.

use std::io::{self, BufRead, Cursor, Read, Write};
use std::net::TcpStream;

use hansel::multipart::MultipartOptions;
use hansel::test::{Client, Response};
use hansel::{Application, Hooks, Limits, Multipart, MultipartForm, Request, Routes, Server};
use proptest::prelude::*;

const TYPE: &str = "multipart/form-data; boundary=----hut";

/// A part as the tests compare it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    name: String,
    file_name: Option<String>,
    content: Vec<u8>,
}

/// Reads a form from `reader`; the error is a status.
fn read(reader: impl BufRead) -> Result<Vec<Sent>, u16> {
    let mut parts = Multipart::from_reader(TYPE, reader).map_err(|error| error.status().as_u16())?;
    let mut read = Vec::new();
    while let Some(mut part) = parts.next_part().map_err(|error| error.status().as_u16())? {
        read.push(Sent {
            name: part.name().to_owned(),
            file_name: part.untrusted_file_name().map(str::to_owned),
            content: part.read_bytes(usize::MAX).map_err(|error| error.status().as_u16())?,
        });
    }
    Ok(read)
}

/// Writes a form as browsers do.
fn written(parts: &[Sent]) -> Vec<u8> {
    let escaped = |name: &str| name.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22");
    let mut body = Vec::new();
    for part in parts {
        write!(
            body,
            "------hut\r\nContent-Disposition: form-data; name=\"{}\"",
            escaped(&part.name)
        )
        .unwrap();
        if let Some(name) = &part.file_name {
            write!(
                body,
                "; filename=\"{}\"\r\nContent-Type: application/octet-stream",
                escaped(name)
            )
            .unwrap();
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(&part.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"------hut--\r\n");
    body
}

/// A reader that has pieces of these sizes, again and again.
struct Pieces<'b> {
    rest: &'b [u8],
    sizes: &'b [usize],
    next: usize,
    /// What is left of the current piece.
    left: usize,
}

impl<'b> Pieces<'b> {
    fn of(body: &'b [u8], sizes: &'b [usize]) -> Pieces<'b> {
        Pieces {
            rest: body,
            sizes,
            next: 0,
            left: 0,
        }
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            self.left = self.sizes[self.next % self.sizes.len()].min(self.rest.len());
            self.next += 1;
        }
        Ok(&self.rest[..self.left])
    }

    fn consume(&mut self, amount: usize) {
        self.left -= amount;
        self.rest = &self.rest[amount..];
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        unreachable!("forms are read by their buffer")
    }
}

/// Content that is full of what boundaries consist of.
fn content() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[
        b"\r",
        b"\n",
        b"\r\n",
        b"--",
        b"\r\n--",
        b"\r\n------hu",
        b"------hut",
        b"x",
        b"\0\xff",
    ];
    let piece = prop::sample::select(PIECES);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn part() -> impl Strategy<Value = Sent> {
    let name = "[ab\u{fc}\"\r\n;=%/ ]{0,8}";
    // It would be the escape of another name.
    let name = move || {
        name.prop_filter("ambiguous", |name| {
            !["%22", "%0"].iter().any(|escape| name.contains(escape))
        })
    };
    // A boundary at the beginning of content ends it (RFC 2046 §5.1.1), so no client writes it there.
    let content = content().prop_filter("a boundary", |content| {
        !content.starts_with(b"------hut") && !content.windows(11).any(|window| window == b"\r\n------hut")
    });
    (name(), prop::option::of(name()), content).prop_map(|(name, file_name, content)| Sent {
        name,
        file_name,
        content,
    })
}

/// What forms consist of.
const BROKEN: &[&[u8]] = &[
    b"------hut",
    b"\r\n------hut",
    b"--",
    b"\r\n",
    b" ",
    b"x",
    b"\r",
    b"\n",
    b"A: b\r\n",
    b"Content-Disposition: form-data; name=a\r\n\r\n",
];

proptest! {
    #[test]
    fn what_was_written_is_read_in_whatever_pieces_it_comes(
        parts in prop::collection::vec(part(), 0..5),
        sizes in prop::collection::vec(1_usize..40, 1..6),
    ) {
        let body = written(&parts);
        prop_assert_eq!(read(&*body), Ok(parts.clone()));
        prop_assert_eq!(read(Pieces::of(&body, &sizes)), Ok(parts));
    }

    #[test]
    fn whatever_arrives_is_read_or_refused_alike_in_all_pieces(
        pieces in prop::collection::vec(prop::sample::select(BROKEN), 0..14),
        sizes in prop::collection::vec(1_usize..20, 1..4),
    ) {
        let body = [&b"------hut\r\nContent-Disposition: form-data; name=a\r\n\r\n"[..], &pieces.concat()].concat();
        let whole = read(&*body);
        prop_assert!(matches!(whole, Ok(_) | Err(400)), "{:?}", whole);
        prop_assert_eq!(read(Pieces::of(&body, &sizes)), whole);
    }
}

#[test]
fn s5_1_1_a_preamble_an_epilogue_and_padding_are_ignored() {
    let head = "Content-Disposition: form-data; name=a\r\n\r\n";
    let a = |content: &str| {
        Ok(vec![Sent {
            name: "a".to_owned(),
            file_name: None,
            content: content.into(),
        }])
    };
    for (body, expected) in [
        (format!("------hut\r\n{head}x\r\n------hut--"), a("x")),
        (format!("\r\n------hut\r\n{head}x\r\n------hut--\r\n"), a("x")),
        (
            format!("read\r\nme\r\n------hut \t\r\n{head}x\r\n------hut-- \r\nepilogue\r\n------hut\r\n"),
            a("x"),
        ),
        // "The CRLF preceding the boundary delimiter line is conceptually attached to the boundary".
        (format!("------hut\r\n{head}\r\n------hut--"), a("")),
        (format!("------hut\r\n{head}\r\n\r\n------hut--"), a("\r\n")),
        // A part without content needs no CRLF besides that of the delimiter.
        (format!("------hut\r\n{head}------hut--"), a("")),
        ("------hut--\r\n".to_owned(), Ok(vec![])),
    ] {
        assert_eq!(read(body.as_bytes()), expected, "{body}");
    }
    for body in [
        String::new(),
        "no boundary".to_owned(),
        "------hut".to_owned(),
        "------hut-".to_owned(),
        "------hut\r\n".to_owned(),
        "------hutx\r\n".to_owned(),
        "------hut--x".to_owned(),
        "------hut--\n".to_owned(),
        format!("------hut\n{head}x\r\n------hut--"),
        format!("------hut{}\r\n{head}x\r\n------hut--", " ".repeat(1000)),
        format!("------hut\r\n{head}x"),
        format!("------hut\r\n{head}x\n------hut--"),
        format!("------hut\r\n{head}x\r\n------hut-"),
        format!("------hut\r\n{head}x\r\n------hutx\r\n------hut--"),
        "------hut\r\nContent-Disposition: form-data; name=a".to_owned(),
        "------hut\r\n\r\nx\r\n------hut--".to_owned(),
        format!("------hut\r\nA: b\nC: d\r\n{head}x\r\n------hut--"),
    ] {
        assert_eq!(read(body.as_bytes()), Err(400), "{body}");
    }
}

#[test]
fn what_could_not_be_read_is_not_read_on() {
    let body = "------hut\r\n\r\nsecret\r\n------hut\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n------hut--";
    let mut parts = Multipart::from_reader(TYPE, body.as_bytes()).unwrap();
    assert_eq!(parts.next_part().unwrap_err().status(), 400);
    assert_eq!(parts.next_part().unwrap_err().status(), 400);
}

fn form(parts: &[(&str, Option<&str>, &str)]) -> Vec<u8> {
    let parts = parts.iter().map(|(name, file_name, content)| Sent {
        name: (*name).to_owned(),
        file_name: file_name.map(str::to_owned),
        content: (*content).into(),
    });
    written(&parts.collect::<Vec<_>>())
}

fn send(client: &Client, target: &str, body: Vec<u8>) -> Response {
    client.send(Request::post(target).with_header("Content-Type", TYPE).with_body(body))
}

/// Says what a form has in the field `a` and the file `f`.
fn describe(form: MultipartForm) -> hansel::Result<String> {
    let texts: Vec<_> = form.texts("a").collect();
    let mut described = texts.join("+");
    for file in form.files("f") {
        let name = file.file_name().unwrap_or("?");
        let place = if file.is_in_memory() { "in memory" } else { "in a file" };
        let content = String::from_utf8(file.bytes()?)?;
        described += &format!(" {name}={content} {place}");
    }
    Ok(described)
}

#[test]
fn a_form_has_its_fields_and_files_in_memory_or_in_one_temporary_file() {
    let options = MultipartOptions::new().memory(10);
    let client = Client::new(Hooks::on(Routes::new().post("/", describe)).state(options));
    let body = form(&[
        ("a", None, "one"),
        ("f", Some("../s.txt"), "small"),
        ("f", Some("large.txt"), "too large for what is left"),
        ("f", Some(""), ""),
        ("f", Some(".."), "no name"),
        ("a", None, "two"),
        ("f", Some("tiny"), "tiny"),
        ("f", Some("empty"), ""),
    ]);
    assert_eq!(
        send(&client, "/", body).text(),
        "one+two s.txt=small in memory large.txt=too large for what is left in a file ?=no name in a file \
         tiny=tiny in memory empty= in memory"
    );
}

#[test]
fn what_is_malformed_too_large_or_no_form_gets_the_right_status() {
    let options = || {
        MultipartOptions::new()
            .parts(3)
            .header_bytes(100)
            .part_bytes(50)
            .text_bytes(130)
    };
    let streaming = |request: &Request| -> hansel::Result<String> {
        let mut parts = Multipart::of(request)?;
        let mut copied = Vec::new();
        while let Some(mut part) = parts.next_part()? {
            // Through code that knows nothing of hansel.
            io::copy(&mut part, &mut copied)?;
        }
        Ok(copied.len().to_string())
    };
    let routes = Routes::new().post("/form", describe).post("/stream", streaming);
    let routes = Hooks::on(routes).limits(hansel::RouteLimits::new().body(1000));
    // Large bodies are read while they arrive.
    let limits = Limits::new().body(2000).body_buffer(64);
    let client = Client::new(routes.state(options())).with_limits(limits);
    for (body, form_status, stream_status) in [
        (form(&[("a", None, "x"), ("f", Some("x"), "y")]), 200, 200),
        (
            form(&[("a", None, "1"), ("a", None, "2"), ("a", None, "3"), ("a", None, "4")]),
            413,
            413,
        ),
        (form(&[(&"n".repeat(100), None, "")]), 413, 413),
        (form(&[("f", Some("x"), &"y".repeat(50))]), 200, 200),
        (form(&[("f", None, &"y".repeat(51))]), 413, 413),
        (
            form(&[("a", None, &"y".repeat(50)), ("b", None, &"y".repeat(50))]),
            200,
            200,
        ),
        (
            form(&[
                ("a", None, &"y".repeat(50)),
                ("b", None, &"y".repeat(50)),
                ("c", None, &"y".repeat(50)),
            ]),
            413,
            200,
        ),
        (vec![b'x'; 999], 400, 400),
        (vec![b'x'; 1001], 413, 413),
        (b"------hut\r\n".to_vec(), 400, 400),
        (form(&[("a", None, "\u{fc}")]), 200, 200),
        (
            b"------hut\r\nContent-Disposition: form-data; name=a\r\n\r\n\xfc\r\n------hut--".to_vec(),
            400,
            200,
        ),
    ] {
        let text = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(
            send(&client, "/form", body.clone()).status(),
            form_status,
            "form: {text}"
        );
        assert_eq!(send(&client, "/stream", body).status(), stream_status, "stream: {text}");
    }
    for content_type in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=a",
    ] {
        let request = Request::post("/form").with_header("Content-Type", content_type);
        assert_eq!(client.send(request).status(), 415, "{content_type}");
    }
}

#[test]
fn a_form_may_be_missing_where_a_handler_says_so() {
    let handler = |form: Option<MultipartForm>| if form.is_some() { "form" } else { "none" };
    let client = Client::new(Routes::new().post("/", handler));
    assert_eq!(client.post("/", "").text(), "none");
    assert_eq!(send(&client, "/", form(&[])).text(), "form");
}

#[test]
fn a_handler_reads_the_beginning_of_a_file_while_its_end_has_not_been_sent() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let handler = move |request: &Request| -> hansel::Result<String> {
        let mut parts = Multipart::of(request)?;
        let mut part = parts.next_part()?.ok_or("no part")?;
        let mut start = [0; 1000];
        part.read_exact(&mut start)?;
        sender.send(start[0])?;
        Ok((1000 + part.save_to(io::sink())?).to_string())
    };
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .limits(Limits::new().body_buffer(1000))
        .quiet();
    let server = server.spawn(Routes::new().post("/", handler)).unwrap();
    let mut stream = TcpStream::connect(server.local_addr()).unwrap();
    let body = form(&[("f", Some("x"), &"x".repeat(5000))]);
    let (start, end) = body.split_at(3000);
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Type: {TYPE}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), start].concat()).unwrap();
    assert_eq!(receiver.recv().unwrap(), b'x');
    stream.write_all(end).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(
        response.starts_with("HTTP/1.1 200 ") && response.ends_with("5000"),
        "{response}"
    );
    server.shutdown(std::time::Duration::ZERO);
    server.wait();
}

#[test]
fn a_debug_output_shows_no_content_and_no_file_name() {
    let body = form(&[("a", None, "secret"), ("f", Some("secret.txt"), "secret")]);
    let mut parts = Multipart::from_reader(TYPE, Cursor::new(body.clone())).unwrap();
    let mut shown = format!("{parts:?}");
    while let Some(part) = parts.next_part().unwrap() {
        shown += &format!("{part:?}");
    }
    let form = MultipartForm::read(Multipart::from_reader(TYPE, &*body).unwrap()).unwrap();
    shown += &format!("{form:?}{:?}", form.file("f"));
    assert!(!shown.contains("secret") && shown.contains("\"f\""), "{shown}");
}

#[test]
fn headers_of_a_part_can_be_read() {
    let body = "------hut\r\ncontent-type: image/png\r\nContent-Disposition: form-data; name=f; filename=x\r\nX: \u{fc}\r\n\r\n\r\n------hut--";
    let request = Request::post("/").with_header("Content-Type", TYPE).with_body(body);
    let shown = |request: &Request| -> hansel::Result<String> {
        let mut parts = Multipart::of(request)?;
        let part = parts.next_part()?.ok_or("no part")?;
        let names: Vec<_> = part.headers().map(|(name, _)| name).collect();
        Ok(format!("{:?} {:?} {names:?}", part.content_type(), part.header("x")))
    };
    let response = hansel::App::new(shown).call(&request);
    let text = String::from_utf8(response.body().bytes().unwrap().to_vec()).unwrap();
    assert_eq!(
        text,
        "Some(\"image/png\") Some(\"\u{fc}\") [\"content-type\", \"Content-Disposition\", \"X\"]"
    );
}
