//! Gauges: numbers that are set, and numbers that are asked for.

use std::fmt;
use std::panic::Location;

use super::labels::Table;
use super::{Declared, Metric};
use crate::operations::{Exposition, Number};
use crate::panics::contain;
use crate::report;
use crate::sealed::Seal;

/// A number that goes up and down, such as the guests in a house: see [`Metrics`](super::Metrics). It begins with 0.
///
/// `LABELS` is the number of its labels.
///
/// ```
/// use hansel::Gauge;
///
/// static GUESTS: Gauge = Gauge::new("guests", "Guests in the house.");
///
/// GUESTS.set(2.0);
/// GUESTS.add(-1.0);
/// ```
pub struct Gauge<const LABELS: usize = 0> {
    name: &'static str,
    help: &'static str,
    table: Table<LABELS>,
    at: &'static Location<'static>,
}

impl Gauge {
    /// Creates a gauge without labels.
    #[track_caller]
    pub const fn new(name: &'static str, help: &'static str) -> Gauge {
        Gauge::labelled(name, help, [])
    }

    /// Sets it.
    pub fn set(&self, value: f64) {
        self.set_for([], value);
    }

    /// Adds `value`, which may be negative.
    pub fn add(&self, value: f64) {
        self.add_for([], value);
    }
}

impl<const LABELS: usize> Gauge<LABELS> {
    /// Creates a gauge with labels, each with the values that it may have.
    #[track_caller]
    pub const fn labelled(
        name: &'static str,
        help: &'static str,
        labels: [(&'static str, &'static [&'static str]); LABELS],
    ) -> Gauge<LABELS> {
        Gauge {
            name,
            help,
            table: Table::new(labels, 1),
            at: Location::caller(),
        }
    }

    /// Sets it for these values of its labels, in their order. Values that were not declared count as `other`.
    pub fn set_for(&self, values: [&str; LABELS], value: f64) {
        self.table.of(values).set_float(0, value);
    }

    /// Adds `value` for these values of its labels, likewise.
    pub fn add_for(&self, values: [&str; LABELS], value: f64) {
        self.table.of(values).add_float(0, value);
    }
}

impl<const LABELS: usize> Metric for Gauge<LABELS> {
    fn seal(&self) -> Seal {
        Seal
    }

    fn declared(&self) -> Declared<'_> {
        Declared {
            name: self.name,
            labels: &self.table.labels,
            bounds: None,
            at: self.at,
        }
    }

    fn prepare(&self) {
        self.table.prepare();
    }

    fn expose(&self, text: &mut Exposition) {
        text.family(self.name, "gauge", self.help);
        self.table.each(
            |numbers| numbers.float(0) != 0.0,
            |labels, numbers| text.sample(self.name, labels, Number(numbers.float(0))),
        );
    }
}

impl<const LABELS: usize> fmt::Debug for Gauge<LABELS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauge")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A gauge whose value is asked for when somebody reads it, such as the length of a queue: see
/// [`Metrics`](super::Metrics).
///
/// On `/metrics` of a [`Server`](crate::Server) an event loop asks, which others wait for: the function must be quick, and
/// never wait. Read an atomic number, or try a lock and return `f64::NAN` if it is taken. If the function panics, the
/// value is missing and the log says so.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use hansel::{GaugeFn, Metrics};
///
/// let queue = Arc::new(Mutex::new(vec!["one", "two"]));
/// let asked = Arc::clone(&queue);
/// let length = GaugeFn::new("queue_length", "Orders that wait.", move || {
///     asked.try_lock().map_or(f64::NAN, |queue| queue.len() as f64)
/// });
/// assert!(Metrics::new().with(length).to_string().ends_with("queue_length 2\n"));
/// ```
pub struct GaugeFn {
    name: &'static str,
    help: &'static str,
    value: Box<dyn Fn() -> f64 + Send + Sync>,
    at: &'static Location<'static>,
}

impl GaugeFn {
    /// Creates a gauge that has the value that `value` returns.
    #[track_caller]
    pub fn new(name: &'static str, help: &'static str, value: impl Fn() -> f64 + Send + Sync + 'static) -> GaugeFn {
        GaugeFn {
            name,
            help,
            value: Box::new(value),
            at: Location::caller(),
        }
    }
}

impl Metric for GaugeFn {
    fn seal(&self) -> Seal {
        Seal
    }

    fn declared(&self) -> Declared<'_> {
        Declared {
            name: self.name,
            labels: &[],
            bounds: None,
            at: self.at,
        }
    }

    fn expose(&self, text: &mut Exposition) {
        text.family(self.name, "gauge", self.help);
        match contain(|| (self.value)()) {
            Ok(value) => text.sample(self.name, &[], Number(value)),
            Err(panic) => report::error!("the function of the metric `{}` panicked: {panic}", self.name),
        }
    }
}

impl fmt::Debug for GaugeFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GaugeFn")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
