//! Parts, such as cookies or files, are written as a user would write them: they import only what users can import.
//! So each of them is an example of how to extend hansel, and whatever they need is there for everybody.

use std::collections::BTreeSet;

use super::imports::Imports;

/// The rooms that are parts.
const PARTS: &[&str] = &[
    "auth",
    "compression",
    "cookies",
    "cors.rs",
    "etags.rs",
    "files",
    "multipart",
    "rate_limit",
    "security_headers.rs",
    "sessions",
];

/// The modules that users see.
const PUBLIC: &[&str] = &["auth", "cookies", "dispatch", "multipart", "sessions", "test"];

#[test]
fn parts_import_what_users_can_import() {
    let imports = Imports::of("src");
    let problems: Vec<_> = PARTS.iter().flat_map(|part| problems(part, &imports)).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn a_part_that_imports_what_is_not_public_is_found() {
    let found = |uses: &str| {
        let lib = "pub mod dispatch;\nmod part;\nmod lock;\npub use dispatch::Routes;\npub(crate) use lock::lock;\n";
        let dispatch = "pub use walk::Walk;\npub(crate) use walk::Purpose;\n";
        let files = [
            ("lib.rs", lib),
            ("dispatch/mod.rs", dispatch),
            ("part/mod.rs", uses),
            ("test/mod.rs", ""),
        ];
        problems("part", &Imports::of_texts(&files)).len()
    };
    assert_eq!(
        found("use crate::Routes;\nuse crate::dispatch::{Walk};\nuse crate::part::own;\nuse std::fmt;\n"),
        0
    );
    for hidden in [
        "crate::lock::lock",
        "crate::lock",
        "crate::dispatch::Purpose",
        "crate::dispatch::walk::Walk",
    ] {
        assert_eq!(found(&format!("use {hidden};\n")), 1, "{hidden}");
    }
}

/// What the files of `part` import although users can't.
fn problems(part: &str, imports: &Imports) -> Vec<String> {
    let own = part.trim_end_matches(".rs");
    let is_public = |path: &str| {
        let names: Vec<&str> = path.split("::").skip(1).collect();
        match &*names {
            [module, ..] if *module == own => true,
            [name] => PUBLIC.contains(name) || imports.passes_on(&[], name) == Some(true),
            // A module that users see may define it.
            [module, name] if PUBLIC.contains(module) => imports.passes_on(&[module], name) != Some(false),
            _ => false,
        }
    };
    let hidden = imports.paths_of(part).into_iter().filter(|(_, path)| !is_public(path));
    let hidden: BTreeSet<String> = hidden
        .map(|(file, path)| format!("{}: {path}", file.display()))
        .collect();
    hidden.into_iter().collect()
}
