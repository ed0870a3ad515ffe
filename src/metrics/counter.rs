//! Counters.

use std::fmt;
use std::panic::Location;

use super::labels::{Label, Table};
use super::{Declared, Metric};
use crate::operations::Exposition;
use crate::sealed::Seal;

/// A number that only grows, such as orders: see [`Metrics`](super::Metrics). Its name should end in `_total`.
///
/// `LABELS` is the number of its labels.
///
/// ```
/// use hansel::Counter;
///
/// static ORDERS: Counter = Counter::new("orders_total", "Orders that were accepted.");
/// static PAYMENTS: Counter<2> = Counter::labelled(
///     "payments_total",
///     "Payments.",
///     [("method", &["card", "cash"]), ("outcome", &["accepted", "refused"])],
/// );
///
/// ORDERS.add(1);
/// PAYMENTS.add_for(["card", "refused"], 1);
/// PAYMENTS.add_for(["shells", "refused"], 1); // counted for the method `other`
/// ```
pub struct Counter<const LABELS: usize = 0> {
    name: &'static str,
    help: &'static str,
    table: Table<LABELS>,
    at: &'static Location<'static>,
}

impl Counter {
    /// Creates a counter without labels.
    #[track_caller]
    pub const fn new(name: &'static str, help: &'static str) -> Counter {
        Counter::labelled(name, help, [])
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.add_for([], n);
    }
}

impl<const LABELS: usize> Counter<LABELS> {
    /// Creates a counter with labels, each with the values that it may have.
    #[track_caller]
    pub const fn labelled(
        name: &'static str,
        help: &'static str,
        labels: [(&'static str, &'static [&'static str]); LABELS],
    ) -> Counter<LABELS> {
        Counter {
            name,
            help,
            table: Table::new(labels, 1),
            at: Location::caller(),
        }
    }

    /// Adds `n` for these values of its labels, in their order. Values that were not declared count as `other`.
    pub fn add_for(&self, values: [&str; LABELS], n: u64) {
        self.table.of(values).add(0, n);
    }
}

impl<const LABELS: usize> Metric for Counter<LABELS> {
    fn seal(&self) -> Seal {
        Seal
    }

    fn declared(&self) -> Declared<'_> {
        let labels: &[Label] = &self.table.labels;
        Declared {
            name: self.name,
            labels,
            bounds: None,
            at: self.at,
        }
    }

    fn prepare(&self) {
        self.table.prepare();
    }

    fn expose(&self, text: &mut Exposition) {
        text.family(self.name, "counter", self.help);
        self.table.each(
            |numbers| numbers.get(0) > 0,
            |labels, numbers| text.sample(self.name, labels, numbers.get(0)),
        );
    }
}

impl<const LABELS: usize> fmt::Debug for Counter<LABELS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
