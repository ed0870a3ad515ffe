//! Bodies that are changed while they are sent.

use std::io::{self, Read};
use std::time::Duration;

use super::BodyFilter;
use super::body::{Body, Kind};
use super::body_writer::{BodyWriter, write_exactly};
use super::sink::{Sink, copy};

impl Body {
    /// Sends the body through a filter, which changes its bytes: see [`BodyFilter`]. Of a file, a reader or a stream it
    /// does so piece by piece while the body is sent, so a file needs a thread then. Bytes are filtered at once.
    ///
    /// ```
    /// use hansel::{Body, BodyFilter, Request, Response};
    /// use std::io;
    ///
    /// /// Adds the sum of all bytes at the end.
    /// struct Sum(u32);
    ///
    /// impl BodyFilter for Sum {
    ///     fn filter(&mut self, piece: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    ///         self.0 = piece.iter().fold(self.0, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    ///         out.extend_from_slice(piece);
    ///         Ok(())
    ///     }
    ///
    ///     fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
    ///         out.extend_from_slice(&self.0.to_be_bytes());
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let body = Body::from("ab").through(Sum(0))?;
    /// assert_eq!(body.bytes(), Some(&b"ab\0\0\0\xc3"[..]));
    /// # Ok::<(), io::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the body is in memory, and the filter fails, or if it is a subscription ([`is_pushed`](Body::is_pushed)), which
    /// no filter can change. If the filter fails later, the connection is closed early.
    pub fn through(self, filter: impl BodyFilter + 'static) -> io::Result<Body> {
        Ok(Body {
            kind: self.kind.through(filter)?,
            content_type: self.content_type,
            on_done: self.on_done,
        })
    }
}

impl Kind {
    /// Returns what `filter` makes of the body: of bytes now, of all else while it is sent.
    fn through(self, mut filter: impl BodyFilter + 'static) -> io::Result<Kind> {
        let read = |reader: Box<dyn Read + Send>, len: Option<u64>, mut filter: Box<dyn BodyFilter>| {
            stream(move |client| pass(client, &mut *filter, |filtered| copy(reader, len, filtered)))
        };
        Ok(match self {
            Kind::File(part) => {
                let len = part.left();
                read(part, Some(len), Box::new(filter))
            }
            Kind::Reader { reader, len } => read(reader, len, Box::new(filter)),
            Kind::Stream { write, len } => {
                stream(move |client| pass(client, &mut filter, |filtered| write_exactly(write, len, filtered)))
            }
            Kind::Early(mut early) => {
                early.through(filter);
                Kind::Early(early)
            }
            // Each message is encoded once for all who subscribe.
            Kind::Pushed(_) => {
                let error = "a subscription to a topic can't be sent through a filter";
                return Err(io::Error::new(io::ErrorKind::Unsupported, error));
            }
            #[cfg(feature = "websocket")]
            Kind::Socket(_) => {
                let error = "what a socket sends can't be sent through a filter";
                return Err(io::Error::new(io::ErrorKind::Unsupported, error));
            }
            #[cfg(feature = "upgrade")]
            Kind::Takeover(_) => {
                let error = "another protocol can't be sent through a filter";
                return Err(io::Error::new(io::ErrorKind::Unsupported, error));
            }
            in_memory => {
                let mut out = Vec::new();
                let bytes = in_memory.bytes().unwrap_or_default();
                if !bytes.is_empty() {
                    filter.filter(bytes, &mut out)?;
                }
                filter.finish(&mut out)?;
                Kind::Bytes(out)
            }
        })
    }
}

fn stream(write: impl FnOnce(&mut BodyWriter<'_>) -> io::Result<()> + Send + 'static) -> Kind {
    Kind::Stream {
        write: Box::new(write),
        len: None,
    }
}

/// Sends to `client` what `filter` makes of all that `write` writes, and then the end: only if nothing has failed.
fn pass(
    client: &mut BodyWriter<'_>,
    filter: &mut dyn BodyFilter,
    write: impl FnOnce(&mut dyn Sink) -> io::Result<()>,
) -> io::Result<()> {
    let mut filtered = Filtered {
        sink: client.sink(),
        filter,
        out: Vec::new(),
        has_failed: false,
    };
    write(&mut filtered)?;
    filtered.end()
}

/// A filter between what writes a body and its client.
struct Filtered<'s> {
    sink: &'s mut dyn Sink,
    filter: &'s mut dyn BodyFilter,
    /// The result of the filter for one piece.
    out: Vec<u8>,
    /// After an error nobody knows what the filter has kept, so nothing is sent any more.
    has_failed: bool,
}

