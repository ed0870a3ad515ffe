//! The story as text, for clients other than browsers.

use std::fmt::Write;

use super::Story;
use crate::response::status_text;

/// Returns what is worth showing in a terminal.
pub(super) fn text(story: &Story<'_>) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = write(story, &mut text);
    // Control characters in a path must not move a terminal's cursor.
    text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
}

fn write(story: &Story<'_>, text: &mut String) -> std::fmt::Result {
    writeln!(text, "{}", status_text(story.status))?;
    if let Some(panic) = story.panic {
        writeln!(text, "\nPanic: {}", panic.message)?;
        if let Some(place) = &panic.place {
            writeln!(text, "  at {place}")?;
        }
    }
    if let Some(failure) = &story.failure {
        writeln!(text, "\nError: {failure}")?;
    }
    write!(text, "\n{}", story.trail)?;
    if !story.near.is_empty() {
        writeln!(text, "\n{}", story.near_title())?;
        for near in &story.near {
            writeln!(
                text,
                "  {} {}: {}",
                near.place.methods,
                near.path,
                near.difference.replace('`', "")
            )?;
        }
    }
    writeln!(
        text,
        "\n(Only in development mode; otherwise just \"{}\".)",
        story.status
    )
}
