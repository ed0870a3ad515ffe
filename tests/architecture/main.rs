//! The rules of the project that a machine can check: who must not import whom, and what files may contain.

mod guide;
mod imports;
mod links;
mod parts;
mod rooms;

use std::fs;
use std::path::{Path, PathBuf};

use imports::Imports;

/// A part of the house, what nothing in it may name, and why.
const NEVER: &[(&str, &[&str], &str)] = &[
    (
        "proto/src",
        &[
            "Tcp",
            "Udp",
            "std::thread",
            "std::time",
            "std::fs",
            "std::io",
            "log::",
            "unsafe ",
        ],
        "the protocol knows no socket, thread, clock, file or log",
    ),
    (
        "src/request",
        &["crate::server", "crate::dispatch", "crate::exchange"],
        "the vocabulary knows neither dispatch nor server",
    ),
    (
        "src/response",
        &["crate::server", "crate::dispatch", "crate::exchange"],
        "the vocabulary knows neither dispatch nor server",
    ),
    (
        "src/pace.rs",
        &["crate::"],
        "the pace of endpoints is known to all and knows nobody",
    ),
    (
        "src/server",
        &["crate::dispatch", "crate::app"],
        "the server knows only `Application`",
    ),
    (
        "src/page",
        &["crate::server", "crate::exchange", "hansel_proto", "crate::app"],
        "the development page knows what dispatch tells it",
    ),
    (
        "src/dispatch",
        &[
            "crate::server",
            "crate::exchange",
            "hansel_proto",
            "crate::app",
            "crate::page",
        ],
        "dispatch never imports the server, nor the protocol, nor what joins them",
    ),
    (
        "src/dispatch/routes",
        &[
            "super::methods",
            "super::resource",
            "dispatch::methods",
            "dispatch::resource",
        ],
        "styles never import each other: they meet as `Dispatch`",
    ),
    (
        "src/dispatch/methods.rs",
        &["super::routes", "super::resource"],
        "styles never import each other: they meet as `Dispatch`",
    ),
    (
        "src/dispatch/resource.rs",
        &["super::routes", "super::methods"],
        "styles never import each other: they meet as `Dispatch`",
    ),
    (
        "src/operations",
        &["crate::server", "crate::dispatch", "crate::exchange", "mio"],
        "what is told of requests is told by the server",
    ),
    (
        "src/exchange",
        &["crate::server", "crate::dispatch", "mio", "std::net", "std::thread"],
        "an exchange knows neither sockets nor threads",
    ),
];

#[test]
fn nobody_knows_whom_he_must_not() {
    for (place, names, rule) in NEVER {
        for file in sources(place) {
            for (number, line) in code(&file).lines().enumerate() {
                let line = line.split("//").next().unwrap_or("");
                let named = names.iter().find(|name| line.contains(*name));
                assert!(named.is_none(), "{}:{}: {named:?}: {rule}", file.display(), number + 1);
            }
        }
    }
}

/// What only these files may name, and why.
const ONLY: &[(&[&str], &[&str], &str)] = &[
    (
        &["src/report.rs"],
        &[
            "log::error!",
            "log::warn!",
            "log::info!",
            "log::debug!",
            "log::trace!",
            "log::log!",
            "log::logger(",
            "println!",
            "print!(",
            "stderr()",
            "stdout()",
        ],
        "what is told goes through `report`, where it can't end what it tells of",
    ),
    (
        &[
            "src/threads.rs",
            "src/report.rs",
            "src/tower/pool.rs",
            "src/test/stream.rs",
            "src/test/upgraded.rs",
            "src/server/threads/models/",
        ],
        &[
            "thread::spawn",
            "Builder::new().name",
            "thread::Builder",
            "thread::scope",
        ],
        "a thread that panics ends the process, or is contained: `threads` sees to it",
    ),
    (
        &[
            "src/panics.rs",
            "src/page/panics.rs",
            "src/test/conversation.rs",
            "src/test/stream.rs",
        ],
        &["catch_unwind"],
        "a panic is contained together with what it carries",
    ),
    (
        &["src/deadline.rs"],
        &[
            "now() + ",
            "now + ",
            "start + self.",
            "checked_add(Duration",
            "since + ",
        ],
        "a time is added to a moment by `deadline::after`, which can't overflow",
    ),
];

#[test]
fn only_those_do_it_who_do_it_right() {
    for (places, names, rule) in ONLY {
        for file in sources("src") {
            if places.iter().any(|place| file.starts_with(root().join(place))) {
                continue;
            }
            for (number, line) in code(&file).lines().enumerate() {
                // Examples and comments may.
                let line = line.split("//").next().unwrap_or("");
                let named = names.iter().find(|name| line.contains(*name));
                assert!(named.is_none(), "{}:{}: {named:?}: {rule}", file.display(), number + 1);
            }
        }
    }
}

