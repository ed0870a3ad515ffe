//! Mistakes at registration: each is an error at start-up that names the places, at the user's lines.

use hansel::{App, Methods, Registry, Request, Resource, Routes, Verbs, mount};

use super::panics::refused;

/// Checks that registering panics with these words, and is blamed on the line behind `$line`.
macro_rules! refuses {
    ($register:expr, $($words:expr),+ $(,)?) => {{
        let line = line!();
        let refusal = refused(|| $register);
        let message = &refusal.message;
        for words in [$($words.to_string()),+] {
            assert!(message.contains(&words), "{message}\n    does not say\n{words}");
        }
        assert_eq!(refusal.file, file!(), "blamed on code that is not the user's: {message}");
        let behind = refusal.line.checked_sub(line);
        assert!(behind.is_some_and(|lines| lines <= 12), "blamed on line {}, not {line}: {message}", refusal.line);
    }};
}

fn nothing() {}

#[test]
fn equal_patterns_name_both_places() {
    let first = line!() + 2;
    refuses!(
        Routes::new()
            .get("/people/{id}", |_: u32| "")
            .get("/people/{name}", |_: &str| ""),
        "two handlers for GET at equal patterns",
        "`/people/{id}` at tests/dispatch/registration.rs:",
        "`/people/{name}` at tests/dispatch/registration.rs:",
        format!("registration.rs:{}", first + 1),
    );
    refuses!(
        Routes::new().mount("/a", || "").mount("/a", || ""),
        "two mounts at `/a`",
        "tests/dispatch/registration.rs:"
    );
}

#[test]
fn patterns_that_cannot_be_say_what_to_write() {
    refuses!(
        Routes::new().get("people", nothing),
        "`people`",
        "does not begin with `/`"
    );
    refuses!(Routes::new().get("/people/:id", nothing), "write `{id}` for `:id`");
    refuses!(Routes::new().get("/{a}.json", |_: &str| ""), "mixes text and braces");
    refuses!(
        Routes::new().get("/{*a}/b", |_: &str| ""),
        "something follows the rest parameter"
    );
    refuses!(Routes::new().mount("/a/", nothing), "`/a/`");
    refuses!(mount("a", nothing), "`a`", "begins with a slash");
}

#[cfg(feature = "regex")]
#[test]
fn a_bad_expression_is_shown() {
    refuses!(
        Routes::new().regex(r"^/(\d+$", |_: u32| ""),
        r"^/(\d+$",
        "unclosed group"
    );
}

#[test]
fn arguments_are_counted() {
    refuses!(
        Routes::new().get("/people/{id}", |_: u32, _: u32| ""),
        "`/people/{id}` captures 1",
        "takes 2"
    );
    refuses!(Routes::new().get("/people", |_: u32| ""), "captures 0", "takes 1");
    refuses!(Routes::new().get("/{a}/{b}", |_: &str| ""), "captures 2", "takes 1");
    // Who sees the request can ask for the rest by name.
    let _ = Routes::new().get("/{a}/{b}", |request: &Request| {
        request.capture("b").unwrap_or("").to_owned()
    });
}

#[test]
fn names_that_are_missing_are_named() {
    let registry = || Registry::new().add("views.index", || "");
    refuses!(
        Routes::with(registry()).get("/", "views.indx"),
        "`views.indx`",
        "views.index"
    );
    refuses!(
        Routes::new().get("/", "views.index"),
        "`views.index`",
        "Routes::with(registry)"
    );
    refuses!(
        registry().add("views.index", || ""),
        "`views.index` is registered twice",
        "registration.rs:"
    );
}

#[test]
fn one_name_is_one_function() {
    refuses!(
        Methods::new().add("a", || "").add("a", || ""),
        "`a`",
        "tests/dispatch/registration.rs:"
    );
}

#[test]
fn one_name_is_one_route() {
    let routes = || Routes::new().get("/a", || "").name("a").get("/b", || "").name("a");
    refuses!(App::new(routes()), "two routes have one name", "/a", "/b");
}

struct Twice;

impl Resource for Twice {
    fn verbs(verbs: &mut Verbs<'_, '_, Self>) {
        verbs.get(|_: &Twice| "").verb("get", |_: &Twice| "");
    }
}

#[test]
fn a_verb_is_listed_once() {
    let message = refused(|| App::new(Twice)).message;
    assert!(message.contains("Twice lists GET twice"), "{message}");
}
