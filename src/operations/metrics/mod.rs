//! Counters of requests, for Prometheus.
//!
//! Each loop has its own counters, so that a request touches no memory that another core writes. The labels are
//! bounded: patterns that were registered, known methods, classes of status.

mod exposition;

use crate::lock::lock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

pub(crate) use exposition::{Exposition, Number};

/// The number of endpoints that have counters of their own; later ones share one.
const TOLD_APART: usize = 256;

/// The label of requests that reached no endpoint, or one without a pattern.
const NONE: &str = "-";
const OTHER: &str = "other";

const METHODS: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", OTHER,
];

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The upper bounds of the buckets of durations, in nanoseconds and as Prometheus writes them.
const BOUNDS: [(u64, &str); 16] = [
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
];

/// Counts requests. The server knows only this trait, so the linker drops metrics from programs without them.
pub(crate) trait Count: Send + Sync {
    /// Counts a response on loop `index`.
    fn count(&self, places: &mut Places, index: usize, labels: Labels<'_>, took: Duration);
    /// Writes all counters.
    fn expose(&self, text: &mut Exposition);
}

/// Endpoint, method and status of a response.
type Labels<'a> = (&'a str, &'a str, u16);

/// The counters of all requests of a server.
pub(crate) struct Metrics {
    /// The endpoints that were seen, at the indices of their series.
    endpoints: Mutex<Vec<Box<str>>>,
    /// By loop, then by endpoint.
    loops: Vec<Vec<OnceLock<Box<Series>>>>,
}

/// The counts of one loop for one endpoint, on their own cache lines.
#[derive(Default)]
#[repr(align(64))]
struct Series {
    responses: [[AtomicU64; CLASSES.len()]; METHODS.len()],
    durations: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Metrics {
    pub(crate) fn new(loops: usize) -> Metrics {
        let series = || (0..TOLD_APART).map(|_| OnceLock::new()).collect();
        Metrics {
            endpoints: Mutex::new(vec![NONE.into(), OTHER.into()]),
            loops: (0..loops).map(|_| series()).collect(),
        }
    }

    /// Returns the index of the counters of an endpoint.
    fn index_of(&self, endpoint: &str) -> usize {
        const AMONG_OTHERS: usize = 1;
        let mut endpoints = lock(&self.endpoints);
        if let Some(index) = endpoints.iter().position(|known| **known == *endpoint) {
            return index;
        }
        if endpoints.len() >= TOLD_APART {
            return AMONG_OTHERS;
        }
        endpoints.push(endpoint.into());
        endpoints.len() - 1
    }

    fn expose_all(&self, text: &mut Exposition) {
        let endpoints = lock(&self.endpoints).clone();
        let totals: Vec<(&str, Series)> = endpoints
            .iter()
            .enumerate()
            .map(|(index, endpoint)| (&**endpoint, self.total(index)))
            .filter(|(_, series)| series.count() > 0)
            .collect();
        text.family("hansel_requests_total", "counter", "Responses of the application.");
        for (endpoint, series) in &totals {
            for (method, classes) in METHODS.iter().zip(&series.responses) {
                for (class, count) in CLASSES.iter().zip(classes) {
                    let count = count.load(Relaxed);
                    if count > 0 {
                        let labels = [("endpoint", *endpoint), ("method", method), ("status", class)];
                        text.sample("hansel_requests_total", &labels, count);
                    }
                }
            }
        }
        text.family(
            "hansel_request_duration_seconds",
            "histogram",
            "From the moment a request was whole until its response was made, or sent if it is a stream.",
        );
        for (endpoint, series) in &totals {
            series.expose_durations(endpoint, text);
        }
    }

    /// Returns the sum over all loops.
    fn total(&self, index: usize) -> Series {
        let total = Series::default();
        for series in self.loops.iter().filter_map(|of_loop| of_loop.get(index)?.get()) {
            for (sum, counter) in total.counters().zip(series.counters()) {
                sum.fetch_add(counter.load(Relaxed), Relaxed);
            }
        }
        total
    }
}

impl Series {
    fn counters(&self) -> impl Iterator<Item = &AtomicU64> {
        let responses = self.responses.iter().flatten();
        responses.chain(&self.durations).chain([&self.nanoseconds])
    }

    fn count(&self) -> u64 {
        self.durations.iter().map(|count| count.load(Relaxed)).sum()
    }

    fn expose_durations(&self, endpoint: &str, text: &mut Exposition) {
        let mut count = 0;
        let bounds = BOUNDS.iter().map(|(_, name)| *name).chain(["+Inf"]);
        for (bound, bucket) in bounds.zip(&self.durations) {
            count += bucket.load(Relaxed);
            let labels = [("endpoint", endpoint), ("le", bound)];
            text.sample("hansel_request_duration_seconds_bucket", &labels, count);
        }
        let labels = [("endpoint", endpoint)];
        let seconds = Duration::from_nanos(self.nanoseconds.load(Relaxed)).as_secs_f64();
        text.sample("hansel_request_duration_seconds_sum", &labels, seconds);
        text.sample("hansel_request_duration_seconds_count", &labels, count);
    }
}

impl Count for Metrics {
    fn count(&self, places: &mut Places, index: usize, labels: Labels<'_>, took: Duration) {
        places.count(self, index, labels, took);
    }

