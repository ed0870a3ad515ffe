//! A form with files is the same in whatever pieces it arrives, and the same as for a reader that has all of it at once.
#![no_main]

use hansel_fuzz::forms;
use libfuzzer_sys::fuzz_target;

// The sizes of the pieces come first.
fuzz_target!(|input: &[u8]| {
    let (sizes, body) = input.split_at(input.len().min(4));
    let _ = forms::read_in_pieces(body, sizes);
});
