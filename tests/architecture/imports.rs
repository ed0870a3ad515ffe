//! The imports of a crate, computed from its `use` lines: a graph of its files.
//!
//! An arrow goes from a file to the one that defines the imported name: a name that a room's `mod.rs` only re-exports
//! leads to the file behind it, and re-exporting is not an arrow.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{code, is_named_tests, sources};

/// The path of a module below the root of its crate.
type Module = Vec<String>;

/// The files of one crate, and who imports whom.
pub(crate) struct Imports {
    root: PathBuf,
    files: BTreeMap<Module, File>,
}

struct File {
    path: PathBuf,
    uses: Vec<Use>,
}

/// One name that a `use` line brings.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Use {
    path: Vec<String>,
    /// What it is called here.
    name: String,
    is_passed_on: bool,
    /// It is passed on to users, as far as its module is theirs.
    is_public: bool,
}

impl Imports {
    /// Of the crate whose root is `lib.rs` below `place`.
    pub(crate) fn of(place: &str) -> Imports {
        let root = super::root().join(place);
        let of_product = sources(place).into_iter().filter(|path| !is_of_tests(path));
        let files = of_product.map(|path| {
            let module = module_of(path.strip_prefix(&root).unwrap());
            let uses = uses(&code(&path));
            (module, File { path, uses })
        });
        let files = files.collect();
        Imports { root, files }
    }

    /// As [`of`](Imports::of), for files that are only texts.
    pub(crate) fn of_texts(texts: &[(&str, &str)]) -> Imports {
        let files = texts.iter().map(|(path, text)| {
            let path = PathBuf::from(path);
            (module_of(&path), File { path, uses: uses(text) })
        });
        Imports {
            root: PathBuf::new(),
            files: files.collect(),
        }
    }

    /// A file's path below the root of its crate.
    pub(crate) fn below_root<'p>(&self, file: &'p Path) -> &'p Path {
        file.strip_prefix(&self.root).unwrap()
    }

    /// The paths that the files of a room import from their own crate, each with its file.
    pub(crate) fn paths_of(&self, room: &str) -> Vec<(&Path, String)> {
        let is_own = |used: &&Use| used.path.first().is_some_and(|first| first == "crate");
        let mut paths = Vec::new();
        for file in self.files.values() {
            if self.below_root(&file.path).starts_with(room) {
                let own = file.uses.iter().filter(is_own);
                paths.extend(own.map(|used| (file.path.as_path(), used.path.join("::"))));
            }
        }
        paths
    }

    /// How a module passes a name on: `Some(true)` to users, `Some(false)` within the crate only. `None` if it does not.
    pub(crate) fn passes_on(&self, module: &[&str], name: &str) -> Option<bool> {
        let module: Module = module.iter().map(|part| (*part).to_owned()).collect();
        let mut uses = self.files[&module].uses.iter();
        uses.find(|used| used.is_passed_on && used.name == name)
            .map(|used| used.is_public)
    }

    /// Which files each file imports from.
    pub(crate) fn arrows(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let mut arrows = BTreeMap::new();
        for (module, file) in &self.files {
            let targets: BTreeSet<&Path> = file
                .uses
                .iter()
                .filter(|used| !used.is_passed_on)
                .filter_map(|used| self.defined_in(module, &used.path, 0))
                .map(|target| self.files[&target].path.as_path())
                .filter(|target| *target != file.path)
                .collect();
            arrows.insert(file.path.as_path(), targets);
        }
        arrows
    }

    /// The module in which what `path` names is defined, as `from` sees it; none if that is another crate.
    fn defined_in(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        let mut module = self.begin(from, path)?;
        let mut rest = path
            .iter()
            .skip_while(|part| matches!(part.as_str(), "crate" | "self" | "super"));
        while let Some(part) = rest.next() {
            let child: Module = module.iter().chain([part]).cloned().collect();
            if self.files.contains_key(&child) {
                module = child;
                continue;
            }
            // Defined here, unless it is only passed on.
            let passed_on = self.files[&module].uses.iter().find(|used| used.name == *part);
            return match passed_on {
                Some(used) if depth < 8 => {
                    let behind: Vec<String> = used.path.iter().chain(rest).cloned().collect();
                    self.defined_in(&module, &behind, depth + 1).or(Some(module))
                }
                _ => Some(module),
            };
        }
        Some(module)
    }

    /// The module with which a path begins.
    fn begin(&self, from: &Module, path: &[String]) -> Option<Module> {
        let mut module = from.clone();
        match path.first()?.as_str() {
            "crate" => module.clear(),
            "self" => {}
            "super" => {
                for _ in path.iter().take_while(|part| *part == "super") {
                    module.pop()?;
                }
            }
            first => {
                let child: Module = from
                    .iter()
                    .map(String::as_str)
                    .chain([first])
                    .map(str::to_owned)
                    .collect();
                if !self.files.contains_key(&child) {
                    return None;
                }
            }
        }
        Some(module)
    }

    /// Files that import each other, directly or by way of others: each circle once.
    pub(crate) fn circles(&self) -> Vec<BTreeSet<&Path>> {
        let arrows = self.arrows();
        let reached: BTreeMap<&Path, BTreeSet<&Path>> =
            arrows.keys().map(|file| (*file, reachable(&arrows, file))).collect();
        let mut circles: Vec<BTreeSet<&Path>> = Vec::new();
        for file in arrows.keys() {
            if !reached[file].contains(file) || circles.iter().any(|circle| circle.contains(file)) {
                continue;
            }
            let others = reached[file].iter().filter(|other| reached[*other].contains(file));
            circles.push(others.copied().collect());
        }
        circles
    }
}

