//! Panics that are caught for the page: the message, and where it happened.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// A panic that was caught.
#[derive(Debug)]
pub(super) struct Panic {
    pub(super) message: String,
    pub(super) place: Option<Place>,
}

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) column: u32,
}

/// The number of lines that are shown before and after the one that panicked.
const AROUND: usize = 4;
/// Larger files were hardly written by hand.
const LARGEST: u64 = 1024 * 1024;

thread_local! {
    static LAST: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Calls `application`, and catches and describes a panic.
pub(super) fn catch<R>(application: impl FnOnce() -> R) -> Result<R, Panic> {
    listen();
    LAST.with(|last| last.take());
    // The application itself must keep consistent what its requests share, as under a server, which catches panics as
    // well.
    catch_unwind(AssertUnwindSafe(application)).map_err(|panic| Panic {
        message: text(&*panic).to_owned(),
        place: LAST.with(|last| last.take()),
    })
}

/// Installs a hook, because only a hook learns where a panic happened. It stores that for its thread and leaves the
/// rest to the previous hook.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(|location| Place {
                file: location.file().to_owned(),
                line: location.line() as usize,
                column: location.column(),
            });
            // A thread that is ending cannot store it, and nothing would read it.
            let _ = LAST.try_with(|last| last.replace(place));
            before(panic);
        }));
    });
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    let text = panic.downcast_ref::<&str>().copied().or_else(owned);
    text.unwrap_or("a panic without a text")
}

impl Place {
    /// Returns the lines around it with their numbers, if the source is available, as it is during development.
    pub(super) fn excerpt(&self) -> Option<Vec<(usize, String)>> {
        let metadata = std::fs::metadata(&self.file).ok()?;
        if !metadata.is_file() || metadata.len() > LARGEST {
            return None;
        }
        let source = std::fs::read_to_string(&self.file).ok()?;
        let first = self.line.saturating_sub(AROUND).max(1);
        let lines = source
            .lines()
            .enumerate()
            .map(|(before, line)| (before + 1, line.to_owned()));
        let excerpt: Vec<_> = lines.skip(first - 1).take(self.line + AROUND + 1 - first).collect();
        // A source that was changed since may be shorter.
        excerpt
            .iter()
            .any(|(number, _)| *number == self.line)
            .then_some(excerpt)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_described_with_its_place_and_source() {
        let line = line!() as usize + 1;
        let panic = catch::<()>(|| panic!("boom {}", 7)).unwrap_err();
        assert_eq!(panic.message, "boom 7");
        let place = panic.place.unwrap();
        assert_eq!((&*place.file, place.line), (file!(), line));
        let excerpt = place.excerpt().unwrap();
        assert_eq!(excerpt.len(), 2 * AROUND + 1);
        let (_, text) = excerpt.iter().find(|(number, _)| *number == line).unwrap();
        assert!(text.contains("boom {}"));
    }

    #[test]
    fn any_panic_will_do() {
        assert_eq!(
            catch::<()>(|| std::panic::panic_any(7)).unwrap_err().message,
            "a panic without a text"
        );
        assert_eq!(catch(|| 7).unwrap(), 7);
    }

    #[test]
    fn a_source_that_is_not_at_hand_is_not_shown() {
        let place = |file: &str, line| Place {
            file: file.to_owned(),
            line,
            column: 1,
        };
        assert_eq!(place("no/such/file.rs", 1).excerpt(), None);
        assert_eq!(place("src", 1).excerpt(), None);
        assert_eq!(place("src/lib.rs", 1_000_000).excerpt(), None);
    }
}
