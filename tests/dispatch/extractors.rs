//! Arguments that are read from the whole request, by types of hansel's and of the program's.

use std::sync::{Arc, Mutex};

use hansel::dispatch::Needs;
use hansel::test::Client;
use hansel::{App, Error, FromRequest, Hooks, IntoResponse, Origin, Request, Response, Routes, State, StatusCode};

use super::panics::refused;

/// Users by session.
struct Sessions {
    users: Vec<(&'static str, &'static str)>,
}

struct User(&'static str);

impl FromRequest for User {
    type Rejection = Error;

    fn from_request(request: &Request) -> Result<User, Error> {
        let sessions = State::<Sessions>::from_request(request)?;
        let session = request.header("X-Session").unwrap_or("");
        if session == "broken" {
            return Err(Error::from("the store of sessions is down"));
        }
        let user = sessions.users.iter().find(|(id, _)| *id == session);
        user.map(|(_, user)| User(user))
            .ok_or_else(|| Error::new(StatusCode::UNAUTHORIZED, "please log in"))
    }

    fn needs(needs: &mut Needs) {
        needs.state::<Sessions>();
    }
}

/// A rejection need not be an error.
struct Admin;

impl FromRequest for Admin {
    type Rejection = Response;

    fn from_request(_: &Request) -> Result<Admin, Response> {
        Err(Response::see_other("/login"))
    }
}

/// Another extractor, and a condition.
struct Checked<E>(E);

impl<E: FromRequest> FromRequest for Checked<E> {
    type Rejection = Response;

    fn from_request(request: &Request) -> Result<Checked<E>, Response> {
        if request.header("X-Checked").is_none() {
            return Err(StatusCode::FORBIDDEN.into_response());
        }
        E::from_request(request)
            .map(Checked)
            .map_err(IntoResponse::into_response)
    }

    fn needs(needs: &mut Needs) {
        E::needs(needs);
    }
}

fn routes() -> Routes {
    Routes::new()
        .get("/user", |user: User| user.0)
        .get("/user/{id}", |id: u32, user: User, _: &Request| {
            format!("{id} {}", user.0)
        })
        .get("/maybe", |user: Option<User>| user.map_or("nobody", |user| user.0))
        .get("/result", |user: Result<User, Error>| match user {
            Ok(user) => user.0.to_owned(),
            Err(error) => format!("{}: {error}", error.status()),
        })
        .get("/admin", |_: Admin| "")
        .get(
            "/maybe-admin",
            |admin: Option<Admin>| if admin.is_some() { "admin" } else { "no admin" },
        )
        .get("/checked", |Checked(user): Checked<User>| user.0)
}

fn hooked() -> Hooks {
    Hooks::on(routes()).state(Sessions {
        users: vec![("7", "Gretel")],
    })
}

fn ask(client: &Client, target: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let request = headers.iter().fold(Request::get(target), |request, (name, value)| {
        request.with_header(name, value)
    });
    let response = client.send(request);
    (response.status().as_u16(), response.text().to_owned())
}

#[test]
fn a_type_of_the_programs_is_an_argument_beside_others() {
    let client = Client::new(hooked());
    let gretel = &[("X-Session", "7")];
    assert_eq!(ask(&client, "/user", gretel), (200, "Gretel".into()));
    assert_eq!(ask(&client, "/user/3", gretel), (200, "3 Gretel".into()));
    assert_eq!(ask(&client, "/user", &[]), (401, "please log in".into()));
    assert_eq!(ask(&client, "/admin", &[]).0, 303);
    assert_eq!(ask(&client, "/checked", gretel).0, 403);
    assert_eq!(
        ask(&client, "/checked", &[("X-Session", "7"), ("X-Checked", "")]),
        (200, "Gretel".into())
    );
}

#[test]
fn the_way_is_found_before_anything_is_read() {
    let client = Client::new(hooked());
    assert_eq!(
        ask(&client, "/user/gretel", &[]).0,
        404,
        "not 401: the path leads nowhere"
    );
}

#[test]
fn an_option_is_none_where_it_is_refused_but_a_failure_stays_one() {
    let client = Client::new(hooked());
    assert_eq!(ask(&client, "/maybe", &[("X-Session", "7")]), (200, "Gretel".into()));
    assert_eq!(ask(&client, "/maybe", &[]), (200, "nobody".into()));
    assert_eq!(ask(&client, "/maybe-admin", &[]), (200, "no admin".into()));
    assert_eq!(
        ask(&client, "/maybe", &[("X-Session", "broken")]),
        (500, "Internal Server Error".into())
    );
}

#[test]
fn a_result_has_the_rejection() {
    let client = Client::new(hooked());
    assert_eq!(ask(&client, "/result", &[("X-Session", "7")]), (200, "Gretel".into()));
    assert_eq!(
        ask(&client, "/result", &[]),
        (200, "401 Unauthorized: please log in".into())
    );
}

#[test]
fn what_an_extractor_needs_is_checked_where_it_is_taken() {
    let message = refused(|| App::new(routes())).message;
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines.len(), 5, "all but the two without users: {message}");
    for line in lines {
        assert!(
            line.contains("takes a `State<dispatch::extractors::Sessions>`"),
            "{line}"
        );
    }
}

