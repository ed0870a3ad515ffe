//! What a path was perhaps meant to be: for explanations of a 404.

use super::tree::Tree;
use super::{Entry, Target};
use crate::dispatch::Why;

/// How many patterns are shown.
const SHOWN: usize = 5;

/// Why nothing matches, and what is near.
pub(super) fn why<'r>(tree: &Tree, entries: &[Entry], text: &'r str, masked: &str) -> Why<'r> {
    let shown = if text.is_empty() { "/" } else { text };
    let hint = slash(tree, text, masked)
        .or_else(|| case(tree, text, masked))
        .unwrap_or_else(|| patterns(entries, text));
    Why::Unknown(shown, hint)
}

fn matches(tree: &Tree, text: &str, masked: &str) -> bool {
    tree.search(text, masked, |_| true)
}

fn slash(tree: &Tree, text: &str, masked: &str) -> Option<String> {
    if let (Some(shorter), Some(masked)) = (text.strip_suffix('/'), masked.strip_suffix('/')) {
        return matches(tree, shorter, masked).then(|| format!("; `{shorter}`, without the slash at its end, would"));
    }
    let longer = format!("{text}/");
    matches(tree, &longer, &format!("{masked}/")).then(|| format!("; `{longer}`, with a slash at its end, would"))
}

fn case(tree: &Tree, text: &str, masked: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let would = lower != text && matches(tree, &lower, &masked.to_ascii_lowercase());
    would.then(|| format!("; `{lower}` would: upper and lower case differ"))
}

/// The patterns that begin most like the path.
fn patterns(entries: &[Entry], text: &str) -> String {
    if entries.is_empty() {
        return "; there are no patterns here".to_owned();
    }
    let mut near: Vec<(usize, String)> = entries
        .iter()
        .map(|entry| (likeness(&entry.pattern.text, text), entry.shown()))
        .collect();
    near.sort_by_key(|(likeness, _)| std::cmp::Reverse(*likeness));
    let more = near.len().saturating_sub(SHOWN);
    let list: Vec<_> = near.into_iter().take(SHOWN).map(|(_, shown)| shown).collect();
    let and_more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("; there is {}{and_more}", list.join(", "))
}

/// How many octets are equal at the beginning, where a parameter equals a segment.
fn likeness(pattern: &str, text: &str) -> usize {
    let mut segments = text.split('/');
    let mut likeness = 0;
    for part in pattern.trim_start_matches('^').split('/') {
        let Some(segment) = segments.next() else { break };
        if part == segment {
            likeness += 2 + segment.len();
        } else if part.starts_with(['{', '(']) {
            likeness += 1;
        } else {
            let shared = part
                .bytes()
                .zip(segment.bytes())
                .take_while(|(a, b)| a.eq_ignore_ascii_case(b));
            return likeness + shared.count();
        }
    }
    likeness
}

impl Entry {
    fn shown(&self) -> String {
        match self.target {
            Target::Endpoints(_) => format!("`{}`", self.pattern.text),
            Target::Mount { .. } => format!("`{}/..`", self.pattern.text.trim_end_matches('/')),
        }
    }
}
