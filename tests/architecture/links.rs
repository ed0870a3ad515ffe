//! Relative links in the documents: each leads to a file that exists, and to a heading that is in it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::root;

#[test]
fn every_relative_link_leads_somewhere() {
    let documents = documents();
    assert!(documents.contains(&root().join("README.md")), "{documents:?}");
    assert!(
        documents.contains(&root().join("bench/results/latest.md")),
        "{documents:?}"
    );
    let mut links = 0;
    let mut dead = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in relative_links(&text) {
            links += 1;
            if let Some(problem) = problem(&document, &link) {
                dead.push(format!("{}: {link}: {problem}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
    assert!(links > 20, "{links}");
}

#[test]
fn a_dead_link_is_found() {
    let text = "[a](docs/design.md#dispatch), [b](docs/nowhere.md), `[c](code.md)`\n\
                [d](https://a.test/), [e](docs/design.md#nowhere), [f](#here-it-is)\n\
                ```\n[g](code.md)\n```\n\
                ## Here `it` is\n\
                [h]: docs/nothing.md\n";
    let links = relative_links(text);
    assert_eq!(
        links,
        [
            "docs/design.md#dispatch",
            "docs/nowhere.md",
            "docs/design.md#nowhere",
            "#here-it-is",
            "docs/nothing.md"
        ]
    );
    let readme = root().join("README.md");
    let is_dead: Vec<_> = links.iter().map(|link| problem(&readme, link).is_some()).collect();
    assert_eq!(is_dead, [false, true, true, true, true]);
    assert_eq!(anchors(text), ["here-it-is"]);
}

#[test]
fn headings_have_the_anchors_that_readers_see() {
    let text = "# What's new, in `v1.0`?\n## A\n```text\n# no heading\n```\n## A\n### snake_case & more\n";
    assert_eq!(anchors(text), ["whats-new-in-v10", "a", "a-1", "snake_case--more"]);
}

/// All documents of the repository.
fn documents() -> Vec<PathBuf> {
    let mut documents = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap_or_default();
            if entry.file_type().unwrap().is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(entry.path());
                }
            } else if name.ends_with(".md") {
                documents.push(entry.path());
            }
        }
    }
    documents
}

/// What is wrong with a relative link.
fn problem(document: &Path, link: &str) -> Option<&'static str> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => document.to_owned(),
        _ => document.parent()?.join(path),
    };
    if !target.exists() {
        return Some("there is no such file");
    }
    if anchor.is_empty() {
        return None;
    }
    let text = fs::read_to_string(target).unwrap_or_default();
    let is_there = anchors(&text).iter().any(|heading| heading == anchor);
    (!is_there).then_some("there is no such heading")
}

/// Where the links lead that are written `[text](target)` or `[name]: target`, without those to other hosts.
fn relative_links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        let line: String = line.split('`').step_by(2).collect();
        let defined = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        links.extend(defined.map(|(_, target)| target.trim().to_owned()));
        let inline = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        links.extend(inline.map(|(target, _)| target.to_owned()));
    }
    links.retain(|link| !link.contains("://") && !link.starts_with("mailto:"));
    links
}

/// The anchors of the headings, as public hosts make them: in lower case, with hyphens for spaces and without
/// punctuation; one that comes again is numbered.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for line in prose(text) {
        let Some(heading) = line.trim_start_matches('#').strip_prefix(' ') else {
            continue;
        };
        if !line.starts_with('#') {
            continue;
        }
        let kept = heading
            .trim()
            .chars()
            .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        let anchor: String = kept.flat_map(char::to_lowercase).collect::<String>().replace(' ', "-");
        let times = seen.entry(anchor.clone()).or_default();
        anchors.push(match times {
            0 => anchor,
            _ => format!("{anchor}-{times}"),
        });
        *times += 1;
    }
    anchors
}

/// The lines outside of blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}
