//! Whole conversations, split at random: the split changes nothing.
#![no_main]

use hansel_fuzz::converse_in_pieces;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &[u8])| {
    let (mut cuts, bytes) = input;
    let mut rest = bytes;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        cuts = cuts
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let (piece, behind) = rest.split_at((1 + (cuts >> 33) as usize % 40).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    converse_in_pieces(bytes, pieces.into_iter());
});
