//! Heads, compared with hyper: where the two differ, the reason is known.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    hansel_fuzz::differences::explain(bytes);
});
