//! simpledispatch's document: functions by name, from a type, from its extension, and at run time.

use hansel::Methods;

/// The handler that comes with simpledispatch.
struct Simple;

impl Simple {
    /// `/test/a/b/c`
    fn test(&self, parameters: Vec<String>) -> String {
        format!("{parameters:?}\n")
    }
}

/// `/extended`, added by extending the base handler.
fn extended(parameters: Vec<String>) -> String {
    format!("extended: {parameters:?}\n")
}

/// `/monkey`, added at run time.
fn monkey(parameters: Vec<String>) -> String {
    format!("monkey: {parameters:?}\n")
}

pub(super) fn methods() -> Methods<impl Send + Sync> {
    let methods = hansel::methods!(Simple { test }).add("extended", extended);
    // A clone is another handle to the same table. This could happen at any time, from any thread.
    let running = methods.clone();
    running.insert("monkey", monkey);
    methods
}
