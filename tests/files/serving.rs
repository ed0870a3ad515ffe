//! What is sent for which path, and with which headers.

use std::fs;
use std::time::Duration;

use hansel::files::{Cache, Files};
use hansel::{App, Body, Chain, Method, Request, Response, Routes, Slashes, StatusCode};

use super::tree::{LAST_MODIFIED, MODIFIED, Tree, await_that, client, get, set_modified};

#[test]
fn a_file_comes_with_what_caches_and_browsers_need() {
    let tree = Tree::new().with("site.css", "body {}");
    let client = client(Files::new(tree.root()));
    let response = client.get("/site.css");
    assert_eq!((response.status().as_u16(), response.text()), (200, "body {}"));
    for (name, value) in [
        ("Content-Type", Some("text/css; charset=utf-8")),
        ("Content-Length", Some("7")),
        ("X-Content-Type-Options", Some("nosniff")),
        ("Accept-Ranges", Some("bytes")),
        ("Last-Modified", Some(LAST_MODIFIED)),
        ("ETag", Some("\"2ebc98a1.1388-7\"")),
        ("Cache-Control", Some("no-cache")),
        ("Vary", None),
        ("Content-Encoding", None),
    ] {
        assert_eq!(response.header(name), value, "{name}");
    }
}

#[test]
fn s9_3_2_head_has_the_headers_of_get_and_no_content() {
    let tree = Tree::new().with("a.txt", "hello");
    let client = client(Files::new(tree.root()));
    let (get, head) = (client.get("/a.txt"), client.call("HEAD", "/a.txt"));
    assert_eq!(head.bytes(), b"");
    let of = |response: &hansel::test::Response| {
        response
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect::<Vec<_>>()
    };
    let without_date = |response| {
        of(response)
            .into_iter()
            .filter(|(name, _)| name != "Date")
            .collect::<Vec<_>>()
    };
    assert_eq!(without_date(&get), without_date(&head));
}

/// RFC 9110 §15.5.5: "the origin server did not find a current representation for the target resource".
#[test]
fn s15_5_5_what_could_be_put_there_and_is_not_is_404_for_get_in_any_order() {
    let tree = Tree::new().with("a.txt", "hello");
    let files = || Files::new(tree.root());
    let changes = || {
        Routes::new()
            .put("/{name}", |name: String| format!("put {name}"))
            .post("/form.txt", || "sent")
    };
    let own = || Routes::new().not_found(|| "own");
    for (way, app, missing) in [
        (
            "files first",
            App::new(Chain::new().then(files()).then(changes())),
            "Not Found",
        ),
        (
            "files last",
            App::new(Chain::new().then(changes()).then(files())),
            "Not Found",
        ),
        ("a mount", App::new(changes().mount("/", files())), "Not Found"),
        (
            "an own 404",
            App::new(changes().mount("/", files()).not_found(|| "own")),
            "own",
        ),
        (
            "an own 404 first",
            App::new(Chain::new().then(own()).then(changes()).then(files())),
            "own",
        ),
        (
            "a catch-all",
            App::new(
                Chain::new()
                    .then(files())
                    .then(changes())
                    .then(Routes::new().any("/{*rest}", |_: Vec<String>| (StatusCode::NOT_FOUND, "own"))),
            ),
            "own",
        ),
    ] {
        // Handlers of one's own are not called for it, so theirs is a status of their own.
        let trail = app.explain(Method::GET, "/b.txt");
        assert_eq!(
            trail.status(),
            if missing == "own" { 200 } else { 404 },
            "{way}: {trail}"
        );
        let client = client(app);
        assert_eq!(client.get("/a.txt").text(), "hello", "{way}");
        let get = client.get("/b.txt");
        assert_eq!((get.status().as_u16(), get.text()), (404, missing), "{way}");
        assert_eq!(client.call("HEAD", "/b.txt").status(), 404, "{way}");
        assert_eq!(client.call("PUT", "/b.txt").text(), "put b.txt", "{way}");
        let other = client.call("DELETE", "/b.txt");
        assert_eq!(
            (other.status().as_u16(), other.header("Allow")),
            (405, Some("OPTIONS, PUT")),
            "{way}"
        );
        assert_eq!(
            client.call("OPTIONS", "/b.txt").header("Allow"),
            Some("OPTIONS, PUT"),
            "{way}"
        );
        assert_eq!(
            client.call("OPTIONS", "/a.txt").header("Allow"),
            Some("GET, HEAD, OPTIONS, PUT"),
            "{way}"
        );
    }
}

