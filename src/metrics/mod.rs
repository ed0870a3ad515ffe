//! A program's own metrics: counters, gauges and histograms, exposed for Prometheus.

mod counter;
mod gauge;
mod histogram;
mod labels;
mod names;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::operations::Exposition;
use crate::sealed::Seal;
use crate::{IntoResponse, Response};

pub use counter::Counter;
pub use gauge::{Gauge, GaugeFn};
pub use histogram::Histogram;

/// Metrics of a program, in the order in which they are added: see [`Server::metrics`](crate::Server::metrics).
///
/// ```
/// use hansel::{Counter, GaugeFn, Histogram, Metrics};
///
/// static ORDERS: Counter = Counter::new("shop_orders_total", "Orders that were accepted.");
/// static PAYMENTS: Counter<1> =
///     Counter::labelled("shop_payments_total", "Payments.", [("method", &["card", "cash"])]);
/// static SECONDS: Histogram = Histogram::new("shop_order_seconds", "Time to take an order.", Histogram::SECONDS);
///
/// ORDERS.add(1);
/// PAYMENTS.add_for(["card"], 1);
/// SECONDS.observe(0.07);
///
/// let threads = GaugeFn::new("shop_parallelism", "Processors.", || {
///     std::thread::available_parallelism().map_or(f64::NAN, |processors| processors.get() as f64)
/// });
/// let metrics = Metrics::new().with(&ORDERS).with(&PAYMENTS).with(&SECONDS).with(threads);
/// assert!(metrics.to_string().contains("shop_payments_total{method=\"card\"} 1\n"));
/// ```
///
/// Recording takes no lock and, once the metric was added, allocates nothing. No record is lost, whichever threads record. A
/// metric can be a `static`, or be shared by an [`Arc`].
///
/// Labels have the values that were declared, and `other` for all others. So no client can make metrics grow, whatever
/// becomes a label's value.
///
/// # Where they are exposed
/// [`Server::metrics`](crate::Server::metrics) adds them to `/metrics`. In tests, and where the application runs on another
/// server by [`tower`](crate#other-servers), there is no such lane; they are a response, too, so a route can expose them
/// anywhere:
///
/// ```
/// # use hansel::{Counter, Metrics, Routes, test::Client};
/// # static ORDERS: Counter = Counter::new("orders_total", "Orders.");
/// let metrics = Metrics::new().with(&ORDERS);
/// let client = Client::new(Routes::new().get("/metrics", move || metrics.clone()));
/// assert!(client.get("/metrics").text().ends_with("orders_total 0\n"));
/// ```
#[derive(Clone, Default)]
pub struct Metrics {
    all: Vec<Arc<dyn Metric>>,
}

/// A metric that can be added to [`Metrics`]: a [`Counter`], a [`Gauge`], a [`GaugeFn`] or a [`Histogram`], as a value, a
/// `&'static` reference or an [`Arc`].
///
/// This trait is sealed.
pub trait Metric: Send + Sync + 'static {
    #[doc(hidden)]
    fn seal(&self) -> Seal;

    #[doc(hidden)]
    fn declared(&self) -> Declared<'_>;

    /// Allocates what recording needs.
    #[doc(hidden)]
    fn prepare(&self) {}

    #[doc(hidden)]
    fn expose(&self, text: &mut Exposition);
}

/// The description of a metric before it is used.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Declared<'m> {
    pub(self) name: &'m str,
    pub(self) labels: &'m [labels::Label],
    /// The upper bounds of the buckets, if it is a histogram.
    pub(self) bounds: Option<&'m [f64]>,
    pub(self) at: &'static Location<'static>,
}

impl Metrics {
    /// Creates metrics without any.
    pub fn new() -> Metrics {
        Metrics::default()
    }

    /// Adds a metric.
    ///
    /// # Panics
    /// If its name, or one of its labels, is not one that Prometheus takes or belongs to hansel (`hansel_..`), if a label's
    /// values are not distinct, if its labels make more than 1,000 series, if the bounds of a histogram do not increase, or if
    /// there is a metric of that name already. The message names the line where it was declared.
    #[must_use]
    pub fn with(mut self, metric: impl Metric) -> Metrics {
        self.push(Arc::new(metric));
        self
    }

