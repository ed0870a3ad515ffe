//! Routes by pattern and by regular expression.

/// picohttp's first example.
pub(super) fn hello_world() -> &'static str {
    "Hello world!"
}

/// picohttp's second example.
pub(super) fn goodbye() -> &'static str {
    "Goodbye cruel world"
}

/// Called only for a `u32`; everything else is 404.
pub(super) fn person(id: u32) -> String {
    format!("person {id}\n")
}

/// The regex dispatcher's `views.hello`.
pub(super) fn hello(username: &str) -> String {
    format!("Hello {username}")
}

#[cfg(test)]
mod tests {
    use crate::app::app;
    use hansel::StatusCode;
    use hansel::test::Client;

    #[test]
    fn every_documents_urls_answer_as_they_say() {
        let client = Client::new(app());
        for (target, text) in [
            ("/hello", "Hello world!"),
            ("/goodbye", "Goodbye cruel world"),
            ("/test/a/b/c", "[\"a\", \"b\", \"c\"]\n"),
            ("/extended", "extended: []\n"),
            ("/monkey/x", "monkey: [\"x\"]\n"),
            ("/hello/Gretel/", "Hello Gretel"),
            ("/field", "10 potatoes in the field."),
            ("/field/3", "One of 10 beautiful potatoes."),
            ("/people/7", "person 7\n"),
        ] {
            assert_eq!(client.get(target).text(), text, "{target}");
        }
        for target in [
            "/nope",
            "/hello/Gretel",
            "/people/gretel",
            "/field/0",
            "/field/11",
            "/field/3/x",
        ] {
            assert_eq!(client.get(target).status(), StatusCode::NOT_FOUND, "{target}");
        }
    }
}