/// POST says nothing of GET: that a page of files may be at any path is no reason to hide what is allowed at this one.
#[test]
fn s15_5_6_get_where_only_post_is_allowed_is_405_beside_files() {
    let tree = Tree::new();
    let client = client(
        Routes::new()
            .post("/login", || "in")
            .mount("/", Files::new(tree.root())),
    );
    assert_eq!(client.get("/login").header("Allow"), Some("OPTIONS, POST"));
    assert_eq!(client.get("/login").status(), 405);
}

#[test]
fn s15_5_6_other_methods_are_405_for_what_is_there_and_404_for_what_is_not() {
    let tree = Tree::new().with("a.txt", "hello");
    let client = client(Files::new(tree.root()));
    for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
        let response = client.call(method, "/a.txt");
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(response.header("Allow"), Some("GET, HEAD, OPTIONS"), "{method}");
        assert_eq!(client.call(method, "/b.txt").status(), 404, "{method}");
    }
    assert_eq!(client.call("OPTIONS", "/a.txt").status(), 204);
}

#[test]
fn a_directory_has_an_index_and_a_slash_at_the_end() {
    let tree = Tree::new()
        .with("index.html", "root")
        .with("docs/index.html", "docs")
        .with("empty/other.html", "other")
        .with("a b/c:d/index.html", "odd");
    let client = client(Routes::new().mount("/x/y", Files::new(tree.root())));
    assert_eq!(client.get("/x/y/").text(), "root");
    assert_eq!(client.get("/x/y/docs/").text(), "docs");
    assert_eq!(
        client.get("/x/y/docs/").header("Content-Type"),
        Some("text/html; charset=utf-8")
    );
    for (target, location) in [
        ("/x/y", "./y/"),
        ("/x/y?q=1&r", "./y/?q=1&r"),
        ("/x/y/docs", "./docs/"),
        ("/x/y/a%20b/c:d", "./c%3Ad/"),
    ] {
        let response = client.get(target);
        assert_eq!(response.status(), 308, "{target}");
        assert_eq!(response.header("Location"), Some(location), "{target}");
    }
    for target in [
        "/x/y/empty",
        "/x/y/empty/",
        "/x/y/index.html/",
        "/x/y//",
        "/x/y/docs//",
        "/x/y//docs/",
        "/x/",
    ] {
        assert_eq!(client.get(target).status(), 404, "{target}");
    }
}

#[test]
fn a_redirection_never_leads_to_another_host_or_scheme() {
    let tree = Tree::new()
        .with("evil.example/index.html", "x")
        .with("javascript:alert(1)/index.html", "x");
    let client = client(Files::new(tree.root()));
    // An empty segment names nothing, so there is nothing to be sent to.
    for target in [
        "//evil.example",
        "///evil.example",
        "/%2Fevil.example",
        "/%5Cevil.example",
    ] {
        assert_ne!(client.get(target).status(), 308, "{target}");
    }
    assert_eq!(client.get("/evil.example").header("Location"), Some("./evil.example/"));
    assert_eq!(
        client.get("/javascript:alert(1)").header("Location"),
        Some("./javascript%3Aalert%281%29/")
    );
}

#[test]
fn the_index_may_have_another_name_or_none() {
    let tree = Tree::new().with("index.html", "html").with("home.txt", "txt");
    let at_root = |files: Files| client(files).get("/").status().as_u16();
    assert_eq!(client(Files::new(tree.root()).index("home.txt")).get("/").text(), "txt");
    assert_eq!(at_root(Files::new(tree.root()).index("nothing.html")), 404);
    assert_eq!(at_root(Files::new(tree.root()).index("")), 404);
}

#[test]
#[should_panic(expected = "`../index.html` can't be the index")]
fn the_index_is_no_path() {
    let tree = Tree::new();
    let _ = Files::new(tree.root()).index("../index.html");
}

#[test]
fn a_directory_that_is_not_there_is_a_mistake_at_start() {
    let tree = Tree::new().with("file", "");
    for path in [tree.path("nowhere"), tree.path("file")] {
        assert!(Files::open(&path).is_err());
        let text = std::panic::catch_unwind(|| Files::new(&path)).unwrap_err();
        let text = text.downcast::<String>().unwrap();
        assert!(text.contains(path.to_str().unwrap()), "{text}");
    }
}

