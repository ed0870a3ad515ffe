//! The guide: each chapter is in its contents, in the book and in the documentation, and what it shows is tried.

use std::fs;

use super::root;

/// The files of the chapters, in `docs/guide/`.
pub(super) fn chapters() -> Vec<String> {
    let names = fs::read_dir(root().join("docs/guide"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut chapters: Vec<_> = names
        .filter(|name| name.ends_with(".md") && name != "README.md" && name != "SUMMARY.md")
        .collect();
    chapters.sort();
    assert!(chapters.len() > 5, "{chapters:?}");
    chapters
}

#[test]
fn every_chapter_is_where_readers_look_for_it() {
    let contents = fs::read_to_string(root().join("docs/guide/README.md")).unwrap();
    let book = fs::read_to_string(root().join("docs/guide/SUMMARY.md")).unwrap();
    let documentation = fs::read_to_string(root().join("src/guide.rs")).unwrap();
    let links = fs::read_to_string(root().join("src/guide_links.txt")).unwrap();
    for chapter in chapters() {
        let label = chapter.trim_end_matches(".md");
        let module = label.replace('-', "_");
        assert!(contents.contains(&format!("[{label}]: {chapter}\n")), "{chapter}");
        assert!(book.contains(&format!("]({chapter})\n")), "{chapter}");
        assert!(
            documentation.contains(&format!("include_str!(\"../docs/guide/{chapter}\")")),
            "{chapter}"
        );
        assert!(
            links.contains(&format!("[{label}]: crate::guide::{module}\n")),
            "{chapter}"
        );
    }
}

#[test]
fn links_between_chapters_are_references() {
    // Only these lead to a module in the documentation, as `src/guide_links.txt` says.
    for chapter in chapters() {
        let text = fs::read_to_string(root().join("docs/guide").join(&chapter)).unwrap();
        let is_inline = text
            .split("](")
            .skip(1)
            .any(|target| target.split(')').next().is_some_and(|target| target.contains(".md")));
        assert!(!is_inline, "{chapter}");
    }
}

#[test]
fn every_piece_of_rust_is_compiled() {
    for chapter in chapters() {
        let text = fs::read_to_string(root().join("docs/guide").join(&chapter)).unwrap();
        let fences = text.lines().filter_map(|line| line.strip_prefix("```"));
        for (number, fence) in fences.step_by(2).enumerate() {
            // What these say is compared with what the program prints, in `tests/dispatch/ten_mistakes.rs`.
            let is_tried_elsewhere = chapter == "ten-mistakes.md";
            assert!(
                is_tried_elsewhere || ["rust", "rust,no_run", "console", "text"].contains(&fence),
                "{chapter}: piece {number} is `{fence}`, which is not compiled"
            );
        }
    }
}
