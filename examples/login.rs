//! A login: a form that nobody can forge, a session, pages for users only, and messages for the next page.
//!
//! `cargo run --example login --features sessions,form`, then open <http://localhost:8000/> and log in as `gretel` with
//! the password `breadcrumbs`. To copy it, add `ring = "0.17"` to your dependencies, or use a crate such as `argon2`.

use std::num::NonZeroU32;

use hansel::sessions::MemoryStore;
use hansel::{
    App, Csrf, CsrfToken, Form, FromRequest, Hooks, Html, Request, Response, Routes, Server, Session, Sessions, State,
    local_path,
};
use ring::pbkdf2;
use serde::Deserialize;

/// The number of rounds that OWASP recommends for PBKDF2-HMAC-SHA256. It takes a good part of a second, which is the purpose.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(600_000).unwrap();

/// Those who may log in. A service has them in a database.
struct Accounts(Vec<Account>);

struct Account {
    name: String,
    salt: [u8; 16],
    hash: [u8; 32],
}

impl Account {
    fn new(name: &str, password: &str) -> Account {
        let random = ring::rand::generate::<[u8; 16]>(&ring::rand::SystemRandom::new());
        let salt = random.expect("the system has random numbers").expose();
        let mut hash = [0; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            ITERATIONS,
            &salt,
            password.as_bytes(),
            &mut hash,
        );
        Account {
            name: name.to_owned(),
            salt,
            hash,
        }
    }

    fn has_password(&self, password: &str) -> bool {
        let (salt, hash) = (&self.salt, &self.hash);
        pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, salt, password.as_bytes(), hash).is_ok()
    }
}

impl Accounts {
    fn find(&self, name: &str, password: &str) -> Option<&Account> {
        let account = self.0.iter().find(|account| account.name == name);
        // Whoever asks for a name that does not exist waits as long, and learns nothing from it.
        let is_right = account.or(self.0.first())?.has_password(password);
        account.filter(|_| is_right)
    }
}

/// A user who is logged in. A handler that takes one is for users only: others are sent to the login.
struct User {
    name: String,
}

impl FromRequest for User {
    type Rejection = Response;

    fn from_request(request: &Request) -> Result<User, Response> {
        let session = Session::from_request(request).map_err(hansel::IntoResponse::into_response)?;
        match session.read("user") {
            Some(name) => Ok(User { name }),
            // Not kept in the session: whoever only looks takes no place in the store.
            None => Err(Response::see_other(format!("/login?next={}", encoded(request.path())))),
        }
    }
}

/// Encodes text for a query.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'/' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn home(user: User, session: Session, token: CsrfToken) -> Html<String> {
    let content = format!(
        "<p>Hello {}.</p><form method=post action=/logout>{}<button>Log out</button></form>",
        user.name,
        token.field(),
    );
    page("Home", &session, &content)
}

fn login_form(session: Session, token: CsrfToken) -> Html<String> {
    let content = format!(
        "<form method=post>{}\
         <p><label>Name <input name=name autocomplete=username required></label>\
         <p><label>Password <input name=password type=password autocomplete=current-password required></label>\
         <p><button>Log in</button></form>",
        token.field(),
    );
    page("Log in", &session, &content)
}

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
}

/// The form is sent to the address of its page, so the query is still there.
fn login(request: &Request, session: Session, accounts: State<Accounts>, Form(login): Form<Login>) -> Response {
    let next = request.query_value("next").unwrap_or_default();
    let Some(account) = accounts.find(&login.name, &login.password) else {
        session.flash("error", "The name or the password is wrong.");
        return Response::see_other(format!("/login?next={}", encoded(&next)));
    };
    // A new id: whoever has planted or seen the one before has nothing now.
    session.renew();
    session.set("user", &account.name);
    session.flash("info", "Welcome.");
    // Not to wherever a link to this page says, but only to a page of this site.
    Response::see_other(local_path(&next).unwrap_or("/"))
}

fn logout(session: Session) -> Response {
    session.end();
    session.flash("info", "You are logged out.");
    Response::see_other("/login")
}

/// A page, with the messages that wait for one. What comes from users must be escaped: here nothing does, because names
/// are those of accounts.
fn page(title: &str, session: &Session, content: &str) -> Html<String> {
    let flashes = session.flashes();
    let message = |flash: &hansel::sessions::Flash| format!("<p class={}>{}</p>", flash.kind(), flash.text());
    let messages: String = flashes.iter().map(message).collect();
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>\
         <style>body {{ font: 1.1rem system-ui; margin: 3rem }} .error {{ color: #b00 }}</style>\
         <h1>{title}</h1>{messages}{content}"
    ))
}

fn app(accounts: Accounts) -> App {
    let routes = Routes::new()
        .get("/", home)
        .get("/letters/{*path}", |user: User, path: String| {
            format!("{path} for {}", user.name)
        })
        .get("/login", login_form)
        .post("/login", login)
        .post("/logout", logout);
    // Some clients want to be told that localhost needs no TLS. In production this is off, and TLS is on.
    let is_development = cfg!(debug_assertions);
    let csrf = Csrf::new().allow_plain_http_on_localhost(is_development);
    let sessions = Sessions::in_store(MemoryStore::new(100_000)).allow_plain_http_on_localhost(is_development);
    App::new(Hooks::on(sessions.on(csrf.on(routes))).state(accounts))
}

fn main() -> std::io::Result<()> {
    Server::bind("127.0.0.1:8000")?.serve(app(Accounts(vec![Account::new("gretel", "breadcrumbs")])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::test::{self, Client};

    /// A browser: it keeps cookies, and its forms have the token of the page that they are on.
    fn send_form(client: &Client, page: &str, target: &str, fields: &str) -> test::Response {
        let page = client.get(page);
        let token = page
            .text()
            .split("value=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap();
        let request = Request::post(target).with_header("Content-Type", "application/x-www-form-urlencoded");
        client.send(request.with_body(format!("csrf_token={token}&{fields}")))
    }

    #[test]
    fn users_log_in_and_out() {
        let client = Client::new(app(Accounts(vec![Account::new("gretel", "breadcrumbs")]))).with_cookies();
        let letter = "/letters/to%20hansel";
        let login = client.get(letter).header("Location").unwrap().to_owned();
        assert_eq!(login, "/login?next=/letters/to%2520hansel");

        for wrong in ["name=gretel&password=gingerbread", "name=witch&password=breadcrumbs"] {
            let response = send_form(&client, &login, &login, wrong);
            assert_eq!(response.header("Location"), Some(&*login));
            assert!(client.get(&login).text().contains("is wrong"));
        }

        let right = "name=gretel&password=breadcrumbs";
        let evil = "/login?next=https://evil.test/";
        assert_eq!(send_form(&client, evil, evil, right).header("Location"), Some("/"));
        let response = send_form(&client, &login, &login, right);
        assert_eq!(response.header("Location"), Some(letter));
        assert_eq!(client.get(letter).text(), "to hansel for gretel");
        let home = client.get("/").text().to_owned();
        assert!(home.contains("Welcome.") && home.contains("Hello gretel."), "{home}");

        assert_eq!(client.post("/logout", "").status(), 403, "a forged logout");
        assert_eq!(
            send_form(&client, "/", "/logout", "").header("Location"),
            Some("/login")
        );
        assert!(client.get("/login").text().contains("You are logged out."));
        assert_eq!(client.get("/").status(), 303);
    }
}
