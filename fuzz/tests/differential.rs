//! The differential fuzz without the fuzzer: over the stored corpus, the public corpus, heads with random changes (from
//! a fixed seed), and the table of differences itself.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use hansel_fuzz::differences::{DIFFERENCES, explain};
use serde_json::Value;

#[test]
fn every_known_difference_has_an_example_that_shows_it() {
    for known in DIFFERENCES {
        let example = example(known.what, known.example);
        let explained = explain(&example).unwrap_or_else(|| panic!("no difference: {}", known.what));
        assert_eq!(explained.what, known.what);
    }
}

/// Returns the examples that are too long for the table.
fn example(what: &str, written: &str) -> Vec<u8> {
    match what {
        "a target of more than 8 KiB" => format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9000)).into_bytes(),
        "a head of more than 32 KiB" => {
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(33_000)).into_bytes()
        }
        _ => written.chars().map(|letter| letter as u32 as u8).collect(),
    }
}

#[test]
fn the_readme_lists_every_difference() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for known in DIFFERENCES {
        let row = format!("| {} | {} | {} |", known.what, known.rule, known.why);
        assert!(readme.contains(&row), "fuzz/README.md lacks this row:\n{row}");
    }
}

#[test]
fn what_the_fuzzer_kept_differs_only_where_it_may() {
    let mut seen = 0;
    for target in fs::read_dir(root().join("corpus")).unwrap() {
        for input in fs::read_dir(target.unwrap().path()).unwrap() {
            explain(&fs::read(input.unwrap().path()).unwrap());
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn the_public_corpus_differs_only_where_it_may() {
    let mut explained = HashSet::new();
    for input in public_corpus() {
        explained.extend(explain(&input).map(|known| known.what));
    }
    // The corpus must contain such heads at all.
    assert!(explained.len() > 10, "{explained:?}");
}

#[test]
fn changed_heads_differ_only_where_they_may() {
    let examples = DIFFERENCES.iter().map(|known| example(known.what, known.example));
    let good: Vec<_> = public_corpus()
        .into_iter()
        .chain(examples)
        .filter(|head| head.len() < 1000)
        .collect();
    let mut random = Random(20_261_125);
    let mut explained = HashSet::new();
    for _ in 0..300_000 {
        let mut head = good[random.below(good.len())].clone();
        for _ in 0..1 + random.below(3) {
            let start = random.below(head.len() + 1);
            let end = (start + random.below(4)).min(head.len());
            let other = &good[random.below(good.len())];
            let from = random.below(other.len());
            let new = match random.below(3) {
                0 => vec![random.below(256) as u8],
                1 => b" \t\r\n:,%/?#@[]*\x80"[random.below(14)..][..1].to_vec(),
                _ => other[from..(from + random.below(24)).min(other.len())].to_vec(),
            };
            head.splice(start..end, new);
        }
        explained.extend(explain(&head).map(|known| known.what));
    }
    assert!(explained.len() > 15, "{explained:?}");
}

#[test]
fn authorities_differ_only_where_they_may() {
    let hosts = [
        "a",
        "A.test",
        "a.test.",
        "a:",
        "a:80",
        "a:00080",
        "a_b",
        "a%41b",
        "a,b;c=d",
        "a!$&'()*+",
        "a~",
        "[::1]",
        "[::1]:80",
        "[::1]:",
        "[::ffff:1.2.3.4]",
        "[v1.fe80::a+en1]",
        "a:65535",
        "a:65536",
        "a:0",
        ":80",
        "",
        "a:b",
        "a:80:80",
        "[::1",
        "[]",
        "[zz::1]",
        "[::1]x",
        "[::1%25eth0]",
        "[127.0.0.1]",
        "[v.a]",
        "::1",
        "u@a",
        "u:p@a:80",
        "a%",
        "a%zz",
        "a[b]",
    ];
    for host in hosts {
        for scheme in ["http", "https", "HTTP", "hTTpS", "ftp", "h"] {
            for path in ["", "/", "/x?y", "?y", "/?", "//", "/x:y@z"] {
                explain(format!("GET {scheme}://{host}{path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            }
        }
        for method in ["CONNECT", "OPTIONS", "GET", "connect"] {
            explain(format!("{method} {host} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            explain(format!("{method} / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        }
    }
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// Returns what the cases of the conformance suite send.
fn public_corpus() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(root().join("../conformance/corpus_public.json")).unwrap();
    let corpus: Value = serde_json::from_str(&text).unwrap();
    let cases = corpus["cases"].as_array().unwrap();
    assert!(cases.len() > 300);
    cases
        .iter()
        .map(|case| {
            let steps = case["steps"].as_array().unwrap().iter();
            let sent = steps.filter_map(|step| {
                let text = step["send"].as_str().or(step["bytewise"].as_str())?;
                let times = step["times"].as_u64().unwrap_or(1) as usize;
                Some(
                    text.chars()
                        .map(|letter| letter as u32 as u8)
                        .collect::<Vec<_>>()
                        .repeat(times),
                )
            });
            sent.flatten().collect::<Vec<u8>>()
        })
        .filter(|sent| !sent.is_empty())
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
