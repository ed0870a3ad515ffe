//! Sessions: what a service remembers of a browser from one request to the next; and protection against forged requests.
//!
//! ```
//! use hansel::sessions::MemoryStore;
//! use hansel::{App, Csrf, CsrfToken, Html, Response, Routes, Session, Sessions};
//!
//! fn form(session: Session, token: CsrfToken) -> Html<String> {
//!     let saved = session.flashes().iter().map(|message| message.text().to_owned()).collect::<String>();
//!     Html(format!("{saved}<form method=post>{}<button>Save</button></form>", token.field()))
//! }
//!
//! fn save(session: Session) -> Response {
//!     let count = session.read::<u32>("count").unwrap_or(0) + 1;
//!     session.set("count", &count);
//!     session.flash("info", &format!("Saved {count} times."));
//!     Response::see_other("/")
//! }
//!
//! let routes = Routes::new().get("/", form).post("/", save);
//! let app = App::new(Sessions::in_store(MemoryStore::new(10_000)).on(Csrf::new().on(routes)));
//! # let client = hansel::test::Client::new(app).with_cookies();
//! # let token = client.get("/").text().split('"').nth(5).unwrap().to_owned();
//! # let send = hansel::Request::post("/").with_header("X-CSRF-Token", token);
//! # assert_eq!(client.send(send).status(), 303);
//! # assert!(client.get("/").text().starts_with("Saved 1 times."));
//! ```
//!
//! [`Sessions`] are put around routes and decide where sessions are kept: [in a store](Sessions::in_store) such as
//! [`MemoryStore`] or one of your own ([`Store`]), or [in an encrypted cookie](Sessions::in_cookie). Handlers take a
//! [`Session`]. [`Csrf`] inside of them refuses forged requests, and [`CsrfToken`] is what a form needs. That a handler's
//! session and token are there is checked when the application is created.
//!
//! `examples/login.rs` is a whole login, to be copied.
//!
//! # What attackers try, and what stops them
//! | attack | what stops it |
//! |---|---|
//! | guessing an id | it has 256 random bits of the system |
//! | reading the store | it has only hashes of ids |
//! | planting an id that is known (fixation) | an id that the store does not know is never used, the prefix `__Host-` keeps other hosts from setting one, and [`Session::renew`] gives a new one at the login |
//! | reading or changing a session in a cookie | AES-256-GCM, with the cookie's name as a part of what is authentic |
//! | using a copied cookie later | idle and absolute ends are checked on the server. [`Session::end`] ends one in a store at once; one in a cookie can't be recalled |
//! | a request that races with the logout | a change never brings a session back that has ended |
//! | forms and scripts of other sites | [`Csrf`] |
//! | a cache that keeps what was for one user | `Vary: Cookie` and `Cache-Control: private, no-cache` |
//!
//! Requires the feature `sessions`.

mod builder;
mod cache;
mod csrf;
mod extract;
mod flash;
mod host;
mod id;
mod keeping;
mod memory;
mod record;
mod session;
mod settings;
mod state;
mod store;

pub use builder::Sessions;
pub use csrf::{Csrf, CsrfToken};
pub use flash::Flash;
pub use memory::MemoryStore;
pub use session::Session;
pub use store::{Store, StoreKey, Stored};
