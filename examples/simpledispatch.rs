//! simpledispatch's document, in hansel: functions are reached by name, and get what follows as a list.
//!
//! `cargo run --example simpledispatch`, then `curl http://127.0.0.1:8000/test/a/b/c`, `/extended` and `/monkey`.

use hansel::{Methods, Server, methods};

/// simpledispatch.py: the base handler. Its functions are listed; the original searches for names that begin with
/// `method_`.
struct Base {
    name: &'static str,
}

impl Base {
    /// Called for `http://yoursite/test/param1/param2/param3` with `["param1", "param2", "param3"]`.
    fn test(&self, parameters: Vec<String>) -> String {
        format!("test of {}: {parameters:?}", self.name)
    }

    /// The same with typed parameters: `/add/1/2`.
    fn add(&self, a: i64, b: i64) -> String {
        (a + b).to_string()
    }

    /// Not in the list, so no URL reaches it.
    #[expect(dead_code, reason = "nobody can call it, which is the point")]
    fn secret(&self) -> &'static str {
        self.name
    }
}

fn base() -> Methods<Base> {
    methods!(
        Base { test, add },
        Base {
            name: "the base handler"
        }
    )
}

/// use_simpledispatch.py: the base handler is extended ...
fn extended(parameters: Vec<String>) -> String {
    format!("extended: {parameters:?}")
}

/// ... and has a function patched in.
fn monkey(parameters: Vec<String>) -> String {
    format!("monkey: {parameters:?}")
}

fn app() -> Methods<Base> {
    base().add("extended", extended)
}

fn main() -> hansel::Result {
    let methods = app();
    // A clone is another handle to the same functions.
    let server = Server::bind("127.0.0.1:8000")?.spawn(methods.clone())?;
    println!("try http://{}/test/a/b/c", server.local_addr());
    // The server is already running: it finds this function from the next request on.
    methods.insert("monkey", monkey);
    server.wait();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::test::Client;
    use std::sync::mpsc;

    fn response(client: &Client, target: &str) -> Option<String> {
        let response = client.get(target);
        (response.status() == 200).then(|| response.text().to_owned())
    }

    #[test]
    fn a_function_is_reached_by_its_name_and_receives_what_follows_as_a_list() {
        let client = Client::new(base());
        assert_eq!(
            response(&client, "/test/a/b/c").unwrap(),
            r#"test of the base handler: ["a", "b", "c"]"#
        );
        assert_eq!(response(&client, "/test").unwrap(), "test of the base handler: []");
        assert_eq!(response(&client, "/add/1/2").unwrap(), "3");
    }

    #[test]
    fn the_base_is_extended() {
        assert_eq!(response(&Client::new(base()), "/extended"), None);
        let client = Client::new(app());
        assert_eq!(response(&client, "/extended").unwrap(), "extended: []");
        assert_eq!(response(&client, "/extended/x").unwrap(), r#"extended: ["x"]"#);
        assert!(response(&client, "/test/a").is_some(), "what was there is still there");
    }

    #[test]
    fn a_function_is_patched_in_and_out_while_it_runs() {
        let methods = app();
        let client = Client::new(methods.clone());
        assert_eq!(response(&client, "/monkey"), None);
        methods.insert("monkey", monkey);
        assert_eq!(response(&client, "/monkey/1").unwrap(), r#"monkey: ["1"]"#);
        methods.insert("monkey", || "another monkey");
        assert_eq!(response(&client, "/monkey").unwrap(), "another monkey");
        assert!(methods.remove("monkey"));
        assert_eq!(response(&client, "/monkey"), None);
    }

    #[test]
    fn a_request_ends_with_the_functions_it_began_with() {
        let methods = app();
        let (started, has_started) = mpsc::channel();
        let (resume, may_resume) = mpsc::channel::<()>();
        let may_resume = std::sync::Mutex::new(may_resume);
        methods.insert("monkey", move || {
            started.send(()).unwrap();
            may_resume.lock().unwrap().recv().unwrap();
            "done"
        });
        let client = Client::new(methods.clone());
        std::thread::scope(|scope| {
            let running = scope.spawn(|| response(&client, "/monkey"));
            has_started.recv().unwrap();
            assert!(methods.remove("monkey"));
            assert_eq!(response(&Client::new(methods.clone()), "/monkey"), None);
            resume.send(()).unwrap();
            assert_eq!(running.join().unwrap().unwrap(), "done");
        });
    }

    #[test]
    fn as_recorded() {
        fn list(name: &str, parameters: &[String]) -> String {
            format!("{name} {parameters:?}").replace('"', "'")
        }
        let recorded = Methods::new()
            .add("", |parameters: Vec<String>| list("index", &parameters))
            .add("echo", |parameters: Vec<String>| list("echo", &parameters));
        let client = Client::new(recorded);
        for (target, expected) in [
            ("/", Some("index []")),
            ("/echo", Some("echo []")),
            ("/echo/a/b", Some("echo ['a', 'b']")),
            ("/nope", None),
            ("/method_echo", None),
            ("/__class__", None),
            ("/Echo", None),
            // Not as recorded: no segment is lost, so a slash at the end and a double slash give an empty segment.
            ("/echo/", Some("echo ['']")),
            ("/echo//a", Some("echo ['', 'a']")),
            // Not as recorded: a segment is decoded, once.
            ("/echo/%20", Some("echo [' ']")),
            ("/echo/%2520", Some("echo ['%20']")),
            // Not as recorded: in the original, an attribute that is not a function raises an error. Here only what was
            // added can be reached.
            ("/value", None),
        ] {
            assert_eq!(response(&client, target).as_deref(), expected, "{target}");
        }
    }

    #[test]
    fn names_never_reach_what_was_not_exposed() {
        let client = Client::new(app());
        for target in [
            "/secret",
            "/name",
            "/method_test",
            "/Base",
            "/test%2Fa",
            "/../test",
            "//test",
            "/",
        ] {
            assert_eq!(response(&client, target), None, "{target}");
        }
        assert_eq!(client.call("POST", "/test").header("Allow"), Some("GET, HEAD, OPTIONS"));
    }
}
