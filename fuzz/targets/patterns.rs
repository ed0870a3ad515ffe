//! Patterns and paths: one pass over all patterns finds what trying them one by one finds.
#![no_main]

use hansel_fuzz::patterns::{Case, compare};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|case: Case| compare(&case));
