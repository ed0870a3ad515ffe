//! [ten-mistakes]: self::ten_mistakes
#![cfg_attr(feature = "sessions", doc = "[sessions]: self::sessions\n\n")]
#![doc = include_str!("../docs/guide.md")]

#[cfg(feature = "sessions")]
#[doc = include_str!("../docs/sessions.md")]
pub mod sessions {}

// Its pieces of code go to one application, so none of them compiles by itself: `tests/dispatch/ten_mistakes.rs`
// runs what it shows.
#[cfg(not(doctest))]
#[doc = include_str!("../docs/ten-mistakes.md")]
pub mod ten_mistakes {}
