//! Forged requests.

use hansel::test::{Client, Response};
use hansel::{Csrf, CsrfToken, Html, Request, Routes, Session};

use crate::support::{Counting, cookie, in_cookie, in_store};

const FORM: &str = "application/x-www-form-urlencoded";

fn routes() -> Routes {
    let login = |session: Session| {
        session.renew();
        session.set("user", "gretel");
        "welcome"
    };
    Routes::new()
        .get("/form", |token: CsrfToken| Html(token.field()))
        .post("/form", || "done")
        .put("/form", || "done")
        .delete("/form", || "done")
        .post("/login", login)
        .get("/renew", |session: Session| session.renew())
}

fn client() -> Client {
    Client::new(in_store(&Counting::new()).on(Csrf::new().on(routes()))).with_cookies()
}

/// Takes the token out of a form that the client gets.
fn token(client: &Client) -> String {
    let page = client.get("/form");
    let field = page
        .text()
        .strip_prefix("<input type=\"hidden\" name=\"csrf_token\" value=\"");
    field.and_then(|field| field.strip_suffix("\">")).unwrap().to_owned()
}

fn post(client: &Client, target: &str, token: &str) -> Response {
    let request = Request::post(target).with_header("Content-Type", FORM);
    client.send(request.with_body(format!("a=b&csrf_token={token}&c=d")))
}

/// A request as a browser sends it, with a token or without.
fn send(client: &Client, method: &str, headers: &[(&str, &str)]) -> u16 {
    let request = Request::new(method.parse().unwrap(), "/form");
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| request.with_header(name, value));
    client.send(request).status().as_u16()
}

fn logged_in() -> Client {
    let client = client();
    let login = post(&client, "/login", &token(&client));
    assert_eq!(login.text(), "welcome");
    client
}

#[test]
fn a_form_needs_its_token_and_says_so() {
    for client in [client(), logged_in()] {
        assert_eq!(post(&client, "/form", &token(&client)).text(), "done");
        let without = client.send(
            Request::post("/form")
                .with_header("Content-Type", FORM)
                .with_body("a=b"),
        );
        assert_eq!(without.status(), 403);
        assert!(without.text().contains("it has no token"), "{}", without.text());
        let wrong = post(&client, "/form", &"A".repeat(86));
        assert_eq!(wrong.status(), 403);
        assert!(wrong.text().contains("load the page again"), "{}", wrong.text());
        assert_eq!(post(&client, "/form", "").status(), 403);
    }
}

#[test]
fn the_form_of_a_login_is_protected_before_there_is_a_session() {
    let store = Counting::new();
    let client = Client::new(in_store(&store).on(Csrf::new().on(routes()))).with_cookies();
    assert_eq!(post(&client, "/login", "").status(), 403);
    let token = token(&client);
    assert_eq!(store.len(), 0, "whoever only looks takes no place in the store");
    let attackers = Client::new(in_store(&store).on(Csrf::new().on(routes()))).with_cookies();
    assert_eq!(
        post(&attackers, "/login", &token).status(),
        403,
        "the token is this client's"
    );
    assert_eq!(post(&client, "/login", &token).text(), "welcome");
    assert_eq!(store.len(), 1);
}

#[test]
fn a_token_belongs_to_its_session() {
    let (one, other) = (logged_in(), logged_in());
    let (of_one, of_other) = (token(&one), token(&other));
    assert_eq!(post(&one, "/form", &of_other).status(), 403);
    assert_eq!(post(&one, "/form", &of_one).status(), 200);
    assert_eq!(post(&one, "/form", &of_one).status(), 200, "again, in another tab");
}

#[test]
fn a_token_ends_with_the_id_of_its_session() {
    let anonymous = client();
    let before = token(&anonymous);
    assert_eq!(post(&anonymous, "/login", &before).text(), "welcome");
    assert_eq!(
        post(&anonymous, "/form", &before).status(),
        403,
        "that of the login's form"
    );
    let client = logged_in();
    let before = token(&client);
    client.get("/renew");
    assert_eq!(post(&client, "/form", &before).status(), 403);
    assert_eq!(post(&client, "/form", &token(&client)).status(), 200);
}

#[test]
fn no_part_of_a_token_comes_again_in_the_next_response() {
    for client in [client(), logged_in()] {
        let tokens: Vec<String> = (0..20).map(|_| token(&client)).collect();
        for (number, one) in tokens.iter().enumerate() {
            for other in &tokens[number + 1..] {
                let common = one.bytes().zip(other.bytes()).filter(|(a, b)| a == b).count();
                assert!(common < 20, "{common} of {} letters are the same", one.len());
            }
            assert_eq!(post(&client, "/form", one).status(), 200, "each is valid");
        }
    }
}

#[test]
fn a_page_of_another_origin_is_refused_whatever_it_sends() {
    let client = logged_in();
    let token = token(&client);
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.test"),
        ("Origin", "null"),
        ("Origin", "https://localhost:8443"),
    ] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
            let status = send(&client, method, &[(name, value), ("X-CSRF-Token", &token)]);
            assert_eq!(status, 403, "{method} {name}: {value}");
        }
        assert_eq!(send(&client, "GET", &[(name, value)]), 200, "a link may be followed");
    }
}

