//! An application means the same on hansel's own server, in the test client, and through `tower` in both directions.

mod axum;
mod hooks;
mod http2;
mod law;
mod limits;
mod same;
mod servers;
#[cfg(feature = "websocket")]
mod sockets;

use std::panic::{set_hook, take_hook};
use std::sync::Once;

/// Keeps what fails on purpose off the standard error.
fn silence() {
    struct Nowhere;
    impl log::Log for Nowhere {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            false
        }
        fn log(&self, _: &log::Record<'_>) {}
        fn flush(&self) {}
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Nowhere).unwrap();
        log::set_max_level(log::LevelFilter::Error);
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if panic.payload().downcast_ref::<&str>() != Some(&"on purpose") {
                usual(panic);
            }
        }));
    });
}