#[test]
fn a_single_file_is_at_its_mount_and_nowhere_else() {
    let tree = Tree::new().with("robots.txt", "User-agent: *").with("other.txt", "");
    let client = client(Routes::new().mount("/robots.txt", Files::file(tree.path("robots.txt"))));
    assert_eq!(client.get("/robots.txt").text(), "User-agent: *");
    assert_eq!(
        client.get("/robots.txt").header("Content-Type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(client.call("POST", "/robots.txt").status(), 405);
    for target in ["/robots.txt/", "/robots.txt/x", "/robots.txt/../other.txt", "/"] {
        assert_eq!(client.get(target).status(), 404, "{target}");
    }
    fs::remove_file(tree.path("robots.txt")).unwrap();
    assert_eq!(client.get("/robots.txt").status(), 404);
}

#[test]
fn what_is_not_there_is_left_to_others() {
    let tree = Tree::new().with("a.txt", "file");
    let client = client(
        Chain::new()
            .then(Files::new(tree.root()))
            .then(Routes::new().get("/b.txt", || "route").not_found(|| "nothing")),
    );
    assert_eq!(client.get("/a.txt").text(), "file");
    assert_eq!(client.get("/b.txt").text(), "route");
    assert_eq!(client.get("/c.txt").text(), "nothing");
}

#[test]
fn slashes_may_be_ignored_or_redirected_around_it() {
    let tree = Tree::new().with("a.txt", "file").with("d/index.html", "index");
    let app = |slashes| client(App::new(Files::new(tree.root())).slashes(slashes));
    assert_eq!(app(Slashes::Ignore).get("/a.txt/").text(), "file");
    assert_eq!(
        app(Slashes::Ignore).get("/d").header("Location"),
        Some("./d/"),
        "relative links need the slash"
    );
    let redirecting = app(Slashes::Redirect);
    assert_eq!(redirecting.get("/a.txt/").header("Location"), Some("/a.txt"));
    assert_eq!(redirecting.get("/d").header("Location"), Some("./d/"));
    assert_eq!(redirecting.get("/d/").text(), "index");
}

#[test]
fn it_explains_itself_and_is_on_the_map() {
    let tree = Tree::new().with("a.txt", "file");
    let app = App::new(Routes::new().mount("/static", Files::new(tree.root())));
    let explained = |target| app.explain(Method::GET, target).to_string();
    assert_eq!(app.explain(Method::GET, "/static/a.txt").status(), 200);
    for (target, reason) in [
        ("/static/b.txt", "there is no such file"),
        ("/static/.git", "names that begin with a dot are hidden"),
        ("/static/..", "names no file"),
        ("/static/", "it is a directory without an index"),
    ] {
        assert!(explained(target).contains(reason), "{}", explained(target));
    }
    let map = app.routes().to_string();
    assert!(
        map.contains("/static/{*path}") && map.contains(tree.root().to_str().unwrap()),
        "{map}"
    );
}

#[test]
fn the_cache_policy_is_said_and_hashed_names_are_immutable() {
    let tree = Tree::new()
        .with("app.3f9ac01d.js", "")
        .with("app.js", "")
        .with("d.3f9ac01d/app.js", "");
    let control = |files: Files, target: &str| client(files).get(target).header("Cache-Control").map(str::to_owned);
    let files = || Files::new(tree.root());
    assert_eq!(
        control(files(), "/app.3f9ac01d.js").as_deref(),
        Some("no-cache"),
        "only if asked for"
    );
    let hour = files().cache(Cache::For(Duration::from_secs(3600)));
    assert_eq!(control(hour, "/app.js").as_deref(), Some("max-age=3600"));
    assert_eq!(control(files().cache(Cache::Unsaid), "/app.js"), None);
    let hashed = || files().hashed_names();
    assert_eq!(
        control(hashed(), "/app.3f9ac01d.js").as_deref(),
        Some("max-age=31536000, immutable")
    );
    assert_eq!(control(hashed(), "/app.js").as_deref(), Some("no-cache"));
    assert_eq!(
        control(hashed(), "/d.3f9ac01d/app.js").as_deref(),
        Some("no-cache"),
        "only the name counts"
    );
}

#[test]
fn a_file_that_changes_is_served_as_it_is_now_and_so_is_another_directory_in_its_place() {
    let tree = Tree::new()
        .with("site/a.txt", "one")
        .with("new/a.txt", "three")
        .with("new/b.txt", "");
    let client = client(Files::new(tree.path("site")));
    let before = client.get("/a.txt");
    tree.add("site/a.txt", "two, longer");
    let after = client.get("/a.txt");
    assert_eq!((before.text(), after.text()), ("one", "two, longer"));
    assert_ne!(before.header("ETag"), after.header("ETag"));
    fs::rename(tree.path("site"), tree.path("old")).unwrap();
    // The directory is looked for ten times a second.
    await_that(|| client.get("/a.txt").status() == 404);
    fs::rename(tree.path("new"), tree.path("site")).unwrap();
    await_that(|| client.get("/a.txt").text() == "three");
    assert_eq!(client.get("/b.txt").status(), 200);
}

#[test]
fn what_reproducible_builds_say_of_time_is_no_validator() {
    let tree = Tree::new().with("a.txt", "one");
    set_modified(&tree.path("a.txt"), Duration::from_secs(1));
    let response = client(Files::new(tree.root())).get("/a.txt");
    assert_eq!(
        (response.header("ETag"), response.header("Last-Modified")),
        (None, None)
    );
    set_modified(&tree.path("a.txt"), MODIFIED);
    let response = client(Files::new(tree.root())).get("/a.txt");
    assert_eq!(response.header("Last-Modified"), Some(LAST_MODIFIED));
}

#[test]
fn a_handler_decides_who_gets_a_file() {
    let tree = Tree::new()
        .with("gretel/a.txt", "gretel's")
        .with("hansel/b.txt", "hansel's")
        .with(".secret", "");
    let files = Files::new(tree.root());
    let routes = Routes::new().get(
        "/{user}/{*path}",
        move |request: &Request, user: String, path: String| files.send(request, &format!("{user}/{path}")),
    );
    let client = client(routes);
    assert_eq!(client.get("/gretel/a.txt").text(), "gretel's");
    assert_eq!(get(&client, "/gretel/a.txt", &[("Range", "bytes=0-1")]).text(), "gr");
    for target in [
        "/gretel/b.txt",
        "/gretel/..%2Fhansel%2Fb.txt",
        "/gretel/../hansel/b.txt",
        "/gretel/",
        "/../.secret",
    ] {
        assert_eq!(client.get(target).status(), 404, "{target}");
    }
    let posted = Files::new(tree.root());
    let post = move |request: &Request| posted.send(request, "gretel/a.txt");
    let response = super::tree::client(Routes::new().post("/", post)).send(
        Request::post("/")
            .with_header("If-None-Match", "*")
            .with_header("Range", "bytes=0-0"),
    );
    assert_eq!(
        (response.status().as_u16(), response.text()),
        (200, "gretel's"),
        "conditions are of GET and HEAD"
    );
}

#[test]
fn a_listing_names_what_can_be_asked_for_and_escapes_it() {
    let tree = Tree::new()
        .with("d/b.txt", "")
        .with("d/a&b<script>\"'.txt", "")
        .with("d/javascript:alert(1)", "")
        .with("d/z/x", "")
        .with("d/.hidden", "")
        .with("d/back\\slash", "");
    let client = client(Files::new(tree.root()).listing());
    let page = client.get("/d/");
    assert_eq!(page.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert!(
        page.header("Content-Security-Policy")
            .unwrap()
            .starts_with("default-src 'none'")
    );
    let links: Vec<&str> = page.text().lines().filter(|line| line.starts_with("<li>")).collect();
    assert_eq!(
        links,
        [
            "<li><a href=\"../\">../</a></li>",
            "<li><a href=\"./z/\">z/</a></li>",
            "<li><a href=\"./a%26b%3Cscript%3E%22%27.txt\">a&amp;b&lt;script&gt;&quot;&#39;.txt</a></li>",
            "<li><a href=\"./b.txt\">b.txt</a></li>",
            "<li><a href=\"./javascript%3Aalert%281%29\">javascript:alert(1)</a></li>",
        ]
    );
    for link in [
        "/d/a%26b%3Cscript%3E%22%27.txt",
        "/d/javascript%3Aalert%281%29",
        "/d/b.txt",
    ] {
        assert_eq!(client.get(link).status(), 200, "{link}");
    }
    assert!(!client.get("/").text().contains("../"), "there is nothing above");
    assert_eq!(client.get("/d").status(), 308);
    assert_eq!(client.call("HEAD", "/d/").bytes(), b"");
    assert_eq!(client.call("POST", "/d/").status(), 405);
}

#[test]
fn a_directory_with_an_index_is_not_listed_and_without_being_asked_none_is() {
    let tree = Tree::new().with("d/index.html", "index").with("e/x", "");
    assert_eq!(client(Files::new(tree.root()).listing()).get("/d/").text(), "index");
    assert_eq!(client(Files::new(tree.root())).get("/e/").status(), 404);
}

#[test]
fn a_large_directory_is_listed_in_part() {
    let tree = Tree::new();
    for number in 0..10_010 {
        fs::write(tree.path(&format!("{number:05}")), "").unwrap();
    }
    let page = client(Files::new(tree.root()).listing()).get("/");
    assert_eq!(page.text().matches("<li>").count(), 10_000);
    assert!(page.text().contains("There are more"));
}

#[test]
fn a_file_is_a_body_like_any_other_for_hooks() {
    let tree = Tree::new().with("a.txt", "file");
    let app = App::new(Files::new(tree.root())).respond(|_: &hansel::Seen<'_>, response: &mut Response| {
        response.set_header("X-Len", response.body().len().unwrap_or_default().to_string());
        if response.status() == 404 {
            response.set_body(Body::from("nothing"));
        }
    });
    let client = client(app);
    assert_eq!(client.get("/a.txt").header("X-Len"), Some("4"));
    assert_eq!(client.get("/b.txt").text(), "nothing");
}

#[test]
fn files_of_any_size_arrive_whole() {
    let tree = Tree::new();
    for size in [0, 1, 10_000, 65_536, 65_537, 3_000_000] {
        let content: Vec<u8> = (0..size).map(|at| (at * 7 % 251) as u8).collect();
        tree.add("file", &content);
        let response = client(Files::new(tree.root())).get("/file");
        assert!(response.bytes() == content, "{size}");
        assert_eq!(response.header("Content-Length"), Some(&*size.to_string()));
    }
}

/// A request as browsers send it for a page.
fn page(path: &str) -> Request {
    Request::get(path).with_header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
}

#[test]
fn a_browser_that_asks_for_a_page_gets_the_fallback_and_everybody_else_a_404() {
    let tree = Tree::new().with("app/index.html", "the page").with("site.css", "");
    let files = Files::new(tree.root()).fallback("app/index.html");
    let routes = Routes::new().get("/api/people", || "Gretel").mount("/", files);
    let client = client(routes);
    for path in [
        "/",
        "/people",
        "/people/7",
        "/people/",
        "/people/john.doe",
        "/%2e%2e/x",
        "/.git/config",
    ] {
        let response = client.send(page(path));
        assert_eq!(
            (response.status().as_u16(), response.text()),
            (200, "the page"),
            "{path}"
        );
        assert_eq!(response.header("Vary"), Some("Accept"), "{path}");
        assert_eq!(
            response.header("Content-Type"),
            Some("text/html; charset=utf-8"),
            "{path}"
        );
        assert_eq!(client.get(path).status(), 404, "{path}");
    }
    assert_eq!(client.send(page("/site.css")).text(), "");
    assert_eq!(client.send(page("/api/people")).text(), "Gretel");
    let head = Request::new(Method::HEAD, "/people").with_header("Accept", "text/html");
    assert_eq!(client.send(head).status(), 200);
    let post = Request::post("/people").with_header("Accept", "text/html");
    assert_eq!(client.send(post).status(), 404);
    let tag = client.send(page("/people")).header("ETag").unwrap().to_owned();
    let again = client.send(page("/other").with_header("If-None-Match", tag));
    assert_eq!((again.status().as_u16(), again.header("Vary")), (304, Some("Accept")));
}

#[test]
fn a_fallback_that_is_not_there_yet_is_a_404_and_one_that_is_no_path_is_refused_at_once() {
    let tree = Tree::new();
    let client = client(Files::new(tree.root()).fallback("index.html"));
    assert_eq!(client.send(page("/people")).status(), 404);
    tree.add("index.html", b"built");
    assert_eq!(client.send(page("/people")).text(), "built");
    for path in ["", "/index.html", "../index.html", "a//b"] {
        let files = Files::new(tree.root());
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| files.fallback(path)));
        assert!(refused.is_err(), "{path}");
    }
}

#[test]
fn downloads_are_saved_under_the_name_of_the_file() {
    let tree = Tree::new().with("d/a b.html", "<script>").with("index.html", "");
    let directory = client(Files::new(tree.root()).downloads());
    let named = |response: &hansel::test::Response| response.header("Content-Disposition").map(str::to_owned);
    let expected = Some("attachment; filename=\"a b.html\"");
    assert_eq!(named(&directory.get("/d/a%20b.html")).as_deref(), expected);
    let part = Request::get("/d/a%20b.html").with_header("Range", "bytes=0-1");
    assert_eq!(named(&directory.send(part)).as_deref(), expected);
    assert_eq!(
        named(&directory.get("/")).as_deref(),
        Some("attachment; filename=\"index.html\"")
    );
    assert_eq!(named(&directory.get("/nothing")), None);
    let one = Routes::new().mount("/latest", Files::file(tree.path("d/a b.html")).downloads());
    assert_eq!(named(&client(one).get("/latest")).as_deref(), expected);
}
