//! Offers of compression: the verdict on one stays the same beside others, and what is responded is itself acceptable.
#![no_main]

use hansel_proto::websocket::{Opening, OpeningFault};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|offer: &[u8]| {
    let verdict = answer(&[offer]);
    assert_eq!(verdict, answer(&[b"", offer, b" ,"]), "in several lines");
    let plain = answer(&[b"permessage-deflate"]);
    match &verdict {
        Ok(None) => assert_eq!(plain, answer(&[offer, b"permessage-deflate"]), "another is acceptable"),
        Ok(Some(response)) => {
            assert_eq!(verdict, answer(&[offer, b"permessage-deflate"]), "the first counts");
            assert_eq!(verdict, answer(&[response.as_bytes()]), "it accepts itself");
        }
        Err(fault) => {
            assert_eq!(*fault, OpeningFault::Extensions);
            assert_eq!(verdict, answer(&[b"permessage-deflate", offer]), "all is checked");
        }
    }
});

/// Returns Sec-WebSocket-Extensions of the response.
fn answer(offers: &[&[u8]]) -> Result<Option<String>, OpeningFault> {
    let fields = [
        ("Connection", &b"Upgrade"[..]),
        ("Upgrade", b"websocket"),
        ("Sec-WebSocket-Version", b"13"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let offers = offers.iter().map(|offer| ("Sec-WebSocket-Extensions", *offer));
    match Opening::of("GET", fields.into_iter().chain(offers)) {
        Ok(opening) => Ok(opening.deflate.map(|deflate| deflate.to_string())),
        Err(error) => Err(error.fault()),
    }
}
