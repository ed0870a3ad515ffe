//! A handler that blocks. Other requests do not wait for it.

use std::thread;
use std::time::Duration;

pub(super) fn slow() -> &'static str {
    thread::sleep(Duration::from_secs(1));
    "That took a second.\n"
}
