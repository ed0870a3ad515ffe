//! The fuzz target `multipart` without the fuzzer: over the stored corpus, and forms put together at random from a fixed
//! seed.

use std::fs;
use std::path::Path;

use hansel_fuzz::forms::read_in_pieces;

#[test]
fn what_the_fuzzer_kept_is_the_same_in_pieces() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/multipart");
    let mut read = 0;
    for input in fs::read_dir(corpus).unwrap() {
        let input = fs::read(input.unwrap().path()).unwrap();
        let (sizes, body) = input.split_at(input.len().min(4));
        read += usize::from(read_in_pieces(body, sizes).is_ok());
    }
    assert!(read > 0);
}

#[test]
fn forms_at_random_are_the_same_in_pieces() {
    const TOKENS: [&[u8]; 12] = [
        b"\r\n--b\r\nContent-Disposition: form-data; name=a\r\n\r\n",
        b"\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"../x\"\r\nX: y\r\n\r\n",
        b"\r\n--b--\r\n",
        b"\r\n--b",
        b"--b",
        b"--",
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"x",
        b"X: y\r\n",
    ];
    let mut state = 20_261_129_u64;
    let mut below = |end: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end
    };
    let mut whole = 0;
    for _ in 0..100_000 {
        let mut body = TOKENS[below(2)].to_vec();
        for _ in 0..below(10) {
            body.extend_from_slice(TOKENS[below(TOKENS.len())]);
        }
        if below(2) == 0 {
            body.extend_from_slice(TOKENS[2]);
        }
        let sizes = [below(4) as u8, below(40) as u8, below(3) as u8];
        whole += usize::from(read_in_pieces(&body, &sizes).is_ok());
    }
    assert!(whole > 10_000, "{whole}");
}
