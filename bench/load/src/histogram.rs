//! Latencies, counted in buckets that are at most 3 % wide.

use std::time::Duration;

use serde::Serialize;

/// Buckets for each power of two.
const STEPS: u64 = 32;
const CLASSES: usize = (64 * STEPS) as usize;

pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

/// What the table shows of a histogram, in microseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) requests: u64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram {
            counts: vec![0; CLASSES],
            total: 0,
            max: 0,
        }
    }

    /// Counts `requests` that took this long.
    pub(crate) fn add(&mut self, took: Duration, requests: u64) {
        let nanoseconds = took.as_nanos() as u64;
        self.counts[class(nanoseconds)] += requests;
        self.total += requests;
        self.max = self.max.max(nanoseconds);
    }

    /// Adds another histogram.
    pub(crate) fn add_all(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    pub(crate) fn latency(&self) -> Latency {
        let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
        Latency {
            requests: self.total,
            p50: microseconds(self.quantile(0.5)),
            p99: microseconds(self.quantile(0.99)),
            p999: microseconds(self.quantile(0.999)),
            max: microseconds(self.max),
        }
    }

    /// Returns the time within which that part of the requests had their responses.
    fn quantile(&self, part: f64) -> u64 {
        let wanted = (self.total as f64 * part).ceil() as u64;
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return upper_end(class).min(self.max);
            }
        }
        self.max
    }
}

/// Below `STEPS`, each value has a bucket; above, each power of two has `STEPS`.
fn class(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let exponent = u64::from(value.ilog2());
    let step = (value >> (exponent - 5)) - STEPS;
    ((exponent - 4) * STEPS + step) as usize
}

/// Returns the largest value of a bucket.
fn upper_end(class: usize) -> u64 {
    let class = class as u64;
    if class < STEPS {
        return class;
    }
    let (exponent, step) = (class / STEPS + 4, class % STEPS);
    ((STEPS + step + 1) << (exponent - 5)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_ends_where_the_next_begins() {
        for value in [0, 1, 31, 32, 33, 63, 64, 1000, 123_456_789, 1 << 40] {
            let end = upper_end(class(value));
            assert!(end >= value && end <= value + value / 31, "{value}: {end}");
            assert_eq!(class(end), class(value));
            assert_eq!(class(end + 1), class(value) + 1);
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_added() {
        let mut histogram = Histogram::new();
        for milliseconds in 1..=1000 {
            histogram.add(Duration::from_millis(milliseconds), 1);
        }
        let latency = histogram.latency();
        let about = |found: f64, expected: f64| found >= expected && found <= expected * 1.04;
        assert!(about(latency.p50, 500_000.0), "{latency:?}");
        assert!(about(latency.p99, 990_000.0), "{latency:?}");
        assert!(about(latency.p999, 999_000.0), "{latency:?}");
        assert_eq!((latency.max, latency.requests), (1_000_000.0, 1000));
    }

    #[test]
    fn two_together_are_as_if_all_had_been_added_to_one() {
        let (mut one, mut other, mut both) = (Histogram::new(), Histogram::new(), Histogram::new());
        for milliseconds in 1..=1000 {
            let part = if milliseconds % 10 == 0 { &mut other } else { &mut one };
            part.add(Duration::from_millis(milliseconds), 2);
            both.add(Duration::from_millis(milliseconds), 2);
        }
        one.add_all(&other);
        assert_eq!(format!("{:?}", one.latency()), format!("{:?}", both.latency()));
        assert_eq!(one.latency().requests, 2000);
    }

    #[test]
    fn nothing_added_is_nothing() {
        assert_eq!(Histogram::new().latency().p99, 0.0);
    }
}
