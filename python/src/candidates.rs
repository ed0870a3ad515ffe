//! Which of many expressions may match a path, found in one look at it.

use pyo3::prelude::*;
use regex::{RegexSet, RegexSetBuilder};

/// Expressions that each match more than an expression of Python's: see `hansel._candidates`.
#[pyclass(frozen)]
pub(crate) struct Candidates {
    /// `None` if they are too many: then each is a candidate.
    set: Option<RegexSet>,
    count: usize,
}

#[pymethods]
impl Candidates {
    /// An expression that can't be compiled here is replaced by one that matches everything: Python decides alone.
    #[new]
    fn new(expressions: Vec<String>) -> Candidates {
        let compiled = |expression: &String| RegexSet::new([anchored(expression)]).is_ok();
        let anchored = expressions.iter().map(|expression| match compiled(expression) {
            true => anchored(expression),
            false => String::new(),
        });
        Candidates {
            set: RegexSetBuilder::new(anchored).size_limit(MOST_MEMORY).build().ok(),
            count: expressions.len(),
        }
    }

    /// Returns the numbers of those that match, in order.
    fn of(&self, path: &str) -> Vec<usize> {
        match &self.set {
            Some(set) => set.matches(path).into_iter().collect(),
            None => (0..self.count).collect(),
        }
    }
}

/// The expressions are the program's own, so this is a bound on mistakes.
const MOST_MEMORY: usize = 100 << 20;

/// Python matches from the beginning of the path.
fn anchored(expression: &str) -> String {
    format!("\\A(?:{expression})")
}
