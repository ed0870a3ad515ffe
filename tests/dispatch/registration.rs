//! Mistakes at registration: each is an error at start-up that names the places, at the user's lines.

use hansel::test::Client;
use hansel::{App, Chain, Methods, Registry, Request, Resource, Routes, Verbs, mount};

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
    refuses!(
        Routes::new().get(r"^/people/(\d+)$", |_: u32| ""),
        "does not begin with `/`",
        "hansel::regex("
    );
    refuses!(Routes::new().mount("/a/", nothing), "`/a/`");
    refuses!(Routes::new().mount("/a/*", nothing), "leave the star out of `/a/*`");
    refuses!(Routes::new().mount("/a/{*rest}", nothing), "`{*..}`", "`/a/{*rest}`");
    refuses!(mount("/a/{b}", nothing), "`{b}` is a parameter", "Routes::mount");
    refuses!(mount("/a/:b", nothing), "write `{b}` for `:b`");
    refuses!(mount("a", nothing), "`a`", "begins with a slash");
}

/// What is written elsewhere, and what is to be written here.
const OTHER_NOTATIONS: [(&str, &str); 40] = [
    ("/files/:id", "write `{id}`"),
    ("/files/:id?", "write `{id}`"),
    ("/files/:rest*", "write `{*rest}`"),
    ("/files/:rest+", "write `{*rest}`"),
    (r"/files/:id(\d+)", "regular expression"),
    ("/files/*", "write `{*rest}`"),
    ("/files/**", "write `{*rest}`"),
    ("/files/*path", "write `{*path}`"),
    ("/files/**path", "write `{*path}`"),
    ("/files/*.html", "a star itself is written %2A"),
    ("/files/a*", "a star itself is written %2A"),
    ("/files/*/b", "a star itself is written %2A"),
    ("/files/<id>", "write `{id}`"),
    ("/files/<int:id>", "write `{id}`"),
    ("/files/<id:int>", "write `{id}`"),
    ("/files/<path:rest>", "write `{*rest}`"),
    ("/files/<rest..>", "write `{*rest}`"),
    ("/files/<id>.html", "%3C and %3E"),
    ("/files/[id]", "write `{id}`"),
    ("/files/[id=int]", "write `{id}`"),
    ("/files/[...rest]", "write `{*rest}`"),
    ("/files/[[...rest]]", "write `{*rest}`"),
    ("/files/{id:int}", "write `{id}`"),
    (r"/files/{id:\d+}", "write `{id}`"),
    ("/files/{id:[^/]+}", "write `{id}`"),
    ("/files/{id=7}", "write `{id}`"),
    ("/files/{id?}", "write `{id}`"),
    ("/files/{rest:path}", "write `{*rest}`"),
    ("/files/{rest:.*}", "write `{*rest}`"),
    ("/files/{...rest}", "write `{*rest}`"),
    ("/files/{rest...}", "write `{*rest}`"),
    ("/files/{**rest}", "write `{*rest}`"),
    ("/files/{rest*}", "write `{*rest}`"),
    ("/files/{$}", "leave `{$}` out"),
    ("/files/{}", "a name in braces"),
    ("/files/{id}.html", "use a regular expression"),
    (r"/files/(?P<id>\d+)", "hansel::regex("),
    ("/files/(?P<id>[^/]+)", "hansel::regex("),
    ("/files/([a-z]+)", "hansel::regex("),
    (r"/files/\d+", "hansel::regex("),
];

#[test]
fn notations_of_other_routers_are_explained() {
    for (pattern, instead) in OTHER_NOTATIONS {
        refuses!(Routes::new().get(pattern, nothing), pattern, instead);
    }
}

