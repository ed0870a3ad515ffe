//! Cookies: read, set, removed; plain, signed or encrypted.
//!
//! ```
//! use hansel::{Cookie, Cookies, Response, Routes, test::Client};
//!
//! fn page(cookies: Cookies) -> String {
//!     format!("The theme is {}.", cookies.value("theme").unwrap_or("light"))
//! }
//!
//! fn choose(theme: &str) -> Response {
//!     Response::see_other("/").with_cookie(Cookie::new("theme", theme))
//! }
//!
//! let client = Client::new(Routes::new().get("/", page).post("/theme/{theme}", choose)).with_cookies();
//! assert_eq!(client.post("/theme/dark", "").status(), 303);
//! assert_eq!(client.get("/").text(), "The theme is dark.");
//! ```
//!
//! A [`Cookie`] is safe as it is made; what weakens it has a name that says so. A value that may not be changed by the
//! client is [signed](Cookie::signed), one that may not be read either is [encrypted](Cookie::encrypted), with [`Keys`].
//! To remember who somebody is, use `Sessions` (feature `sessions`).
//!
//! The rules are those of [RFC 6265bis](https://httpwg.org/http-extensions/draft-ietf-httpbis-rfc6265bis.html).
//!
//! Requires the feature `cookies`.

mod cookie;
mod keys;
mod received;
mod response;

use std::time::{SystemTime, UNIX_EPOCH};

pub use cookie::{Cookie, InvalidCookie, SameSite};
pub use keys::{InvalidKeys, Keys};
pub use received::Cookies;

/// Returns the seconds since 1970.
fn seconds() -> u64 {
    // A clock before 1970 was never set.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
