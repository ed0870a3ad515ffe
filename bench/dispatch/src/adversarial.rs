//! Paths that make expressions work hard, compared with harmless ones of the same length.

use std::fmt::Write;
use std::time::Instant;

use hansel::test::Client;
use hansel::{Limits, Routes};

use crate::interleaved;

/// An expression, what a path repeats to make it work hard, and how the path ends.
const CASES: [(&str, &str, &str); 7] = [
    (r"^/(a+)+$", "a", "!"),
    (r"^/(a|a)*$", "a", "!"),
    (r"^/(a|aa)+$", "a", "!"),
    (r"^/(?:\w+/)*end$", "a/", "!"),
    (r"^/(.*a){4}$", "a", "!"),
    (r"^/(.*)/(.*)/(.*)/x$", "/", "y"),
    (r"^/([a-z]+)*\d$", "a", "!"),
];

/// The default limit of a target without what surrounds it, and a limit to which somebody might raise it.
const LENGTHS: [usize; 2] = [8_000, 1_000_000];

pub(crate) fn report(report: &mut String) {
    let limits = Limits::new().target(2_000_000).head(4_000_000);
    let _ = writeln!(
        report,
        "\n## Adversarial paths\n\n| expression | octets | harmless, µs | adversarial, µs | ratio |"
    );
    let _ = writeln!(report, "|---|---:|---:|---:|---:|");
    let mut worst: f64 = 0.0;
    for len in LENGTHS {
        for (expression, repeated, end) in CASES {
            let client =
                Client::new(Routes::new().regex(expression, |_: &hansel::Request| "found")).with_limits(limits.clone());
            let path = |repeated: &str, end: &str| format!("/{}{end}", repeated.repeat((len - 2) / repeated.len()));
            // Equally long, and refused by the expression only where it has nothing left to try.
            let paths = [path(&"b".repeat(repeated.len()), "b"), path(repeated, end)];
            let heads = paths.map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let medians = interleaved(2, |one| {
                let began = Instant::now();
                let received = client.converse(heads[one].as_bytes());
                let took = began.elapsed();
                assert!(received.starts_with(b"HTTP/1.1 404") || received.starts_with(b"HTTP/1.1 200"));
                Some(took.as_secs_f64() * 1e6)
            });
            let [Some(harmless), Some(adversarial)] = medians[..] else {
                continue;
            };
            worst = worst.max(adversarial / harmless);
            let _ = writeln!(
                report,
                "| `{}` | {len} | {harmless:.1} | {adversarial:.1} | {:.1} |",
                expression.replace('|', "\\|"),
                adversarial / harmless
            );
        }
    }
    let _ = writeln!(report, "\nThe worst ratio is {worst:.1}.");
}
