//! The access log: a line for each answer.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use super::entry::Entry;
use super::outlet::{self, Outlet};

/// A log with a line for every answer the server has made, refusals included; to be given to
/// [`Server::access_log`](crate::Server::access_log).
///
/// A thread of its own does the writing, so a disk or pipe that is slow or full never holds up a
/// request. What it can't take waits in a buffer; beyond that, lines are dropped and counted (in the
/// metrics, and by a warning in the other log).
///
/// The duration in a line is from the moment the request was whole, waiting for a thread included, until
/// its answer was made or, if it is a stream, sent. The bytes are those of the answer's content. What the
/// client sent can't end a line or a field: it is escaped.
///
/// ```no_run
/// use hansel::{AccessLog, Server};
/// use std::fs::OpenOptions;
///
/// # fn main() -> std::io::Result<()> {
/// let file = OpenOptions::new().append(true).create(true).open("access.log")?;
/// Server::bind("127.0.0.1:8080")?.access_log(AccessLog::combined(file)).serve(|| "Hello, world!")
/// # }
/// ```
pub struct AccessLog {
    writer: Box<dyn Write + Send>,
    format: Format,
    buffer: usize,
    /// Opens it. It is named where a log is made and nowhere else: a program that never makes one has
    /// nothing of it in it.
    open: fn(AccessLog, usize) -> io::Result<Box<dyn Log>>,
}

/// Writes a line.
type Format = fn(&Entry<'_>, &mut Vec<u8>);

/// A log that is being written.
pub(crate) trait Log: Send + Sync {
    /// Writes a line by way of loop `index`, using `line` as the room to write it in.
    fn write(&self, index: usize, entry: &Entry<'_>, line: &mut Vec<u8>);
    /// How many lines were dropped, or lost with a writer that failed.
    fn dropped(&self) -> u64;
    /// Has everything be written, and ends.
    fn close(&self);
    /// Waits until everything is written, or until `deadline`.
    fn wait_until_written(&self, deadline: Instant);
}

impl AccessLog {
    /// Lines in the combined format of Apache and nginx, exactly, so that every tool reads them:
    ///
    /// ```text
    /// 192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] "GET /people/7 HTTP/1.1" 200 512 "-" "curl/8.5.0"
    /// ```
    ///
    /// It has no place for durations, request ids and patterns; [`json`](AccessLog::json) has.
    pub fn combined(writer: impl Write + Send + 'static) -> AccessLog {
        AccessLog::new(writer, |entry, line| entry.combined(line))
    }

    /// A JSON object per line. What is not known is `null`; the endpoint is the pattern that has matched.
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
            writer: Box::new(writer),
            format,
            buffer: 1024 * 1024,
            open: OpenLog::open,
        }
    }

    /// How many bytes of lines may wait for the writer, for each event loop: 1 MiB, unless it is set.
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
        Ok(Box::new(OpenLog {
            format: log.format,
            outlet: outlet::open(log.writer, loops, log.buffer)?,
        }))
    }
}

impl Log for OpenLog {
    fn write(&self, index: usize, entry: &Entry<'_>, line: &mut Vec<u8>) {
        line.clear();
        (self.format)(entry, line);
        self.outlet.put(index, line);
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
