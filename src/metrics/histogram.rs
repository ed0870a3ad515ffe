//! Histograms.

use std::fmt;
use std::panic::Location;

use super::labels::{Numbers, Table};
use super::{Declared, Metric};
use crate::operations::{Exposition, Number};
use crate::sealed::Seal;

/// Values that are counted in buckets, such as durations or sizes: see [`Metrics`](super::Metrics).
///
/// `LABELS` is the number of its labels.
///
/// ```
/// use std::time::Instant;
///
/// use hansel::Histogram;
///
/// static QUERIES: Histogram<1> = Histogram::labelled(
///     "query_duration_seconds",
///     "Time that the database takes.",
///     Histogram::SECONDS,
///     [("table", &["orders", "people"])],
/// );
///
/// let begin = Instant::now();
/// // ...
/// QUERIES.observe_for(["orders"], begin.elapsed().as_secs_f64());
/// ```
pub struct Histogram<const LABELS: usize = 0> {
    name: &'static str,
    help: &'static str,
    bounds: &'static [f64],
    /// For each series: the count of each bucket, the count of values beyond the last one, and the sum.
    table: Table<LABELS>,
    at: &'static Location<'static>,
}

impl Histogram {
    /// Upper bounds for durations of requests and the like, from 1 ms to 10 s.
    pub const SECONDS: &'static [f64] = &[
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ];

    /// Creates a histogram without labels. A value is counted in the first bucket whose upper bound is not less; values beyond
    /// the last bound have a bucket of their own.
    #[track_caller]
    pub const fn new(name: &'static str, help: &'static str, bounds: &'static [f64]) -> Histogram {
        Histogram::labelled(name, help, bounds, [])
    }

    /// Counts a value, and adds it to the sum. What is not a number is ignored.
    pub fn observe(&self, value: f64) {
        self.observe_for([], value);
    }
}

impl<const LABELS: usize> Histogram<LABELS> {
    /// Creates a histogram with labels, each with the values that it may have.
    #[track_caller]
    pub const fn labelled(
        name: &'static str,
        help: &'static str,
        bounds: &'static [f64],
        labels: [(&'static str, &'static [&'static str]); LABELS],
    ) -> Histogram<LABELS> {
        Histogram {
            name,
            help,
            bounds,
            table: Table::new(labels, bounds.len() + 2),
            at: Location::caller(),
        }
    }

    /// Counts a value for these values of its labels, in their order. Values of labels that were not declared count as
    /// `other`.
    pub fn observe_for(&self, values: [&str; LABELS], value: f64) {
        if value.is_nan() {
            // It would make the sum useless for ever.
            return;
        }
        let numbers = self.table.of(values);
        let bucket = self.bounds.iter().position(|bound| value <= *bound);
        numbers.add(bucket.unwrap_or(self.bounds.len()), 1);
        numbers.add_float(self.bounds.len() + 1, value);
    }

    fn count(&self, numbers: Numbers<'_>) -> u64 {
        (0..=self.bounds.len()).map(|bucket| numbers.get(bucket)).sum()
    }

    fn expose_series(&self, labels: &[(&str, &str)], numbers: Numbers<'_>, text: &mut Exposition) {
        let [buckets, sum, counted] = ["bucket", "sum", "count"].map(|suffix| format!("{}_{suffix}", self.name));
        let mut count = 0;
        for (bucket, bound) in self.bounds.iter().copied().chain([f64::INFINITY]).enumerate() {
            count += numbers.get(bucket);
            let bound = Number(bound).to_string();
            text.sample(&buckets, &[labels, &[("le", &*bound)]].concat(), count);
        }
        text.sample(&sum, labels, Number(numbers.float(self.bounds.len() + 1)));
        text.sample(&counted, labels, count);
    }
}

impl<const LABELS: usize> Metric for Histogram<LABELS> {
    fn seal(&self) -> Seal {
        Seal
    }

    fn declared(&self) -> Declared<'_> {
        Declared {
            name: self.name,
            labels: &self.table.labels,
            bounds: Some(self.bounds),
            at: self.at,
        }
    }

    fn prepare(&self) {
        self.table.prepare();
    }

    fn expose(&self, text: &mut Exposition) {
        text.family(self.name, "histogram", self.help);
        self.table.each(
            |numbers| self.count(numbers) > 0,
            |labels, numbers| self.expose_series(labels, numbers, text),
        );
    }
}

impl<const LABELS: usize> fmt::Debug for Histogram<LABELS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_that_is_not_less_and_in_all_that_follow() {
        let histogram = Histogram::labelled("h", "H.", &[-1.0, 0.5, 2.0], [("a", &["x"])]);
        for value in [-5.0, -1.0, 0.5, 0.6, 2.0, 2.1, f64::NAN] {
            histogram.observe_for(["x"], value);
        }
        histogram.observe_for(["y"], 1.0);
        let mut text = Exposition::default();
        histogram.expose(&mut text);
        let expected = "\
            # HELP h H.\n# TYPE h histogram\n\
            h_bucket{a=\"x\",le=\"-1\"} 2\nh_bucket{a=\"x\",le=\"0.5\"} 3\nh_bucket{a=\"x\",le=\"2\"} 5\n\
            h_bucket{a=\"x\",le=\"+Inf\"} 6\nh_sum{a=\"x\"} -0.8000000000000003\nh_count{a=\"x\"} 6\n\
            h_bucket{a=\"other\",le=\"-1\"} 0\nh_bucket{a=\"other\",le=\"0.5\"} 0\nh_bucket{a=\"other\",le=\"2\"} 1\n\
            h_bucket{a=\"other\",le=\"+Inf\"} 1\nh_sum{a=\"other\"} 1\nh_count{a=\"other\"} 1\n";
        assert_eq!(text.into_text(), expected);
    }
}