#[test]
fn text_that_looks_like_a_parameter_is_written_encoded() {
    let client = |pattern: &str| Client::new(Routes::new().get(pattern, || "text"));
    for (pattern, path, other) in [
        ("/%3Aid", "/:id", "/7"),
        ("/%2A", "/*", "/7"),
        ("/%2Arest", "/*rest", "/7"),
        ("/%7Bid%7D", "/%7bid%7d", "/7"),
        ("/%7B%7D", "/%7B%7D", "/7"),
        ("/%3Cid%3E", "/%3cid%3E", "/7"),
        ("/%5Bid%5D", "/%5Bid%5D", "/7"),
        ("/Foo_(bar)", "/Foo_(bar)", "/Foo_"),
        ("/$metadata", "/$metadata", "/metadata"),
    ] {
        assert_eq!(client(pattern).get(path).status(), 200, "{pattern}");
        assert_eq!(client(pattern).get(other).status(), 404, "{pattern}");
    }
}

#[test]
fn braces_that_are_text_never_collide_with_parameters() {
    let here = |id: String| format!("parameter {id}");
    let text = || "text";
    let both: [Routes; 4] = [
        Routes::new().get("/a/{id}", here).post("/a/%7B%7D", text),
        Routes::new().post("/a/%7B%7D", text).get("/a/{id}", here),
        Routes::new()
            .get("/a/{id}", here)
            .post("/a/%7Bid%7D", text)
            .post("/a/%7B%7D", text),
        Routes::new()
            .get("/a/{id}", here)
            .get("/a/%7B*%7D", text)
            .post("/a/%7B%7D", text),
    ];
    for routes in both {
        let client = Client::new(routes);
        assert_eq!(client.get("/a/5").text(), "parameter 5");
        assert_eq!(client.post("/a/5", "").header("Allow"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(client.post("/a/%7B%7D", "").text(), "text");
    }
    let rests = Routes::new().get("/{*rest}", |rest: String| rest).get("/%7B*%7D", text);
    let client = Client::new(rests.mount("/%7Bx%7D", text).mount("/{x}/y", text));
    assert_eq!(client.get("/%7B*%7D").text(), "text");
    assert_eq!(client.get("/b/c").text(), "b/c");
    assert_eq!(client.get("/%7Bx%7D").text(), "text");
}

#[test]
fn a_mount_of_its_own_may_be_encoded() {
    let client = Client::new(Chain::new().then(mount("/a%20b/%7Bc%7D", || "inside")));
    assert_eq!(client.get("/a%20b/%7Bc%7D").text(), "inside");
    assert_eq!(client.get("/a%2520b/x").status(), 404);
}

#[test]
fn a_pattern_has_sixteen_parameters_at_most() {
    let here = |_: &Request| "here";
    let template = |count| (0..count).map(|n| format!("/{{x{n}}}")).collect::<String>();
    let path = "/a".repeat(16);
    assert_eq!(
        Client::new(Routes::new().get(template(16), here)).get(&path).text(),
        "here"
    );
    refuses!(Routes::new().get(template(17), here), "more than 16 parameters");
    #[cfg(feature = "regex")]
    {
        let client = Client::new(Routes::new().regex(&"/(a)".repeat(16), here));
        assert_eq!(client.get(&path).text(), "here");
        for count in [17, 18] {
            refuses!(Routes::new().regex(&"/(a)".repeat(count), here), "more than 16 groups");
        }
    }
}

#[test]
fn a_mount_of_its_own_may_be_the_root() {
    let client = Client::new(Chain::new().then(mount("/", Routes::new().get("/x", || "x"))));
    assert_eq!(client.get("/x").text(), "x");
}

#[test]
fn a_mount_of_its_own_has_no_parameters_and_no_slash_at_its_end() {
    for path in ["/a/", "a", ""] {
        refuses!(
            mount(path, || ""),
            "begins with a slash and does not end with one",
            format!("`{path}`")
        );
    }
    refuses!(mount("/a/{id}", || ""), "`{id}` is a parameter", "`Routes::mount`");
    for path in ["/a/{id", "/a/id}", "/a/{id}.json"] {
        refuses!(mount(path, || ""), "mixes text and braces");
    }
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
    refuses!(
        Routes::new().get("/{a}/{*rest}", |_: &str, _: &str, _: &str| ""),
        "captures 1 and a rest",
        "takes 3"
    );
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
    refuses!(App::new(routes()), "two routes have the name", "/a", "/b");
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
