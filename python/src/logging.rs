//! hansel's log events, in Python's `logging` under the name `hansel`.

use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use log::{Level, Log, Metadata, Record};
use pyo3::prelude::*;

/// So many events wait for Python. More are dropped: a loop never waits for the interpreter.
const WAITING: usize = 1024;

struct Bridge(SyncSender<(u8, String)>);

/// Begins to pass events on. Only the first call in a process has an effect.
pub(crate) fn begin() {
    let (sender, events) = sync_channel(WAITING);
    if log::set_boxed_logger(Box::new(Bridge(sender))).is_err() {
        return;
    }
    log::set_max_level(log::LevelFilter::Info);
    let pass_on = move || {
        for (level, text) in events {
            let passed = Python::try_attach(|py| -> PyResult<()> {
                let logger = py.import("logging")?.call_method1("getLogger", ("hansel",))?;
                logger.call_method1("log", (level, "%s", text)).map(drop)
            });
            // The interpreter ends.
            if passed.is_none() {
                return;
            }
        }
    };
    // Without the thread, the events are dropped.
    let _ = std::thread::Builder::new().name("hansel-logging".into()).spawn(pass_on);
}

impl Log for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // The numbers of Python's `logging`.
        let level = match record.level() {
            Level::Error => 40,
            Level::Warn => 30,
            _ => 20,
        };
        match self.0.try_send((level, record.args().to_string())) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }

    fn flush(&self) {}
}
