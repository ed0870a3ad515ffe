//! `docs/seeds.md` names a test for each line of the seeds' documents. Each of these tests exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const FILE: &str = "docs/seeds.md";

/// What the table has to speak of, whatever else it says.
const SECTIONS: [&str; 4] = [
    "picohttp",
    "simpledispatch",
    "web.dispatch.resource",
    "The WSGI regex dispatcher",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tests that a text names, as `path/of/file.rs::name`.
fn named(text: &str) -> BTreeSet<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|quoted| quoted.split_once(".rs::").map(|_| quoted.split_once("::").unwrap()))
        .collect()
}

#[test]
fn every_test_that_is_named_exists() {
    let table = fs::read_to_string(root().join(FILE)).unwrap();
    let tests = named(&table);
    assert!(tests.len() > 30, "only {} tests are named", tests.len());
    for (file, test) in tests {
        let source = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let declared = source.find(&format!("fn {test}("));
        let before = declared.map(|place| source[..place].rsplit("\n\n").next().unwrap_or(""));
        // A property is a test as well, within `proptest!`.
        let is_test = before.is_some_and(|before| before.contains("#[test]"));
        assert!(is_test, "{FILE} names {file}::{test}, which is no test");
    }
}

#[test]
fn every_line_of_every_table_names_one() {
    let table = fs::read_to_string(root().join(FILE)).unwrap();
    for section in SECTIONS {
        let start = table
            .find(&format!("\n## {section}\n"))
            .unwrap_or_else(|| panic!("there is no section {section}"));
        let text = &table[start + 4..];
        let text = &text[..text.find("\n## ").unwrap_or(text.len())];
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).skip(2).collect();
        assert!(rows.len() >= 8, "{section} has {} lines", rows.len());
        for row in rows {
            assert!(!named(row).is_empty(), "{section}: no test in {row}");
        }
    }
}