impl Filtered<'_> {
    fn pass_on(&mut self, make: impl FnOnce(&mut dyn BodyFilter, &mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        if self.has_failed {
            return Err(io::Error::other("the body has broken off before"));
        }
        self.out.clear();
        self.has_failed = true;
        make(self.filter, &mut self.out)?;
        if !self.out.is_empty() {
            self.sink.send(&self.out)?;
        }
        self.has_failed = false;
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.pass_on(|filter, out| filter.finish(out))
    }
}

impl Sink for Filtered<'_> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pass_on(|filter, out| filter.filter(bytes, out))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    fn is_open(&self) -> bool {
        self.sink.is_open()
    }

    fn wait(&self, time: Duration, filler: &[u8]) -> bool {
        // Only the framing knows what means nothing, and it is further on.
        self.sink.wait(time, filler)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::Client;
    use crate::{App, Request, Response, Routes};
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    /// Shouts, and says at the end how much was shouted.
    #[derive(Default)]
    struct Shout(usize);

    impl BodyFilter for Shout {
        fn filter(&mut self, piece: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
            if piece == b"poison" {
                return Err(io::Error::other("poison"));
            }
            self.0 += piece.len();
            out.extend(piece.to_ascii_uppercase());
            Ok(())
        }

        fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
            write!(out, "!{}", self.0)
        }
    }

    fn client(body: impl Fn() -> Body + Send + Sync + 'static) -> Client {
        let shouted = move || body().through(Shout::default()).map(Response::new);
        Client::new(App::new(Routes::new().get("/", shouted)))
    }

    fn file(text: &str) -> Body {
        use std::io::{Seek, SeekFrom};
        let path = std::env::temp_dir().join(format!("hansel-filter-{}", std::process::id()));
        let mut file = std::fs::File::options();
        let mut file = file
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        Body::file(file).unwrap()
    }

    #[test]
    fn every_kind_of_body_passes_through_and_ends() {
        let bodies: [fn() -> Body; 6] = [
            || "ham".into(),
            || b"ham".to_vec().into(),
            || Body::reader(&b"ham"[..]),
            || Body::sized_reader(&b"ham and eggs"[..], 3),
            || Body::stream(|client| client.write_all(b"h").and_then(|()| write!(client, "am"))),
            || file("ham"),
        ];
        for body in bodies {
            assert_eq!(client(body).get("/").text(), "HAM!3");
        }
        assert_eq!(client(Body::empty).get("/").text(), "!0");
        assert_eq!(
            client(|| "ham".into()).get("/").header("Content-Type"),
            Some("text/plain; charset=utf-8"),
            "it has the type that it had"
        );
    }

    #[test]
    fn a_body_that_breaks_off_has_no_end() {
        let bodies: [fn() -> Body; 4] = [
            || Body::sized_reader(&b"ham"[..], 9),
            || Body::stream(|client| client.write_all(b"ham").and(Err(io::Error::other("no eggs")))),
            || Body::stream(|client| client.write_all(b"ham").and_then(|()| client.write_all(b"poison"))),
            // A handler that goes on after an error sends nothing.
            || {
                Body::stream(|client| {
                    client.write_all(b"ham")?;
                    let _ = client.write_all(b"poison");
                    let _ = client.write_all(b"eggs");
                    Ok(())
                })
            },
        ];
        for body in bodies {
            let response = client(body).get("/");
            assert_eq!((response.text(), response.is_whole()), ("HAM", false));
        }
        assert_eq!(client(|| "poison".into()).get("/").status(), 500);
    }

    #[test]
    fn what_is_written_arrives_before_more_is_written_and_a_client_that_leaves_is_noticed() {
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(Some(wait));
        let noticed = Arc::new(AtomicBool::new(false));
        let notes = Arc::clone(&noticed);
        let client = client(move || {
            let (wait, notes) = (wait.lock().unwrap().take().unwrap(), Arc::clone(&notes));
            Body::stream(move |client| {
                client.write_all(b"ham")?;
                wait.recv().unwrap();
                client.write_all(b"eggs")?;
                while client.wait(Duration::from_millis(1)) {}
                notes.store(!client.is_open(), SeqCst);
                Ok(())
            })
        });
        let mut stream = client.open(Request::get("/"));
        let mut read = [0; 3];
        stream.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"HAM");
        go_on.send(()).unwrap();
        let mut read = [0; 4];
        stream.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"EGGS");
        let _ = stream.leave();
        assert!(noticed.load(SeqCst));
    }
}