#[test]
fn no_file_imports_one_that_imports_it() {
    for crate_root in ["proto/src", "src"] {
        let imports = Imports::of(crate_root);
        let circles = imports.circles();
        assert!(circles.is_empty(), "{circles:#?}");
    }
}

#[test]
fn unsafe_code_is_forbidden_for_the_whole_workspace() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    for package in ["proto/Cargo.toml", "demo/Cargo.toml", "Cargo.toml"] {
        let manifest = fs::read_to_string(root().join(package)).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{package} has lints of its own"
        );
    }
}

#[test]
fn names_are_the_standard_terms_of_the_field() {
    const DECLARING: [&str; 6] = ["fn", "struct", "enum", "trait", "mod", "type"];
    const BANNED: [&str; 4] = ["manager", "helper", "util", "info"];
    for file in all_sources() {
        let text = code(&file);
        let words: Vec<_> = text.split_whitespace().collect();
        for declared in words.windows(2) {
            let [keyword, name] = declared else { continue };
            let is_banned = name.starts_with("get_") || parts(name).iter().any(|part| BANNED.contains(&part.as_str()));
            let is_declared = DECLARING.contains(keyword);
            assert!(!(is_declared && is_banned), "{}: `{keyword} {name}`", file.display());
        }
    }
}

#[test]
fn documents_name_files_that_exist() {
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/design.md",
    ];
    let chapters = guide::chapters()
        .into_iter()
        .map(|chapter| format!("docs/guide/{chapter}"));
    for document in documents.map(str::to_owned).into_iter().chain(chapters) {
        let text = fs::read_to_string(root().join(&document)).unwrap();
        for quoted in text.split('`').skip(1).step_by(2) {
            let is_path = quoted.contains('/') && quoted.ends_with(".rs");
            assert!(
                !is_path || root().join(quoted).exists(),
                "{document} names `{quoted}`, which does not exist"
            );
        }
    }
}

#[test]
fn every_promise_of_security_names_tests_that_exist() {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.ends_with("| shown by |"));
    let mut proofs = 0;
    for row in rows {
        let shown_by = row.rsplit('|').nth(1).unwrap();
        let mut file = String::new();
        let mut tests = 0;
        for quoted in shown_by.split('`').skip(1).step_by(2) {
            if quoted.ends_with(".rs") {
                file = fs::read_to_string(root().join(quoted)).unwrap_or_else(|error| panic!("{quoted}: {error}"));
                continue;
            }
            let test = format!("fn {quoted}(");
            let place = file
                .find(&test)
                .unwrap_or_else(|| panic!("no test `{quoted}`, named in {row}"));
            // Its attribute, or that of the properties it is among.
            assert!(file[..place].contains("#[test]"), "{quoted} is no test");
            tests += 1;
        }
        assert!(tests > 0, "not shown by anything: {row}");
        proofs += tests;
    }
    assert!(proofs > 50, "{proofs}");
}

#[test]
fn the_limits_that_security_promises_are_the_defaults() {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let limits = hansel::Limits::default().to_string();
    assert!(text.contains(&format!("```text\n{limits}\n```")), "{limits}");
}

/// The words of a name: `take_up` and `TakeUp` have the same two.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for letter in name.chars() {
        if !letter.is_alphanumeric() || letter.is_uppercase() {
            parts.push(String::new());
        }
        if let (true, Some(part)) = (letter.is_alphanumeric(), parts.last_mut()) {
            part.extend(letter.to_lowercase());
        }
    }
    parts
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn all_sources() -> Vec<PathBuf> {
    ["src", "proto/src", "demo/src"].into_iter().flat_map(sources).collect()
}

/// The Rust files below `place`, which may be a file itself.
fn sources(place: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut places = vec![root().join(place)];
    while let Some(place) = places.pop() {
        if place.is_dir() {
            places.extend(fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()));
        } else if place.extension().is_some_and(|extension| extension == "rs") {
            found.push(place);
        }
    }
    assert!(!found.is_empty(), "nothing at {place}");
    found
}

/// Whether a file has that name, or is in a folder of that name: it contains only tests.
fn is_named_tests(file: &Path) -> bool {
    let parts = file.strip_prefix(root()).unwrap_or(file).components();
    parts
        .into_iter()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

/// What a file says before its tests.
fn code(file: &Path) -> String {
    if is_named_tests(file) {
        return String::new();
    }
    let text = fs::read_to_string(file).unwrap();
    let tests = text.find("\nmod tests {").unwrap_or(text.len());
    let end = text[..tests]
        .rfind("#[cfg(")
        .filter(|at| text[*at..tests].contains("test") && !text[*at..tests].contains('\n'));
    text[..end.unwrap_or(tests)].to_owned()
}
