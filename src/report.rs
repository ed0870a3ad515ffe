//! Messages of the library to an operator: events through the program's logger, and lines on the standard error.
//!
//! Reporting never ends what it reports on. A logger that panics (as one does that prints to a pipe without a reader)
//! is contained. A standard error that is broken or full is ignored, and one that blocks is waited for only briefly. So
//! everything goes through this file; `tests/architecture/main.rs` checks it.

use std::fmt;
use std::io::{self, Write};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use log::{Level, LevelFilter, Record};

use crate::deadline::after;
use crate::panics::contain;

/// The number of texts that may wait to be printed. If nobody reads the standard error, those beyond are lost.
const WAITING: usize = 16;

/// The time for which a caller waits for its text to be printed.
const MOMENT: Duration = Duration::from_millis(100);

/// Logs an event of that level, if such events are wanted.
macro_rules! event {
    ($level:ident, $($text:tt)+) => {
        if $crate::report::is_wanted(::log::Level::$level) {
            $crate::report::tell(::log::Level::$level, module_path!(), format_args!($($text)+));
        }
    };
}

macro_rules! error_event {
    ($($text:tt)+) => { $crate::report::event!(Error, $($text)+) };
}

macro_rules! warn_event {
    ($($text:tt)+) => { $crate::report::event!(Warn, $($text)+) };
}

#[cfg(unix)]
macro_rules! info_event {
    ($($text:tt)+) => { $crate::report::event!(Info, $($text)+) };
}

macro_rules! debug_event {
    ($($text:tt)+) => { $crate::report::event!(Debug, $($text)+) };
}

pub(crate) use debug_event as debug;
pub(crate) use error_event as error;
pub(crate) use event;
#[cfg(unix)]
pub(crate) use info_event as info;
pub(crate) use warn_event as warn;

pub(crate) fn is_wanted(level: Level) -> bool {
    level <= log::STATIC_MAX_LEVEL && (level <= log::max_level() || level == Level::Error && is_without_logger())
}

/// Returns true if the program has no logger, or one that is switched off: then errors go to the standard error, for a 500 that
/// says nothing anywhere helps nobody.
fn is_without_logger() -> bool {
    log::max_level() == LevelFilter::Off
}

/// Logs an event. If the logger panics, or the formatting of the event does, nothing happens.
#[cold]
#[inline(never)]
#[track_caller]
pub(crate) fn tell(level: Level, module: &'static str, text: fmt::Arguments<'_>) {
    let place = Location::caller();
    let _ = contain(|| {
        if is_without_logger() {
            return print(format!("hansel: {text}\n"));
        }
        let mut record = Record::builder();
        record
            .level(level)
            .target(module)
            .module_path_static(Some(module))
            .file_static(Some(place.file()))
            .line(Some(place.line()))
            .args(text);
        log::logger().log(&record.build());
    });
}

/// Writes `text` to the standard error, and waits briefly for that.
///
/// A separate thread writes it, because nothing else bounds how long a write to a pipe may block.
pub(crate) fn print(text: String) {
    static IN_PRINT: AtomicUsize = AtomicUsize::new(0);
    if IN_PRINT.fetch_add(1, Ordering::SeqCst) >= WAITING {
        IN_PRINT.fetch_sub(1, Ordering::SeqCst);
        return;
    }
    let is_done = Arc::new(AtomicBool::new(false));
    let (told, waiting) = (Arc::clone(&is_done), thread::current());
    let write = move || {
        // If nobody reads it, nothing is lost.
        let _ = io::stderr().write_all(text.as_bytes());
        IN_PRINT.fetch_sub(1, Ordering::SeqCst);
        told.store(true, Ordering::SeqCst);
        waiting.unpark();
    };
    if thread::Builder::new().name("hansel-print".into()).spawn(write).is_err() {
        IN_PRINT.fetch_sub(1, Ordering::SeqCst);
        return;
    }
    let until = after(Instant::now(), MOMENT);
    while !is_done.load(Ordering::SeqCst) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_told_ends_nothing() {
        struct Mute;
        impl fmt::Display for Mute {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                panic!("not to be written")
            }
        }
        struct Writing;
        impl log::Log for Writing {
            fn enabled(&self, _: &log::Metadata<'_>) -> bool {
                true
            }
            fn log(&self, record: &Record<'_>) {
                assert_ne!(record.args().to_string(), "", "a panic where it is written");
                panic!("the logger, too");
            }
            fn flush(&self) {}
        }
        let logger: &dyn log::Log = Box::leak(Box::new(Writing));
        // Another test of this program may have set one already; then that one is used.
        let _ = log::set_logger(logger);
        log::set_max_level(LevelFilter::Warn);
        error!("{}", Mute);
        warn!("said");
        debug!("{}", unreachable_text());
        log::set_max_level(LevelFilter::Off);
    }

    fn unreachable_text() -> String {
        unreachable!("nobody wants to know")
    }
}
