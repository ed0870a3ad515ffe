//! The access log: a line for each response.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::entry::Entry;
use super::outlet::{self, Outlet};

/// A log with a line for every response of the server, including refusals: see
/// [`Server::access_log`](crate::Server::access_log).
///
/// A separate thread writes the lines, so a slow or full disk or pipe never delays a request. Lines wait in a buffer. When
/// that is full, lines are dropped and counted, in the metrics and by a warning in the program's log.
///
/// Lines that are written together are in the order of their times, whichever loops they come from. A later line can have a
/// slightly earlier time, if it was not handed over yet when the lines before it were written.
///
/// The duration in a line starts when the request is complete, so it includes the wait for a thread. It ends when the
/// response is made, or, for a stream, sent. The bytes are those of the response's content. Everything from the client is
/// escaped, so it cannot end a line or a field.
///
/// ```no_run
/// use hansel::{AccessLog, Server};
/// use std::fs::OpenOptions;
///
/// # fn main() -> hansel::Result {
/// let file = OpenOptions::new().append(true).create(true).open("access.log")?;
/// Server::bind("127.0.0.1:8080")?.access_log(AccessLog::combined(file)).serve(|| "Hello, world!")?;
/// # Ok(())
/// # }
/// ```
pub struct AccessLog {
    /// Locked by nobody: it makes the log, and a server that has it, `Sync`.
    writer: Mutex<Box<dyn Write + Send>>,
    format: Format,
    buffer: usize,
    /// Opens it. This function is referenced only where a log is created, so the linker drops it from programs without
    /// one.
    open: fn(AccessLog, usize) -> io::Result<Box<dyn Log>>,
}

/// Formats a line.
type Format = fn(&Entry<'_>, &mut Vec<u8>);

/// A log that is being written.
pub(crate) trait Log: Send + Sync {
    /// Writes a line through loop `index`, using `line` as its buffer.
    fn write(&self, index: usize, entry: &Entry<'_>, line: &mut Vec<u8>);
    /// Returns how many lines were dropped, or lost with a writer that failed.
    fn dropped(&self) -> u64;
    /// Makes the thread write everything, and end.
    fn close(&self);
    /// Waits until everything is written, or until `deadline`.
    fn wait_until_written(&self, deadline: Instant);
}

impl AccessLog {
    /// Creates a log in the combined format of Apache and nginx, which every tool reads:
    ///
    /// ```text
    /// 192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] "GET /people/7 HTTP/1.1" 200 512 "-" "curl/8.5.0"
    /// ```
    ///
    /// The format has no place for durations, request ids and patterns; [`json`](AccessLog::json) does.
    pub fn combined(writer: impl Write + Send + 'static) -> AccessLog {
        AccessLog::new(writer, |entry, line| entry.combined(line))
    }

    /// Creates a log with a JSON object per line. Unknown values are `null`; the endpoint is the pattern that matched.
    ///
    /// ```json
    /// {"time":"1994-11-06T08:49:37.123Z","peer":"192.0.2.1:50412","client":"192.0.2.1",
    /// "id":"68a1b2c3d4e5f607","method":"GET","target":"/people/7","version":"HTTP/1.1","status":200,"bytes":512,"seconds":0.000042,
    /// "endpoint":"/people/{id}","referer":null,"agent":"curl/8.5.0"}
    /// ```
    pub fn json(writer: impl Write + Send + 'static) -> AccessLog {
        AccessLog::new(writer, |entry, line| entry.json(line))
    }

    fn new(writer: impl Write + Send + 'static, format: Format) -> AccessLog {
        AccessLog {
            writer: Mutex::new(Box::new(writer)),
            format,
            buffer: 1024 * 1024,
            open: OpenLog::open,
        }
    }

    /// Sets how many bytes of lines may wait for the writer, for each event loop; 1 MiB by default. The writer may have the
    /// same amount again.
    #[must_use]
    pub fn buffer(mut self, bytes: usize) -> AccessLog {
        self.buffer = bytes;
        self
    }

    /// Starts the thread that writes.
    pub(crate) fn open(self, loops: usize) -> io::Result<Box<dyn Log>> {
        (self.open)(self, loops)
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog")
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}

struct OpenLog {
    format: Format,
    outlet: Arc<Outlet>,
}

impl OpenLog {
    fn open(log: AccessLog, loops: usize) -> io::Result<Box<dyn Log>> {
        let writer = log.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Box::new(OpenLog {
            format: log.format,
            outlet: outlet::open(writer, loops, log.buffer)?,
        }))
    }
}

impl Log for OpenLog {
    fn write(&self, index: usize, entry: &Entry<'_>, line: &mut Vec<u8>) {
        line.clear();
        (self.format)(entry, line);
        self.outlet.put(index, entry.moment(), line);
    }

    fn dropped(&self) -> u64 {
        self.outlet.dropped()
    }

    fn close(&self) {
        self.outlet.close();
    }

    fn wait_until_written(&self, deadline: Instant) {
        self.outlet.wait_until_written(deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;
    use crate::date::Date;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A writer that reports when it is first called, and accepts nothing before it may.
    struct Gated {
        asked: Sender<()>,
        allowed: Receiver<()>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.asked.send(());
            let _ = self.allowed.recv();
            let _ = self.taken.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_of_several_loops_are_in_the_order_of_the_times_that_stand_in_them() {
        let formats: [fn(Gated) -> AccessLog; 2] = [|gated| AccessLog::json(gated), |gated| AccessLog::combined(gated)];
        for make in formats {
            let ((asked, asks), (allow, allowed), (taken, takes)) = (channel(), channel(), channel());
            let log = make(Gated { asked, allowed, taken }).open(3).unwrap();
            let put = |index, date: &Date, millisecond| {
                let request = Request::get(&format!("/{millisecond}"));
                let entry = Entry {
                    date,
                    millisecond,
                    peer: None,
                    relayed: Default::default(),
                    request: Some(&request),
                    status: 200,
                    content: 0,
                    duration: Duration::ZERO,
                };
                log.write(index, &entry, &mut Vec::new());
            };
            let (earlier, later) = (Date::of_second(784_111_777), Date::of_second(784_111_778));
            put(0, &later, 999);
            asks.recv_timeout(PATIENCE).unwrap();
            // The writer has the first line, so these are written together.
            let parts = [
                (2, &later, 200),
                (0, &earlier, 250),
                (1, &later, 100),
                (1, &earlier, 900),
                (0, &earlier, 1),
            ];
            for (index, date, millisecond) in parts {
                put(index, date, millisecond);
            }
            drop(allow);
            log.close();
            log.wait_until_written(Instant::now() + PATIENCE);
            let text = String::from_utf8(takes.try_iter().flatten().collect()).unwrap();
            let expected = ["/999", "/1", "/250", "/900", "/100", "/200"];
            let is_for = |line: &str, target: &str| {
                // The forms in the two formats.
                line.contains(&format!(" {target} HTTP")) || line.contains(&format!("\"{target}\""))
            };
            assert_eq!(text.lines().count(), expected.len());
            for (line, target) in text.lines().zip(expected) {
                assert!(is_for(line, target), "{target}: {text}");
            }
        }
    }
}