/// Files that only tests have.
fn is_of_tests(path: &Path) -> bool {
    is_named_tests(path)
        || path.ends_with("event_loop/fixture.rs")
        || path.components().any(|part| part.as_os_str() == "models")
}

fn reachable<'p>(arrows: &BTreeMap<&'p Path, BTreeSet<&'p Path>>, from: &Path) -> BTreeSet<&'p Path> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&Path> = arrows[from].iter().copied().collect();
    while let Some(file) = next.pop() {
        if found.insert(file) {
            next.extend(&arrows[file]);
        }
    }
    found
}

/// `server/threads/mod.rs` is the module `server::threads`, and so is `server/threads.rs`.
fn module_of(path: &Path) -> Module {
    let mut parts: Module = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let file = parts.pop().unwrap_or_default();
    let name = file.trim_end_matches(".rs");
    if !matches!(name, "mod" | "lib") {
        parts.push(name.to_owned());
    }
    parts
}

/// The names that the `use` lines of a file bring, wherever in it they stand.
fn uses(text: &str) -> Vec<Use> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let line = line.trim_start();
        let (visibility, rest) = match line.split_once("use ") {
            Some(("", rest)) => ("", rest),
            Some((visibility, rest)) if visibility.starts_with("pub") && visibility.ends_with(' ') => {
                (visibility, rest)
            }
            _ => continue,
        };
        let behind = lines[number + 1..].iter().flat_map(|line| [" ", line.trim()]);
        let statement: String = std::iter::once(rest).chain(behind).collect();
        let Some((tree, _)) = statement.split_once(';') else {
            continue;
        };
        expand(tree.trim(), &[], visibility.trim(), &mut found);
    }
    found
}

/// Takes a tree such as `a::{b, c::D as E}` apart.
fn expand(tree: &str, prefix: &[String], visibility: &str, found: &mut Vec<Use>) {
    if let Some((before, group)) = tree.split_once('{') {
        let mut path = prefix.to_vec();
        path.extend(parts(before));
        for branch in branches(group.trim_end().trim_end_matches('}')) {
            expand(branch.trim(), &path, visibility, found);
        }
        return;
    }
    let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
    let mut all = prefix.to_vec();
    all.extend(parts(path));
    if all.len() > 1 && all.last().is_some_and(|last| last == "self") {
        all.pop();
    }
    let last = all.last().cloned().unwrap_or_default();
    if !last.is_empty() {
        found.push(Use {
            name: if name.is_empty() { last } else { name.trim().to_owned() },
            path: all,
            is_passed_on: !visibility.is_empty(),
            is_public: visibility == "pub",
        });
    }
}

fn parts(path: &str) -> impl Iterator<Item = String> {
    path.split("::")
        .map(str::trim)
        .filter(|part| !part.is_empty() && *part != "*")
        .map(str::to_owned)
}

/// Splits at the commas that are in no inner group.
fn branches(group: &str) -> Vec<&str> {
    let (mut depth, mut start) = (0, 0);
    let mut found = Vec::new();
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&group[start..]);
    found
}

#[test]
fn a_circle_is_found_wherever_it_is_closed() {
    let files = |last: &'static str| {
        Imports::of_texts(&[
            ("lib.rs", "mod a;\nmod b;\npub use b::Inner;\n"),
            ("a.rs", "use crate::{Inner, b::other::{self, Two as Three}};\n"),
            ("b/mod.rs", "mod inner;\nmod other;\npub use inner::Inner;\n"),
            ("b/inner.rs", "use super::other::Two;\n"),
            ("b/other.rs", last),
        ])
    };
    assert!(files("use std::fmt;\n").circles().is_empty());
    for closing in [
        "use super::super::a::One;\n",
        "use crate::a;\n",
        "use crate::{\n    a::One,\n};\n",
        "fn f() {\n    use crate::a::One;\n}\n",
    ] {
        let files = files(closing);
        let circles = files.circles();
        let all: Vec<&Path> = ["a.rs", "b/inner.rs", "b/other.rs"].map(Path::new).into();
        assert_eq!(circles.len(), 1, "{closing}");
        assert!(
            all.iter().all(|file| circles[0].contains(file)),
            "{closing}: {circles:?}"
        );
    }
}
