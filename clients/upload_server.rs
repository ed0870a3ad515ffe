//! The server to which `clients/run` uploads files with real clients. Prints its address, and drains when it is told to
//! end.

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};

use hansel::{Html, Multipart, MultipartForm, Request, Routes, Server};

/// A page that sends a form with a file, as a user would, and reports what the server has understood.
const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>upload</title>
<form id="form" method="post" action="/parts" enctype="multipart/form-data">
<input name='na"me' value="grün &amp; &quot;gold&quot;">
<input type="file" name="none">
<input type="file" name="file" id="file">
</form>
<script>
const chosen = new DataTransfer();
chosen.items.add(new File(["crumbs\r\n--"], 'Brot "1".txt', { type: "text/plain" }));
document.getElementById("file").files = chosen.files;
document.getElementById("form").submit();
</script>
"#;

fn main() -> hansel::Result {
    let routes = Routes::new()
        .get("/", || Html(PAGE))
        .post("/parts", parts)
        .post("/form", form)
        .get("/memory", || std::fs::read_to_string("/proc/self/status"))
        .body_limit(1024 * 1024 * 1024);
    let server = Server::bind("127.0.0.1:0")?.quiet();
    println!("http://{}", server.local_addrs()[0]);
    io::stdout().flush()?;
    Ok(server.serve(routes)?)
}

/// Describes each part on a line, with a checksum of what is read as it arrives.
fn parts(request: &Request) -> hansel::Result<String> {
    let mut described = String::new();
    let mut parts = Multipart::of(request)?;
    while let Some(mut part) = parts.next_part()? {
        let mut sum = Adler::default();
        let len = loop {
            let content = part.fill_buf()?;
            if content.is_empty() {
                break sum.len;
            }
            sum.add(content);
            let taken = content.len();
            part.consume(taken);
        };
        let (name, file_name) = (part.name(), part.untrusted_file_name());
        writeln!(
            described,
            "{name:?} {file_name:?} {:?} {len} {}",
            part.content_type(),
            sum.value()
        )?;
    }
    Ok(described)
}

/// Describes a form as it is kept: `text` and `file`.
fn form(form: MultipartForm) -> hansel::Result<String> {
    let mut described = format!("{:?}\n", form.text("text"));
    for file in form.files("file") {
        let mut sum = Adler::default();
        sum.add(&file.bytes()?);
        let (name, len) = (file.file_name(), file.len());
        writeln!(described, "{name:?} {len} {} {}", sum.value(), file.is_in_memory())?;
    }
    Ok(described)
}

/// Adler-32 (RFC 1950 §8), which Python has as well.
struct Adler {
    a: u32,
    b: u32,
    len: u64,
}

impl Default for Adler {
    fn default() -> Adler {
        Adler { a: 1, b: 0, len: 0 }
    }
}

impl Adler {
    fn add(&mut self, bytes: &[u8]) {
        const PRIME: u32 = 65521;
        // So many fit before `b` could overflow.
        for chunk in bytes.chunks(5552) {
            for byte in chunk {
                self.a += u32::from(*byte);
                self.b += self.a;
            }
            self.a %= PRIME;
            self.b %= PRIME;
        }
        self.len += bytes.len() as u64;
    }

    fn value(&self) -> u32 {
        self.b << 16 | self.a
    }
}
