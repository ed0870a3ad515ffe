//! The procedural macro behind `hansel::embed!`. It is not to be used by itself.
//!
//! It takes the path of the crate `hansel` and a directory, and makes an expression: the paths of the files in the
//! directory, their content by `include_bytes!`, and hashes of it, which become entity tags.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use proc_macro::{Delimiter, Group, Literal, TokenStream, TokenTree};

/// Puts the files of a directory into the program: see `hansel::embed!`.
#[proc_macro]
pub fn embed_files(input: TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = input.into_iter().collect();
    let directory = tokens.pop();
    let hansel: TokenStream = tokens.into_iter().collect();
    match directory
        .ok_or_else(usage)
        .and_then(|directory| embed(hansel, &directory))
    {
        Ok(embedded) => embedded,
        Err(message) => {
            let mut error: TokenStream = parse("::std::compile_error!");
            error.extend(group(Delimiter::Parenthesis, string(&message)));
            error
        }
    }
}

fn usage() -> String {
    "embed! takes the path of a directory, such as embed!(\"static\")".to_owned()
}

fn embed(hansel: TokenStream, directory: &TokenTree) -> Result<TokenStream, String> {
    let written = text(&directory.to_string()).ok_or_else(usage)?;
    // Cargo sets it for the package that is compiled.
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .unwrap_or_default();
    let directory = package.join(&written);
    let root = fs::canonicalize(&directory).map_err(|error| format!("can't embed {}: {error}", directory.display()))?;
    let mut files = BTreeMap::new();
    collect(&mut vec![root], "", &mut files)?;

    let mut list = TokenStream::new();
    for (path, place) in files {
        let content = fs::read(&place).map_err(|error| format!("can't embed {}: {error}", place.display()))?;
        let mut arguments = string(&path);
        arguments.extend(parse(", ::std::include_bytes!"));
        arguments.extend(group(Delimiter::Parenthesis, string(utf8(&place)?)));
        arguments.extend(parse(","));
        arguments.extend(string(&hash(&content)));
        let mut file = hansel.clone();
        file.extend(parse("::files::EmbeddedFile::new"));
        file.extend(group(Delimiter::Parenthesis, arguments));
        list.extend(file);
        list.extend(parse(","));
    }
    // `{ static FILES: &[EmbeddedFile] = &[..]; Embedded::new(directory, FILES, ..) }`
    let mut block = parse("static FILES: &");
    let mut kind = hansel.clone();
    kind.extend(parse("::files::EmbeddedFile"));
    block.extend(group(Delimiter::Bracket, kind));
    block.extend(parse("= &"));
    block.extend(group(Delimiter::Bracket, list));
    block.extend(parse(";"));
    block.extend(hansel);
    block.extend(parse("::files::Embedded::new"));
    let mut arguments = string(&written);
    // Whether debug assertions are on is asked in the program. Without them it does not contain the path of the machine
    // that it was compiled on.
    arguments.extend(parse(", FILES, if ::std::cfg!(debug_assertions)"));
    let mut development = parse("::std::option::Option::Some");
    development.extend(group(Delimiter::Parenthesis, string(utf8(&directory)?)));
    arguments.extend(group(Delimiter::Brace, development));
    arguments.extend(parse("else { ::std::option::Option::None }"));
    block.extend(group(Delimiter::Parenthesis, arguments));
    Ok(group(Delimiter::Brace, block))
}

/// Adds the files in a directory, each by its path below the root. The way leads from the root to that directory. Files
/// come only from below the root, also by links.
fn collect(way: &mut Vec<PathBuf>, below: &str, files: &mut BTreeMap<String, PathBuf>) -> Result<(), String> {
    let (Some(root), Some(directory)) = (way.first().cloned(), way.last().cloned()) else {
        return Ok(());
    };
    let failed = |error: std::io::Error| format!("can't embed {}: {error}", directory.display());
    for entry in fs::read_dir(&directory).map_err(failed)? {
        let place = entry.map_err(failed)?.path();
        let name = utf8(Path::new(place.file_name().unwrap_or_default()))?;
        let is_well_known = below.is_empty() && name == ".well-known";
        if name.starts_with('.') && !is_well_known {
            continue;
        }
        let path = if below.is_empty() {
            name.to_owned()
        } else {
            format!("{below}/{name}")
        };
        // A link that leads nowhere, or out of it; and one to a directory on the way, which would have no end.
        let Ok(target) = fs::canonicalize(&place) else { continue };
        if !target.starts_with(&root) || way.contains(&target) {
            continue;
        }
        if target.is_dir() {
            way.push(target);
            collect(way, &path, files)?;
            way.pop();
        } else if target.is_file() {
            files.insert(path, target);
        }
    }
    Ok(())
}

fn utf8(path: &Path) -> Result<&str, String> {
    path.to_str()
        .ok_or_else(|| format!("can't embed {}: its name is not UTF-8", path.display()))
}

/// Returns a hash of content: 128 bits, because two files with one hash would be one for a cache.
fn hash(content: &[u8]) -> String {
    let half = |number: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(number);
        hasher.write(content);
        hasher.finish()
    };
    format!("{:016x}{:016x}", half(0), half(1))
}

/// Returns the text of a string literal without escapes.
fn text(literal: &str) -> Option<String> {
    let raw = literal.strip_prefix('r').map(|raw| raw.trim_matches('#'));
    let text = raw.unwrap_or(literal).strip_prefix('"')?.strip_suffix('"')?;
    (raw.is_some() || !text.contains('\\')).then(|| text.to_owned())
}

fn parse(code: &str) -> TokenStream {
    // This crate writes only what can be parsed.
    code.parse().unwrap_or_default()
}

fn string(text: &str) -> TokenStream {
    TokenTree::from(Literal::string(text)).into()
}

fn group(delimiter: Delimiter, tokens: TokenStream) -> TokenStream {
    TokenTree::from(Group::new(delimiter, tokens)).into()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_in_a_circle_have_an_end() {
        let root = std::env::temp_dir().join(format!("hansel-macros-{}", std::process::id()));
        fs::create_dir_all(root.join("a")).unwrap();
        fs::create_dir_all(root.join("b")).unwrap();
        fs::write(root.join("a/inside.txt"), "inside").unwrap();
        symlink("../b", root.join("a/to_b")).unwrap();
        symlink("../a", root.join("b/to_a")).unwrap();
        let mut files = BTreeMap::new();
        let collected = collect(&mut vec![fs::canonicalize(&root).unwrap()], "", &mut files);
        fs::remove_dir_all(&root).unwrap();
        collected.unwrap();
        let paths: Vec<_> = files.keys().collect();
        assert_eq!(paths, ["a/inside.txt", "b/to_a/inside.txt"]);
    }
}
