//! [ten-mistakes]: self::ten_mistakes
#![doc = include_str!("../docs/guide.md")]

// Its pieces of code go to one application, so none of them compiles by itself: `tests/dispatch/ten_mistakes.rs`
// runs what it shows.
#[cfg(not(doctest))]
#[doc = include_str!("../docs/ten-mistakes.md")]
pub mod ten_mistakes {}