#[test]
fn a_rejection_is_seen_as_one() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let app = App::new(hooked()).respond(move |seen, response| {
        let mut noted = noted.lock().unwrap();
        noted.push((seen.origin(), response.status().as_u16(), seen.request().is_some()));
    });
    let client = Client::new(app);
    for (target, session) in [
        ("/user", "7"),
        ("/user", "8"),
        ("/admin", ""),
        ("/user", "broken"),
        ("/result", ""),
    ] {
        ask(&client, target, &[("X-Session", session)]);
    }
    assert_eq!(
        *seen.lock().unwrap(),
        [
            (Origin::Handler, 200, true),
            (Origin::Rejected, 401, true),
            (Origin::Rejected, 303, true),
            (Origin::Failed, 500, true),
            (Origin::Handler, 200, true),
        ]
    );
}

#[cfg(all(feature = "query", feature = "form", feature = "json"))]
#[test]
fn what_is_optional_may_be_missing_but_not_wrong() {
    use hansel::{Form, Json, Query};

    #[derive(serde::Deserialize)]
    struct Number {
        n: u8,
    }
    let client = Client::new(
        Routes::new()
            .post("/json", |json: Option<Json<Number>>| {
                json.map_or("none".into(), |json| json.0.n.to_string())
            })
            .post("/form", |form: Option<Form<Number>>| {
                form.map_or("none".into(), |form| form.0.n.to_string())
            })
            .post("/query", |query: Option<Query<Number>>| {
                query.map_or("none".into(), |query| query.0.n.to_string())
            })
            .post("/result", |json: Result<Json<Number>, Error>| match json {
                Ok(json) => json.0.n.to_string(),
                Err(error) => error.to_string(),
            }),
    );
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    for (target, kind, body, status, text) in [
        ("/json", "", "", 200, "none"),
        ("/json", json, r#"{"n":7}"#, 200, "7"),
        ("/json", json, "", 400, "JSON: "),
        ("/json", json, "[", 400, "JSON: "),
        ("/json", "", "[", 415, "JSON: "),
        ("/form", "", "", 200, "none"),
        ("/form", form, "n=7", 200, "7"),
        ("/form", form, "n=x", 422, "form: "),
        ("/query", "", "", 200, "none"),
        ("/query?n=7", "", "", 200, "7"),
        ("/query?n=x", "", "", 400, "query: "),
        ("/query?", "", "", 400, "query: "),
        ("/result", json, "7", 200, "JSON: invalid type"),
    ] {
        let mut request = Request::post(target).with_body(body);
        if !kind.is_empty() {
            request = request.with_header("Content-Type", kind);
        }
        let response = client.send(request);
        assert_eq!(response.status(), status, "{target} {kind} {body}: {}", response.text());
        assert!(
            response.text().starts_with(text),
            "{target} {kind} {body}: {}",
            response.text()
        );
    }
}