    /// Adds all of `others`.
    pub(crate) fn extend(&mut self, others: Metrics) {
        for metric in others.all {
            self.push(metric);
        }
    }

    fn push(&mut self, metric: Arc<dyn Metric>) {
        let declared = metric.declared();
        let others = self.all.iter().map(|metric| metric.declared());
        if let Err(problem) = names::check(&declared, others) {
            panic!("the metric `{}`, declared at {}, {problem}", declared.name, declared.at);
        }
        metric.prepare();
        self.all.push(metric);
    }

    /// Writes all of them.
    pub(crate) fn expose(&self, text: &mut Exposition) {
        for metric in &self.all {
            metric.expose(text);
        }
    }

    fn text(&self) -> String {
        let mut text = Exposition::default();
        self.expose(&mut text);
        text.into_text()
    }
}

/// Writes them as Prometheus reads them.
impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.all.iter().map(|metric| metric.declared().name))
            .finish()
    }
}

impl IntoResponse for Metrics {
    fn into_response(self) -> Response {
        Response::new(self.text()).with_header("Content-Type", Exposition::MEDIA_TYPE)
    }
}

impl<M: Metric + ?Sized> Metric for &'static M {
    fn seal(&self) -> Seal {
        Seal
    }

    fn declared(&self) -> Declared<'_> {
        (**self).declared()
    }

    fn prepare(&self) {
        (**self).prepare();
    }

    fn expose(&self, text: &mut Exposition) {
        (**self).expose(text);
    }
}

impl<M: Metric + ?Sized> Metric for Arc<M> {
    fn seal(&self) -> Seal {
        Seal
    }

    fn declared(&self) -> Declared<'_> {
        (**self).declared()
    }

    fn prepare(&self) {
        (**self).prepare();
    }

    fn expose(&self, text: &mut Exposition) {
        (**self).expose(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_in_the_order_in_which_they_were_added_each_with_its_family() {
        static LAST: Counter = Counter::new("a_total", "A.");
        let gauge = Arc::new(Gauge::labelled("b", "B\\ of\nall.", [("place", &["x\"y"])]));
        gauge.set_for(["x\"y"], 1.5);
        let metrics = Metrics::new()
            .with(Histogram::new("c", "C.", &[0.5]))
            .with(Arc::clone(&gauge))
            .with(GaugeFn::new("d", "D.", || 7.0))
            .with(&LAST);
        let expected = "\
            # HELP c C.\n# TYPE c histogram\nc_bucket{le=\"0.5\"} 0\nc_bucket{le=\"+Inf\"} 0\nc_sum 0\nc_count 0\n\
            # HELP b B\\\\ of\\nall.\n# TYPE b gauge\nb{place=\"x\\\"y\"} 1.5\n\
            # HELP d D.\n# TYPE d gauge\nd 7\n\
            # HELP a_total A.\n# TYPE a_total counter\na_total 0\n";
        assert_eq!(metrics.to_string(), expected);
        gauge.set_for(["x\"y"], 2.0);
        assert!(metrics.to_string().contains("b{place=\"x\\\"y\"} 2\n"), "the same one");
        assert_eq!(format!("{metrics:?}"), r#"{"c", "b", "d", "a_total"}"#);
    }

    #[test]
    fn a_function_that_panics_has_no_sample_and_the_others_have() {
        let metrics = Metrics::new()
            .with(GaugeFn::new("a", "A.", || panic!("on purpose")))
            .with(GaugeFn::new("b", "B.", || f64::INFINITY))
            .with(GaugeFn::new("c", "C.", || f64::NAN));
        let text = metrics.to_string();
        assert!(!text.contains("\na "), "{text}");
        assert!(text.contains("\nb +Inf\n") && text.contains("\nc NaN\n"), "{text}");
    }
}
