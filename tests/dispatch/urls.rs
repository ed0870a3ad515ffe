//! Built URLs lead to their routes, also through a browser, which resolves the URLs it follows.

use std::fmt::Display;

use hansel::dispatch::UrlError;
use hansel::test::Client;
use hansel::{App, Application, Method, Request, Routes, Slashes};
use proptest::prelude::*;

/// What a browser asks of which host, if it follows a link or `Location` on a page of `here` (WHATWG URL, "basic URL
/// parser", for http): `None` for another host.
fn resolve(link: &str) -> Option<String> {
    // "Remove any leading and trailing C0 control or space", "remove all ASCII tab or newline".
    let link = link.trim_matches(|c: char| c <= ' ');
    let link: String = link.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    let link = link.split('#').next().unwrap_or("");
    let (path, query) = match link.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (link, String::new()),
    };
    // "Relative slash state", where a backslash of a special URL is a slash.
    let path = path.replace('\\', "/");
    let behind = path.strip_prefix('/')?;
    if behind.starts_with('/') {
        return None;
    }
    let mut segments: Vec<String> = Vec::new();
    let mut parts = behind.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match &*part.to_ascii_lowercase().replace("%2e", ".") {
            "." if is_last => segments.push(String::new()),
            "." => {}
            ".." => {
                segments.pop();
                if is_last {
                    segments.push(String::new());
                }
            }
            _ => segments.push(encoded(part)),
        }
    }
    Some(format!("/{}{query}", segments.join("/")))
}

/// The path percent-encode set.
fn encoded(part: &str) -> String {
    let is_encoded = |octet: u8| !(0x21..0x7f).contains(&octet) || b"\"#<>?^`{}".contains(&octet);
    let encode = |octet: u8| match is_encoded(octet) {
        true => format!("%{octet:02X}"),
        false => char::from(octet).to_string(),
    };
    part.bytes().map(encode).collect()
}

#[test]
fn a_browser_resolves_as_the_rules_say() {
    for (link, asks) in [
        ("/a/../b", Some("/b")),
        ("/a/%2E%2e/b/.", Some("/b/")),
        ("/..", Some("/")),
        ("//b/c", None),
        ("/\\b/c", None),
        ("/\t/b", None),
        ("/.//b", Some("//b")),
        ("/a b|[", Some("/a%20b|[")),
    ] {
        assert_eq!(resolve(link).as_deref(), asks, "{link}");
    }
}

fn value() -> impl Strategy<Value = String> {
    const PIECES: [&str; 26] = [
        "a", "b", ".", "..", "...", "%2e", "%2E", "/", "//", "\\", "%2F", "%5c", "%", "%25", "evil.com", ":", "@", "?",
        "#", "\t", "\r\n", " ", "é", "|[]^`{}", "\0", "7",
    ];
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..4).prop_map(|pieces| pieces.concat())
}

fn app() -> App {
    let all = |values: Vec<String>| format!("{values:?}");
    let inner = Routes::new()
        .get("/{b}", move |request: &Request, b: String| {
            all(vec![request.capture("a").unwrap_or("-").to_owned(), b])
        })
        .name("mounted");
    let routes = Routes::new()
        .get("/{*rest}", move |rest: String| all(vec![rest]))
        .name("root")
        .get("/one/{a}", move |a: String| all(vec![a]))
        .name("one")
        .get("/number/{a}", move |a: u8| all(vec![a.to_string()]))
        .name("number")
        .get("/{a}/{b}/", move |a: String, b: String| all(vec![a, b]))
        .name("two")
        .get("/%2e%2e/{a}", move |a: String| all(vec![a]))
        .name("dots")
        .get("/te^xt(%7B)/100%/{a}", move |a: String| all(vec![a]))
        .name("text")
        .mount("/mount/{a}", inner);
    #[cfg(feature = "regex")]
    let routes = routes
        .regex(r"^/x/(?P<a>.*)$", move |a: String| all(vec![a]))
        .name("expression")
        .regex(r"^/y/(.*)/(.*)$", move |a: String, b: String| all(vec![a, b]))
        .name("greedy");
    App::new(routes)
}

