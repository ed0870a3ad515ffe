//! The labels of a metric, and the numbers of each combination of their values.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A label, and the values that were declared.
pub(super) type Label = (&'static str, &'static [&'static str]);

/// The value of a label for all values that were not declared.
pub(super) const OTHER: &str = "other";

/// The most series of one metric: they are all written whenever somebody reads metrics.
pub(super) const MOST_SERIES: usize = 1000;

/// The numbers of each series of a metric: some for each combination of its labels' values.
pub(super) struct Table<const LABELS: usize> {
    pub(super) labels: [Label; LABELS],
    /// The numbers of one series.
    width: usize,
    /// Created when it is first used, because a `static` can't allocate.
    numbers: OnceLock<Box<[Line]>>,
}

/// Numbers on a cache line of their own, so that those who record in different series do not disturb each other.
#[derive(Default)]
#[repr(align(64))]
struct Line([AtomicU64; Line::NUMBERS]);

impl Line {
    const NUMBERS: usize = 8;
}

/// The numbers of one series.
#[derive(Clone, Copy)]
pub(super) struct Numbers<'t>(&'t [Line]);

impl Numbers<'_> {
    pub(super) fn add(&self, index: usize, n: u64) {
        if let Some(number) = self.number(index) {
            number.fetch_add(n, Relaxed);
        }
    }

    pub(super) fn get(&self, index: usize) -> u64 {
        self.number(index).map_or(0, |number| number.load(Relaxed))
    }

    /// Sets a number that is kept as the bits of an `f64`.
    pub(super) fn set_float(&self, index: usize, value: f64) {
        if let Some(number) = self.number(index) {
            number.store(value.to_bits(), Relaxed);
        }
    }

    /// Adds to a number that is kept as the bits of an `f64`. Whoever is disturbed by another tries again.
    pub(super) fn add_float(&self, index: usize, value: f64) {
        if let Some(number) = self.number(index) {
            let more = |bits| Some((f64::from_bits(bits) + value).to_bits());
            let _ = number.fetch_update(Relaxed, Relaxed, more);
        }
    }

    pub(super) fn float(&self, index: usize) -> f64 {
        f64::from_bits(self.get(index))
    }

    fn number(&self, index: usize) -> Option<&AtomicU64> {
        self.0.get(index / Line::NUMBERS)?.0.get(index % Line::NUMBERS)
    }
}

impl<const LABELS: usize> Table<LABELS> {
    pub(super) const fn new(labels: [Label; LABELS], width: usize) -> Table<LABELS> {
        Table {
            labels,
            width,
            numbers: OnceLock::new(),
        }
    }

    /// Returns the numbers of the series with these values.
    pub(super) fn of(&self, values: [&str; LABELS]) -> Numbers<'_> {
        let mut series = 0;
        for ((_, declared), value) in self.labels.iter().zip(values) {
            let index = declared.iter().position(|known| *known == value);
            series = usize::saturating_mul(series, declared.len() + 1).saturating_add(index.unwrap_or(declared.len()));
        }
        self.at(series)
    }

    /// Calls `with` for each series whose values were all declared, and for those others that `is_used`.
    pub(super) fn each(
        &self,
        is_used: impl Fn(Numbers<'_>) -> bool,
        mut with: impl FnMut(&[(&str, &str)], Numbers<'_>),
    ) {
        for series in 0..self.series() {
            let (mut rest, mut is_declared) = (series, true);
            let mut labels = [("", ""); LABELS];
            for (place, (name, declared)) in labels.iter_mut().zip(&self.labels).rev() {
                let value = declared.get(rest % (declared.len() + 1));
                rest /= declared.len() + 1;
                is_declared &= value.is_some();
                *place = (name, value.copied().unwrap_or(OTHER));
            }
            let numbers = self.at(series);
            if is_declared || is_used(numbers) {
                with(&labels, numbers);
            }
        }
    }

    /// Creates the numbers.
    pub(super) fn prepare(&self) {
        self.at(0);
    }

    /// Returns how many series there are. A metric with more than are kept can't be added, and keeps only so many.
    fn series(&self) -> usize {
        let each = self.labels.iter().map(|(_, declared)| declared.len() + 1);
        each.fold(1, usize::saturating_mul).min(MOST_SERIES)
    }

    fn at(&self, series: usize) -> Numbers<'_> {
        let lines = self.width.div_ceil(Line::NUMBERS);
        let all = self
            .numbers
            .get_or_init(|| (0..self.series() * lines).map(|_| Line::default()).collect());
        let start = series.saturating_mul(lines);
        Numbers(all.get(start..start.saturating_add(lines)).unwrap_or(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_combination_has_numbers_of_its_own_and_what_was_not_declared_shares_some() {
        let table: Table<2> = Table::new([("a", &["x", "y"]), ("b", &["z"])], 1);
        for (n, values) in [["x", "z"], ["y", "z"], ["x", "?"], ["x", "!"], ["?", "z"], ["?", "?"]]
            .into_iter()
            .enumerate()
        {
            table.of(values).add(0, 1 << n);
        }
        let mut seen = Vec::new();
        let show = |labels: &[(&str, &str)], numbers: Numbers<'_>| {
            seen.push((labels[0].1.to_owned(), labels[1].1.to_owned(), numbers.get(0)));
        };
        table.each(|numbers| numbers.get(0) > 0, show);
        let seen: Vec<_> = seen.iter().map(|(a, b, n)| (&**a, &**b, *n)).collect();
        assert_eq!(
            seen,
            [
                ("x", "z", 1),
                ("x", OTHER, 12),
                ("y", "z", 2),
                (OTHER, "z", 16),
                (OTHER, OTHER, 32)
            ]
        );
    }

    #[test]
    fn floats_are_added_by_many_and_none_is_lost() {
        let table: Table<0> = Table::new([], 9);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| table.of([]).add_float(8, 0.5)));
            }
        });
        assert_eq!(table.of([]).float(8), 2000.0);
        assert_eq!(table.of([]).get(7), 0);
    }
}