#[test]
fn a_script_of_this_origin_needs_no_token() {
    for client in [client(), logged_in()] {
        let here = ("Sec-Fetch-Site", "same-origin");
        for mode in ["cors", "same-origin"] {
            assert_eq!(send(&client, "POST", &[here, ("Sec-Fetch-Mode", mode)]), 200);
            assert_eq!(send(&client, "DELETE", &[here, ("Sec-Fetch-Mode", mode)]), 200);
        }
        assert_eq!(
            send(&client, "POST", &[here, ("Sec-Fetch-Mode", "navigate")]),
            403,
            "a form"
        );
        let (origin, json) = (("Origin", "https://localhost"), ("Content-Type", "application/json"));
        assert_eq!(send(&client, "POST", &[origin, json]), 200, "an older browser");
        assert_eq!(
            send(&client, "POST", &[origin, ("Content-Type", FORM)]),
            403,
            "a form of an older browser"
        );
        assert_eq!(send(&client, "POST", &[origin]), 403);
        assert_eq!(send(&client, "POST", &[json]), 403, "nobody says where it comes from");
        let own_hand = [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", "navigate")];
        assert_eq!(send(&client, "POST", &own_hand), 403);
    }
}

#[test]
fn an_upload_passes_by_its_origin_or_its_header() {
    let client = logged_in();
    let kind = ("Content-Type", "multipart/form-data; boundary=x");
    let form = [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "navigate"), kind];
    assert_eq!(send(&client, "POST", &form), 200);
    assert_eq!(send(&client, "POST", &[("Sec-Fetch-Site", "cross-site"), kind]), 403);
    assert_eq!(send(&client, "POST", &[kind]), 403);
    assert_eq!(send(&client, "POST", &[kind, ("X-CSRF-Token", &token(&client))]), 200);
}

#[test]
fn a_trusted_origin_is_treated_like_this_one() {
    let csrf = Csrf::new().trust_origin("https://app.example.com");
    let client = Client::new(in_cookie().on(csrf.on(routes()))).with_cookies();
    let from = |origin, mode| {
        let headers = [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Mode", mode),
            ("Origin", origin),
        ];
        send(&client, "POST", &headers)
    };
    assert_eq!(from("https://app.example.com", "cors"), 200);
    assert_eq!(
        from("https://app.example.com", "navigate"),
        403,
        "a form needs a token there as well"
    );
    assert_eq!(from("http://app.example.com", "cors"), 403);
    assert_eq!(from("https://app.example.com.evil.test", "cors"), 403);
}

#[test]
#[should_panic(expected = "is not an origin")]
fn what_is_no_origin_is_found_at_start() {
    let _ = Csrf::new().trust_origin("app.example.com");
}

#[test]
fn a_cookie_that_another_host_can_plant_makes_no_token_valid() {
    let attacker = client();
    let token = token(&attacker);
    let planted = attacker.cookie("__Host-csrf").unwrap();
    let sent = |name: &str| {
        let request = Request::post("/form").with_header("Cookie", format!("{name}={planted}"));
        client().send(request.with_header("X-CSRF-Token", &token)).status()
    };
    assert_eq!(sent("csrf"), 403);
    assert_eq!(sent("__Secure-csrf"), 403);
    assert_eq!(sent("__Host-csrf"), 200, "which browsers take from this host only");
}

#[test]
fn a_page_with_a_token_is_in_no_shared_cache_and_others_are_not_touched() {
    for client in [client(), logged_in()] {
        let page = client.get("/form");
        assert_eq!(page.header("Vary"), Some("Cookie"));
        assert_eq!(page.header("Cache-Control"), Some("private, no-cache"));
        assert_eq!(client.get("/nowhere").header("Vary"), None);
    }
    let first = client().get("/form");
    let set = first.header("Set-Cookie").unwrap();
    assert!(
        set.starts_with("__Host-csrf=") && set.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"),
        "{set}"
    );
}

#[test]
fn a_refusal_hides_what_is_inside() {
    let client = client();
    for target in ["/form", "/nowhere"] {
        assert_eq!(client.post(target, "").status(), 403, "{target}");
    }
}

#[test]
fn it_works_without_sessions_and_without_tls_in_development() {
    let routes = || {
        Routes::new()
            .get("/", |token: CsrfToken| token.text())
            .post("/", || "done")
    };
    let csrf = Csrf::new().allow_plain_http_on_localhost(true);
    let clients = [
        Client::new(Csrf::new().on(routes())).with_cookies(),
        Client::new(csrf.on(routes())).with_cookies_over_plain_http(),
    ];
    for client in clients {
        let token = client.get("/").text().to_owned();
        let sent = client.send(Request::post("/").with_header("X-CSRF-Token", token));
        assert_eq!(sent.text(), "done");
    }
}

#[test]
#[should_panic(expected = "needs `Csrf` around it, and there is none: put `Csrf::new()")]
fn a_form_that_nothing_checks_is_found_at_start() {
    let _ = hansel::App::new(in_cookie().on(routes()));
}

#[test]
fn a_session_that_changes_after_the_token_is_found_by_the_first_request() {
    for change in [Session::renew, Session::end] {
        let late = move |token: CsrfToken, session: Session| {
            let field = token.field();
            change(&session);
            field
        };
        let routes = routes().get("/late", late);
        let client = Client::new(in_cookie().on(Csrf::new().on(routes))).with_cookies();
        assert_eq!(
            client.get("/late").status(),
            200,
            "there is no session that could change"
        );
        let login = post(&client, "/login", &token(&client));
        assert_eq!(login.text(), "welcome");
        assert_eq!(client.get("/late").status(), 500);
    }
    let late = |token: CsrfToken, session: Session| {
        let field = token.field();
        session.set("visits", &1);
        field
    };
    let early = |token: CsrfToken, session: Session| {
        session.set("visits", &1);
        Html(token.field())
    };
    let csrf = |routes: Routes| Client::new(in_cookie().on(Csrf::new().on(routes))).with_cookies();
    assert_eq!(csrf(Routes::new().get("/form", late)).get("/form").status(), 500);
    let client = csrf(Routes::new().get("/form", early).post("/form", || "done"));
    let token = token(&client);
    assert_ne!(cookie(&client), "");
    assert_eq!(post(&client, "/form", &token).text(), "done");
}
