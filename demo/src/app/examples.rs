//! Commands to try from a terminal.

/// Commands, each with a description of the result.
const EXAMPLES: &[(&str, &str)] = &[
    ("curl -i ADDRESS/hello", "picohttp's document: Hello world!"),
    (
        "curl -i ADDRESS/test/a/b/c",
        "simpledispatch's: a function by name, and the rest of the path",
    ),
    (
        "curl -i ADDRESS/field",
        "web.dispatch.resource's: 10 potatoes in the field.",
    ),
    ("curl -i -X DELETE ADDRESS/field/3", "a verb of an item"),
    ("curl -i -X PLOUGH ADDRESS/field", "a custom verb"),
    ("curl -i ADDRESS/hello/Gretel/", "the regex dispatcher's: a named group"),
    (
        "curl -i ADDRESS/people/7",
        "a template with a typed argument; try /people/gretel",
    ),
    (
        "curl -i ADDRESS/upload --data-binary @Cargo.lock",
        "a body, counted as it arrives",
    ),
    ("curl -N ADDRESS/stream", "a response that is written piece by piece"),
    ("curl -N ADDRESS/news", "what others send, as it is sent"),
    ("curl -i ADDRESS/news --data crumb", "and something for all who listen"),
    (
        "curl -i ADDRESS/slow",
        "a handler that blocks for a second; other requests do not wait for it",
    ),
    ("curl -I ADDRESS/hello", "HEAD: GET without the body"),
    ("curl -i -X OPTIONS ADDRESS/field", "OPTIONS, derived from the handlers"),
];

/// Returns the text that the demo prints at its start.
pub(crate) fn what_to_try(address: &str) -> String {
    let mut text = format!("Open http://{address}/ in a browser. Or try, in a terminal:\n");
    for (command, shows) in EXAMPLES {
        let command = command.replace("ADDRESS", &format!("http://{address}"));
        text.push_str(&format!("  {command:<64} # {shows}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::app;

    #[test]
    fn everything_that_is_offered_is_there() {
        let text = what_to_try("127.0.0.1:8000");
        assert_eq!(text.matches("http://127.0.0.1:8000/").count(), EXAMPLES.len() + 1);
        let app = app();
        for (command, _) in EXAMPLES {
            let method = match command.split_once("-X ") {
                Some((_, rest)) => rest.split(' ').next().unwrap_or("GET"),
                None if command.contains("--data") => "POST",
                None => "GET",
            };
            let target = command.split("ADDRESS").nth(1).unwrap().split(' ').next().unwrap();
            let trail = app.explain(method.parse().unwrap(), target);
            assert!(trail.is_found() || trail.status() == 204, "{command}: {trail}");
        }
    }
}
