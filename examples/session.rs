//! A user from a session: a type of one's own as an argument of handlers, by ten lines of `FromRequest`.
//!
//! `cargo run --example session`, then `curl -c jar -d gretel http://127.0.0.1:8000/login` and
//! `curl -b jar http://127.0.0.1:8000/account`. A real login checks a password.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::{Mutex, PoisonError};

use hansel::dispatch::Needs;
use hansel::{App, Error, FromRequest, Hooks, Request, Response, Routes, Server, State, StatusCode};

/// Who is logged in, by the number of the session.
#[derive(Default)]
struct Sessions {
    users: Mutex<HashMap<String, String>>,
}

/// The user who sends a request. A handler that takes one is called for nobody else.
struct User {
    name: String,
}

impl FromRequest for User {
    type Rejection = Error;

    fn from_request(request: &Request) -> Result<User, Error> {
        let sessions = State::<Sessions>::from_request(request)?;
        let name = cookie(request, "session").and_then(|session| sessions.find(session));
        let name = name.ok_or_else(|| Error::new(StatusCode::UNAUTHORIZED, "please log in\n"))?;
        Ok(User { name })
    }

    // So a program that forgets `.state(Sessions::default())` does not start.
    fn needs(needs: &mut Needs) {
        needs.state::<Sessions>();
    }
}

impl Sessions {
    fn find(&self, session: &str) -> Option<String> {
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.get(session).cloned()
    }

    /// Begins a session, and returns its number, which nobody can guess.
    fn begin(&self, user: &str) -> String {
        let session: String = (0..4)
            .map(|part| format!("{:016x}", RandomState::new().hash_one(part)))
            .collect();
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.insert(session.clone(), user.to_owned());
        session
    }
}

fn cookie<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let cookies = request.header("Cookie")?.split("; ");
    cookies
        .filter_map(|cookie| cookie.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

fn login(request: &Request, sessions: State<Sessions>) -> hansel::Result<Response> {
    let session = sessions.begin(request.text()?);
    let cookie = format!("session={session}; HttpOnly; SameSite=Lax; Path=/");
    Ok(Response::see_other("/account").with_header("Set-Cookie", cookie))
}

fn account(user: User) -> String {
    format!("the account of {}\n", user.name)
}

/// Everybody may see it, and users see their name.
fn front(user: Option<User>) -> String {
    user.map_or_else(
        || "Hello, stranger\n".to_owned(),
        |user| format!("Hello, {}\n", user.name),
    )
}

fn app() -> App {
    let routes = Routes::new()
        .get("/", front)
        .post("/login", login)
        .get("/account", account);
    App::new(Hooks::on(routes).state(Sessions::default()))
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".into());
    Server::bind(&*address)?.serve(app())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::test::Client;

    #[test]
    fn only_users_have_accounts() {
        let client = Client::new(app());
        assert_eq!(client.get("/account").status(), 401);
        assert_eq!(client.get("/").text(), "Hello, stranger\n");
        let response = client.post("/login", "gretel");
        assert_eq!(response.status(), 303);
        let session = response
            .header("Set-Cookie")
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let ask = |target: &str, cookie: &str| {
            let cookies = format!("theme=dark; {cookie}");
            client.send(Request::get(target).with_header("Cookie", &cookies))
        };
        assert_eq!(ask("/account", &session).text(), "the account of gretel\n");
        assert_eq!(ask("/", &session).text(), "Hello, gretel\n");
        assert_eq!(ask("/account", "session=0").status(), 401);
    }
}