    fn expose(&self, text: &mut Exposition) {
        self.expose_all(text);
    }
}

/// A thread's memory of where the counters of each endpoint are, so that it needs no lock.
#[derive(Default)]
pub(crate) struct Places {
    last: (String, usize),
    /// Created when it is first needed, so programs without metrics do not link hashing.
    known: Option<HashMap<String, usize>>,
}

impl Places {
    fn count(&mut self, metrics: &Metrics, index: usize, (endpoint, method, status): Labels<'_>, took: Duration) {
        let place = self.of(endpoint, metrics);
        let Some(series) = metrics.loops.get(index).and_then(|of_loop| of_loop.get(place)) else {
            return;
        };
        let series = series.get_or_init(Box::default);
        let method = METHODS.iter().position(|known| *known == method);
        let class = usize::from((status / 100).clamp(1, 5) - 1);
        series.responses[method.unwrap_or(METHODS.len() - 1)][class].fetch_add(1, Relaxed);
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|(bound, _)| took <= *bound);
        series.durations[bucket.unwrap_or(BOUNDS.len())].fetch_add(1, Relaxed);
        series.nanoseconds.fetch_add(took, Relaxed);
    }

    fn of(&mut self, endpoint: &str, metrics: &Metrics) -> usize {
        if endpoint.is_empty() {
            return 0;
        }
        if self.last.0 != endpoint {
            let known = self.known.get_or_insert_default();
            let place = match known.get(endpoint) {
                Some(place) => *place,
                None => {
                    let place = metrics.index_of(endpoint);
                    if known.len() < 2 * TOLD_APART {
                        known.insert(endpoint.into(), place);
                    }
                    place
                }
            };
            self.last.0.clear();
            self.last.0.push_str(endpoint);
            self.last.1 = place;
        }
        self.last.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(metrics: &Metrics) -> String {
        let mut text = Exposition::default();
        metrics.expose(&mut text);
        text.into_text()
    }

    #[test]
    fn loops_count_apart_and_are_summed() {
        let metrics = Metrics::new(2);
        let mut places = [Places::default(), Places::default()];
        for (index, places) in places.iter_mut().enumerate() {
            places.count(&metrics, index, ("/a/{b}", "GET", 200), Duration::from_micros(100));
            places.count(&metrics, index, ("/a/{b}", "BREW", 418), Duration::from_secs(11));
            places.count(&metrics, index, ("", "GET", 404), Duration::ZERO);
        }
        let text = exposed(&metrics);
        for line in [
            r#"hansel_requests_total{endpoint="/a/{b}",method="GET",status="2xx"} 2"#,
            r#"hansel_requests_total{endpoint="/a/{b}",method="other",status="4xx"} 2"#,
            r#"hansel_requests_total{endpoint="-",method="GET",status="4xx"} 2"#,
            r#"hansel_request_duration_seconds_bucket{endpoint="/a/{b}",le="0.0001"} 2"#,
            r#"hansel_request_duration_seconds_bucket{endpoint="/a/{b}",le="10"} 2"#,
            r#"hansel_request_duration_seconds_bucket{endpoint="/a/{b}",le="+Inf"} 4"#,
            r#"hansel_request_duration_seconds_count{endpoint="/a/{b}"} 4"#,
            r#"hansel_request_duration_seconds_sum{endpoint="/a/{b}"} 22.0002"#,
        ] {
            assert!(text.lines().any(|exposed| exposed == line), "{line} in {text}");
        }
    }

    #[test]
    fn endpoints_without_number_share_one_label() {
        let metrics = Metrics::new(1);
        let mut places = Places::default();
        for n in 0..3 * TOLD_APART {
            places.count(&metrics, 0, (&format!("/{n}"), "GET", 200), Duration::ZERO);
        }
        let text = exposed(&metrics);
        let series = text.lines().filter(|line| line.starts_with("hansel_requests_total{"));
        assert_eq!(
            series.count(),
            TOLD_APART - 1,
            "all but the one that nobody has reached"
        );
        let others = 2 * TOLD_APART + 2;
        let line = format!(r#"hansel_requests_total{{endpoint="other",method="GET",status="2xx"}} {others}"#);
        assert!(text.contains(&line), "{line} in {text}");
    }

    #[test]
    fn bounds_are_written_as_they_are() {
        for (nanoseconds, text) in BOUNDS {
            let seconds: f64 = text.parse().unwrap();
            assert_eq!(Duration::from_nanos(nanoseconds).as_secs_f64(), seconds);
        }
    }
}
