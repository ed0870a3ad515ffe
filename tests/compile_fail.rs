//! Compiler messages for invalid handlers: they name the argument, and say what would work.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What is to be found in the message for each mistake.
const SAID: [(&str, &[&str]); 9] = [
    (
        "argument",
        &[
            "`Person` can't be an argument of a handler",
            "hansel::from_segment!(Person);",
            "implement `hansel::FromRequest`",
        ],
    ),
    (
        "response",
        &["`Person` can't be a response", "hansel::IntoResponse", "hansel::Json"],
    ),
    ("dispatcher", &["`Routes` can't be a handler", ".mount(\"/path\", ..)"]),
    (
        "resource",
        &[
            "`Weather` can't be an argument of a handler",
            "hansel::from_segment!(Weather);",
        ],
    ),
    ("sealed", &["not all trait items implemented, missing: `SEAL`"]),
    (
        "borrows",
        &[
            "the response of this handler borrows from its arguments",
            "return an owned value: `String` instead of `&str`",
            "its response is `hansel::IntoResponse` and borrows from none of them",
            "must not borrow from the request: return `String` instead of `&str`",
            "its response must not borrow from them: return `String` instead of `&str`",
        ],
    ),
    (
        "asynchronous",
        &[
            "`impl Future<Output = &'static str>` can't be a response",
            "if it is a future: a handler is not `async`, it may block",
            "a handler is not `async`, it may block",
        ],
    ),
    (
        "closure",
        &[
            "consider giving this closure parameter an explicit type",
            "`hansel::Request` can't be an argument of a handler",
            "expected `&hansel::Request`, found `hansel::Request`",
        ],
    ),
    (
        "all_features/json",
        &[
            "`Json<Person>` can't be an argument of a handler",
            "its `T` needs `#[derive(serde::Deserialize)]`",
            "consider adding `#[derive(serde::Serialize)]` to your `Person` type",
        ],
    ),
];

/// The compiler that wrote the messages that are kept beside the mistakes. Others word some things
/// differently, so the whole messages are compared with this one's only.
///
/// To write them anew: `TRYBUILD=overwrite cargo test --test compile_fail`.
const WRITTEN_BY: &str = "rustc 1.95.";

#[test]
#[cfg_attr(
    any(not(all(feature = "query", feature = "form", feature = "json")), feature = "tower"),
    ignore = "the messages are those of the default features"
)]
fn mistakes_are_shown_as_they_are_kept() {
    compare("tests/compile_fail/*.rs");
}

#[test]
#[cfg_attr(
    not(all(feature = "query", feature = "form", feature = "json", feature = "tower")),
    ignore = "the messages are those of all features"
)]
fn mistakes_with_features_are_shown_as_they_are_kept() {
    compare("tests/compile_fail/all_features/*.rs");
}

fn compare(mistakes: &str) {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler).arg("--version").output().unwrap().stdout;
    if !version.starts_with(WRITTEN_BY.as_bytes()) {
        println!("not compared: this is {}", String::from_utf8_lossy(&version));
        return;
    }
    trybuild::TestCases::new().compile_fail(mistakes);
}

#[test]
fn messages_name_the_culprit_and_say_what_would_do() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail");
    for (mistake, said) in SAID {
        let message = fs::read_to_string(folder.join(format!("{mistake}.stderr"))).unwrap();
        for said in said {
            assert!(message.contains(said), "{mistake}: {message}");
        }
    }
    let kept = |folder| {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_file()).count()
    };
    assert_eq!(
        kept(folder.join("all_features")) + kept(folder),
        2 * SAID.len(),
        "each mistake has its message, and is among those above"
    );
}
