//! The names, labels and bounds that metrics may have.

use super::Declared;
use super::labels::{MOST_SERIES, OTHER};

/// The prefix of the names of the server's own metrics.
const OWN: &str = "hansel_";

/// The endings of the names of a histogram's samples.
const OF_HISTOGRAMS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Checks a metric that is added to `others`. The error is what is wrong, as the rest of a sentence about the metric.
pub(super) fn check<'m>(metric: &Declared<'_>, others: impl Iterator<Item = Declared<'m>>) -> Result<(), String> {
    let name = metric.name;
    if !is_name(name) {
        return Err(
            "has a name that is none: it consists of letters, digits and `_`, and begins with no digit".to_owned(),
        );
    }
    if name.starts_with(OWN) {
        return Err(format!(
            "has a name of hansel's own: choose another prefix than `{OWN}`"
        ));
    }
    for other in others {
        if let Some(sample) = shared_sample(metric, &other) {
            return Err(format!(
                "has samples called `{sample}`, as `{}` has, declared at {}",
                other.name, other.at
            ));
        }
    }
    check_labels(metric)?;
    check_bounds(metric.bounds.unwrap_or(&[]))
}

fn check_labels(metric: &Declared<'_>) -> Result<(), String> {
    let mut series = 1_usize;
    for (index, (label, values)) in metric.labels.iter().enumerate() {
        if !is_name(label) || label.starts_with("__") {
            return Err(format!(
                "has a label `{label}`: one consists of letters, digits and `_`, and begins with no digit and no `__`"
            ));
        }
        if *label == "le" && metric.bounds.is_some() {
            return Err("has a label `le`, which is that of a histogram's buckets".to_owned());
        }
        if metric.labels.iter().take(index).any(|(other, _)| other == label) {
            return Err(format!("has the label `{label}` twice"));
        }
        if let Some(value) = values
            .iter()
            .enumerate()
            .find_map(|(i, value)| values.get(..i)?.contains(value).then_some(value))
        {
            return Err(format!("has the value `{value}` of the label `{label}` twice"));
        }
        if values.contains(&OTHER) {
            return Err(format!(
                "has the value `{OTHER}` of the label `{label}`: that is there already, for values that are not declared"
            ));
        }
        series = series.saturating_mul(values.len() + 1);
    }
    if series > MOST_SERIES {
        return Err(format!(
            "has {series} combinations of its labels' values; at most {MOST_SERIES} are kept"
        ));
    }
    Ok(())
}

fn check_bounds(bounds: &[f64]) -> Result<(), String> {
    if let Some(bound) = bounds.iter().find(|bound| !bound.is_finite()) {
        return Err(format!(
            "has the bound {bound}; what is beyond the last one has a bucket without that"
        ));
    }
    match bounds.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(format!(
            "has the bounds {} and {} in this order: they must increase",
            pair[0], pair[1]
        )),
        None => Ok(()),
    }
}

/// "Metric names may contain ASCII letters, digits, underscores, and colons"; "Colons are reserved for user defined
/// recording rules". Labels have no colons.
fn is_name(name: &str) -> bool {
    let is_first = |octet: u8| octet.is_ascii_alphabetic() || octet == b'_';
    name.bytes().next().is_some_and(is_first) && name.bytes().all(|octet| is_first(octet) || octet.is_ascii_digit())
}

/// Returns a name that both have for samples, or for their families.
fn shared_sample(one: &Declared<'_>, other: &Declared<'_>) -> Option<String> {
    let names = |metric: &Declared<'_>| {
        let suffixes = if metric.bounds.is_some() {
            &OF_HISTOGRAMS[..]
        } else {
            &[]
        };
        let samples = suffixes.iter().map(|suffix| format!("{}{suffix}", metric.name));
        samples.chain([metric.name.to_owned()]).collect::<Vec<_>>()
    };
    let others = names(other);
    names(one).into_iter().find(|name| others.contains(name))
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::super::{Counter, Gauge, Histogram, Metric, Metrics};

    #[track_caller]
    fn is_refused(metrics: Metrics, metric: impl Metric, because: &str) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| metrics.with(metric))) else {
            panic!("it was added");
        };
        let text = panic.downcast::<String>().unwrap();
        assert!(text.contains("declared at src/metrics/names.rs:"), "{text}");
        assert!(text.contains(because), "{text}");
    }

    #[test]
    fn what_is_wrong_with_a_metric_is_said_with_the_line_where_it_was_declared() {
        let alone = Metrics::new;
        for name in ["", "1a", "a-b", "a b", "ä", "a:b", "a\n"] {
            is_refused(alone(), Counter::new(name, ""), "has a name that is none");
        }
        is_refused(alone(), Gauge::new("hansel_loops", ""), "a name of hansel's own");
        for label in ["", "a-b", "__a", "1"] {
            is_refused(alone(), Counter::labelled("a", "", [(label, &[])]), "has a label `");
        }
        let histogram = |bounds, label| Histogram::labelled("a", "", bounds, [(label, &["x"])]);
        is_refused(alone(), histogram(&[], "le"), "has a label `le`");
        is_refused(alone(), histogram(&[1.0, 1.0], "b"), "must increase");
        is_refused(alone(), histogram(&[f64::INFINITY], "b"), "has the bound inf");
        is_refused(
            alone(),
            Counter::labelled("a", "", [("b", &["x"]), ("b", &["x"])]),
            "has the label `b` twice",
        );
        is_refused(
            alone(),
            Counter::labelled("a", "", [("b", &["x", "y", "x"])]),
            "the value `x`",
        );
        is_refused(
            alone(),
            Counter::labelled("a", "", [("b", &["other"])]),
            "the value `other`",
        );
        const MANY: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        let many = [("a", MANY), ("b", MANY), ("c", MANY), ("d", &[])];
        assert!(
            Metrics::new()
                .with(Counter::labelled("a", "", many))
                .to_string()
                .lines()
                .count()
                < 1000
        );
        let more = [("a", MANY), ("b", MANY), ("c", MANY), ("d", &["x"])];
        is_refused(alone(), Counter::labelled("a", "", more), "has 2000 combinations");
    }

    #[test]
    fn no_two_metrics_have_samples_of_one_name() {
        let histogram = || Metrics::new().with(Histogram::new("a", "", &[1.0]));
        for name in ["a", "a_sum", "a_count", "a_bucket"] {
            is_refused(
                histogram(),
                Counter::new(name, ""),
                "as `a` has, declared at src/metrics/names.rs",
            );
            let other = Metrics::new().with(Counter::new(name, ""));
            is_refused(other, Histogram::new("a", "", &[]), "declared at src/metrics/names.rs");
        }
        let _ = histogram()
            .with(Counter::new("a_total", ""))
            .with(Gauge::new("a_b", ""));
    }
}
