//! A form with files is the same in whatever pieces it arrives, and the same as for a reader that has all of it at once.
#![no_main]

use hansel_fuzz::forms;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (body, sizes) = input;
    let whole = forms::read(&*body);
    assert_eq!(
        forms::read(forms::Pieces::of(&body, &sizes)),
        whole,
        "in pieces it is another form"
    );
    assert_eq!(forms::naive(&body), whole, "the naive reader reads another form");
});
