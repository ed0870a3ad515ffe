//! The cost of a path before dispatch: it is read, checked to be UTF-8, and copied.

use std::fmt::Write;
use std::time::Instant;

use hansel::Request;

use crate::{ASKED, interleaved};

pub(crate) fn report(report: &mut String) {
    let paths: Vec<String> = (0..ASKED)
        .map(|n| format!("/api/r{}/{}/items/{}", n % 10, n % 10_000, n % 97))
        .collect();
    let escaped: Vec<String> = paths
        .iter()
        .map(|path| path.replacen("/items", "/%69tems", 1))
        .collect();
    let shortest = vec!["/".to_owned(); ASKED];
    let asked = [&shortest, &paths, &escaped];
    let medians: Vec<f64> = interleaved(asked.len(), |one| Some(made(asked[one])))
        .into_iter()
        .flatten()
        .collect();
    let [shortest, plain, escaped] = *medians else { return };
    let _ = writeln!(
        report,
        "\n## Taking a path up\n\nMaking a request for such a path takes {:.0} ns longer than for `/`, and {:.0} ns longer if it \
         has an escape in it: writing and parsing {} octets more, checking and copying them.",
        plain - shortest,
        escaped - shortest,
        paths[0].len() - 1,
    );
}

/// Returns the nanoseconds for making one.
fn made(paths: &[String]) -> f64 {
    let mut requests = Vec::with_capacity(paths.len());
    let began = Instant::now();
    requests.extend(paths.iter().map(|path| Request::get(path)));
    began.elapsed().as_secs_f64() * 1e9 / requests.len() as f64
}