const NAMES: [(&str, usize); 9] = [
    ("root", 1),
    ("one", 1),
    ("number", 1),
    ("two", 2),
    ("dots", 1),
    ("text", 1),
    ("mounted", 2),
    ("expression", 1),
    ("greedy", 2),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn built_urls_lead_where_they_say(a in value(), b in value()) {
        let app = app();
        let values = [a, b];
        let mut built = Vec::new();
        for (name, takes) in NAMES.into_iter().take(if cfg!(feature = "regex") { 9 } else { 7 }) {
            let given: Vec<&dyn Display> = values.iter().take(takes).map(|value| value as &dyn Display).collect();
            match app.url_for(name, &given) {
                Ok(url) => built.push((url, takes)),
                Err(UrlError::LeadsElsewhere { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        let client = Client::new(app);
        for (url, takes) in built {
            let asked = resolve(&url);
            prop_assert!(asked.is_some(), "{} leads to another host", url);
            let response = client.get(&asked.unwrap_or_default());
            prop_assert_eq!(response.text(), format!("{:?}", &values[..takes]), "{}", url);
        }
    }

    #[test]
    fn redirections_to_another_slash_lead_where_they_say(path in prop::collection::vec(segment(), 0..4), query in "[a-z/=?]{0,4}") {
        let routes = || Routes::new().get("/{*rest}", |rest: String| rest);
        #[cfg(feature = "regex")]
        let routes = || routes().regex(r"^/.*/x/$", || "x").regex(r"^/.*[^/]/y$", || "y").regex("^//.*z/$", || "z");
        let client = Client::new(App::new(routes()).slashes(Slashes::Redirect));
        let target = format!("/{}?{query}", path.join("/"));
        let response = client.get(&target);
        if response.status() == 308 {
            let location = response.header("Location").unwrap_or_default();
            let asked = resolve(location);
            prop_assert_eq!(asked.as_deref(), Some(location), "{}", target);
            let keeps_query = location.ends_with(&format!("?{query}"));
            prop_assert!(keeps_query, "{}", location);
            prop_assert_eq!(client.get(location).status(), 200, "{}", location);
        }
    }
}

fn segment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            "", ".", "..", "%2e", "%2E.", "a", "x", "y", "z", "%5C", "%2F", "evil.com", "%09", "a|b",
        ][..],
    )
}

#[test]
fn what_a_browser_would_lead_elsewhere_is_not_built() {
    let app = app();
    for value in [
        "..",
        ".",
        "../admin",
        "a/../b",
        "a/./b",
        "/evil.com",
        "//evil.com",
        "/\\evil.com",
        "./x",
        "a/..",
    ] {
        let built = app.url_for("root", &[&value]);
        assert!(
            matches!(built, Err(UrlError::LeadsElsewhere { .. })),
            "{value}: {built:?}"
        );
    }
    assert_eq!(app.url_for("root", &[&"\\evil.com"]).as_deref(), Ok("/%5Cevil.com"));
    assert_eq!(app.url_for("one", &[&"%2e%2e"]).as_deref(), Ok("/one/%252e%252e"));
    assert_eq!(app.url_for("one", &[&"a/.."]).as_deref(), Ok("/one/a%2F.."));
    assert_eq!(
        app.url_for("text", &[&"{}"]).as_deref(),
        Ok("/te%5Ext(%7B)/100%25/%7B%7D")
    );
    // It leads there, and the values would be others.
    #[cfg(feature = "regex")]
    assert!(app.url_for("greedy", &[&"a", &"b/c"]).is_err());
    #[cfg(feature = "regex")]
    assert_eq!(app.url_for("greedy", &[&"a/b", &"c"]).as_deref(), Ok("/y/a/b/c"));
}

#[test]
fn a_redirection_leads_to_this_path_of_this_host_or_nowhere() {
    let routes = Routes::new()
        .get("/{a}/", |a: String| a)
        .get("/{a}/{b}/", |a: String, b: String| a + &b);
    let app = App::new(routes).slashes(Slashes::Redirect);
    for (target, location) in [
        ("/a?b=//c", Some("/a/?b=//c")),
        ("http://evil.example/a", Some("/a/")),
        ("/%5Cevil.example", Some("/%5Cevil.example/")),
        ("/a%0d%0aX:y", Some("/a%0d%0aX:y/")),
        ("//evil.example", None),
        ("/..", None),
        ("/./evil.example", None),
        ("/%2e/evil.example", None),
        ("/a/..", None),
        ("/a/.%2E", None),
    ] {
        let response = app.call(&Request::new(Method::GET, target));
        assert_eq!(response.header("Location"), location, "{target}");
        assert_eq!(response.status().as_u16(), if location.is_some() { 308 } else { 404 });
    }
}
