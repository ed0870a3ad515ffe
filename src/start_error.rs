//! Why a server can't start, as a sentence that says what happened, where, and what to do.
//!
//! `main` prints the error that it returns by `Debug`. So that of these errors is the sentence, too.

use std::fmt::{self, Display};
use std::io;

/// A sentence. It has no source: what the system has said is in it.
struct StartError(String);

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// Returns the error of this kind that says `text`.
pub(crate) fn start_error(kind: io::ErrorKind, text: impl Into<String>) -> io::Error {
    io::Error::new(kind, StartError(text.into()))
}

/// Returns the error that says what can't be done, why, and what to do about it. Without advice it says what to do about
/// errors that can have happened anywhere.
pub(crate) fn cannot(what: impl Display, error: &io::Error, advice: &str) -> io::Error {
    let reason = reason(error);
    let advice = if advice.is_empty() {
        general_advice(error)
    } else {
        advice
    };
    let text = match advice {
        "" => format!("can't {what}: {reason}"),
        advice => format!("can't {what}: {reason}; {advice}"),
    };
    start_error(error.kind(), text)
}

/// Returns what the system says, as a part of a sentence: `address already in use`.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let Some(number) = error.raw_os_error() else {
        return text;
    };
    let text = text.strip_suffix(&format!(" (os error {number})")).unwrap_or(&text);
    // A word that is written in capitals stays so. Messages of the system are ASCII where they begin.
    match text.as_bytes() {
        [_, second, ..] if second.is_ascii_uppercase() => text.to_owned(),
        [first, ..] if first.is_ascii() => {
            let (first, rest) = text.split_at(1);
            first.to_ascii_lowercase() + rest
        }
        _ => text.to_owned(),
    }
}

fn general_advice(error: &io::Error) -> &'static str {
    /// EMFILE and ENFILE, on every Unix.
    const NO_DESCRIPTORS: [i32; 2] = [24, 23];
    let is_about_descriptors = cfg!(unix)
        && error
            .raw_os_error()
            .is_some_and(|number| NO_DESCRIPTORS.contains(&number));
    match error.kind() {
        _ if is_about_descriptors => "raise LimitNOFILE= of its service, or ulimit -n",
        io::ErrorKind::OutOfMemory => "the machine, or the limit of its service, has too little memory",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_prints_as_a_sentence_however_it_is_printed() {
        let error = start_error(io::ErrorKind::AddrInUse, "can't listen on a: b; do c");
        assert_eq!(error.to_string(), "can't listen on a: b; do c");
        assert_eq!(
            format!("{error:?}"),
            "Custom { kind: AddrInUse, error: can't listen on a: b; do c }"
        );
        let error = crate::Error::from(error);
        assert_eq!(format!("{error:?}"), "can't listen on a: b; do c");
    }

    #[cfg(unix)]
    #[test]
    fn what_the_system_says_is_a_part_of_the_sentence() {
        let said = |number| cannot("do it", &io::Error::from_raw_os_error(number), "").to_string();
        assert_eq!(said(13), "can't do it: permission denied");
        assert_eq!(
            said(24),
            "can't do it: too many open files; raise LimitNOFILE= of its service, or ulimit -n"
        );
        let advised = cannot("do it", &io::Error::from_raw_os_error(24), "do that");
        assert_eq!(advised.to_string(), "can't do it: too many open files; do that");
        let own = io::Error::new(io::ErrorKind::InvalidInput, "Some text (os error 7)");
        assert_eq!(
            cannot("do it", &own, "").to_string(),
            "can't do it: Some text (os error 7)"
        );
        assert_eq!(reason(&io::Error::from_raw_os_error(5)), "input/output error");
    }
}
