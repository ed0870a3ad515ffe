//! The server to which `clients/run` uploads files with real clients. Prints its address, and drains when it is told to
//! end.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use hansel::{Hooks, Html, Multipart, MultipartForm, Request, RouteLimits, Routes, Server, State};

/// The length of the large file, in MiB.
const LARGE: usize = 200;

/// A page that sends a form with two files, as a user would.
const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>upload</title>
<form id="form" method="post" action="/parts?report" enctype="multipart/form-data">
<input name='na"me' value="grün &amp; &quot;gold&quot;">
<input type="file" name="none">
<input type="file" name="file" id="file" multiple>
</form>
<script>
const chosen = new DataTransfer();
chosen.items.add(new File(["crumbs\r\n--"], 'Brot "1".txt', { type: "text/plain" }));
chosen.items.add(new File(Array(LARGE).fill(new Uint8Array(1 << 20)), "large", { type: "" }));
document.getElementById("file").files = chosen.files;
document.getElementById("form").submit();
</script>
"#;

/// Descriptions of what pages have sent, on their way to whoever requests them.
struct Reports {
    sender: Sender<String>,
    receiver: Mutex<Receiver<String>>,
}

fn main() -> hansel::Result {
    let routes = Routes::new()
        .get("/", || Html(PAGE.replace("LARGE", &LARGE.to_string())))
        .get("/report", report)
        .post("/parts", parts)
        .post("/form", form)
        .get("/memory", || std::fs::read_to_string("/proc/self/status"));
    let limits = RouteLimits::new().body(1024 * 1024 * 1024);
    let (sender, receiver) = channel();
    let reports = Reports {
        sender,
        receiver: Mutex::new(receiver),
    };
    let server = Server::bind("127.0.0.1:0")?.quiet();
    println!("http://{}", server.local_addrs()[0]);
    io::stdout().flush()?;
    Ok(server.serve(Hooks::on(routes).state(reports).limits(limits))?)
}

/// Describes each part on a line, with a checksum of what is read as it arrives.
fn parts(request: &Request, reports: State<Reports>) -> hansel::Result<String> {
    let mut described = String::new();
    let mut parts = Multipart::of(request)?;
    while let Some(mut part) = parts.next_part()? {
        let mut sum = Adler::default();
        let len = part.save_to(&mut sum)?;
        let (name, file_name) = (part.name(), part.untrusted_file_name());
        writeln!(
            described,
            "{name:?} {file_name:?} {:?} {len} {}",
            part.content_type(),
            sum.value()
        )?;
    }
    if request.query() == Some("report") {
        reports.sender.send(described.clone())?;
    }
    Ok(described)
}

/// Waits for a page to have sent its form: a handler may block.
fn report(reports: State<Reports>) -> hansel::Result<String> {
    let receiver = reports.receiver.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(receiver.recv()?)
}

/// Describes a form as it is kept: `text` and `file`.
fn form(form: MultipartForm) -> hansel::Result<String> {
    let mut described = format!("{:?}\n", form.text("text"));
    for file in form.files("file") {
        let mut sum = Adler::default();
        io::copy(&mut file.reader(), &mut sum)?;
        let (name, len) = (file.file_name(), file.len());
        writeln!(described, "{name:?} {len} {} {}", sum.value(), file.is_in_memory())?;
    }
    Ok(described)
}

/// Adler-32 (RFC 1950 §8), which Python has as well.
struct Adler {
    a: u32,
    b: u32,
}

impl Default for Adler {
    fn default() -> Adler {
        Adler { a: 1, b: 0 }
    }
}

impl Adler {
    fn value(&self) -> u32 {
        self.b << 16 | self.a
    }
}

impl Write for Adler {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
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
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
