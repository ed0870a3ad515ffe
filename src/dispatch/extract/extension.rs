//! Values that hooks set for one request.

use std::any::{Any, type_name};
use std::ops::Deref;
use std::sync::Arc;

use super::FromRequest;
use crate::{Error, Request, Response};

/// A value that a hook has [set](Request::set) for this request.
///
/// If no hook has set one, the response is 500, and the log names the type. An `Option<Extension<T>>` is `None` then.
///
/// ```
/// use hansel::{App, Extension, Hooks, Request, Routes};
///
/// struct Language { code: &'static str }
///
/// fn negotiate(request: &Request) {
///     let is_german = request.header("Accept-Language").is_some_and(|languages| languages.starts_with("de"));
///     request.set(Language { code: if is_german { "de" } else { "en" } });
/// }
///
/// fn greet(language: Extension<Language>) -> &'static str {
///     if language.code == "de" { "Guten Tag" } else { "Hello" }
/// }
///
/// let app = App::new(Hooks::on(Routes::new().get("/", greet)).before(negotiate));
/// # use hansel::Application;
/// # let response = app.call(&Request::get("/").with_header("Accept-Language", "de, en;q=0.5"));
/// # assert_eq!(response.body().bytes(), Some(&b"Guten Tag"[..]));
/// ```
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "handlers take it apart: `Extension(value): Extension<T>`"
)]
pub struct Extension<T>(pub Arc<T>);

impl<T> Deref for Extension<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Extension<T> {
    fn clone(&self) -> Extension<T> {
        Extension(Arc::clone(&self.0))
    }
}

impl<T: Any + Send + Sync> FromRequest for Extension<T> {
    type Rejection = Error;

    fn from_request(request: &Request) -> Result<Extension<T>, Error> {
        request.value::<T>().map(Extension).ok_or_else(|| missing::<T>(request))
    }

    fn optional(request: &Request) -> Result<Option<Extension<T>>, Response> {
        Ok(request.value::<T>().map(Extension))
    }
}

#[cold]
fn missing<T: Any + Send + Sync>(request: &Request) -> Error {
    let name = type_name::<T>();
    let instead = match request.state::<T>() {
        Some(_) => format!("; `.state(..)` shares one: take `State<{name}>`"),
        None => String::new(),
    };
    Error::from(format!(
        "it takes an Extension<{name}>, and no hook has set one{instead}"
    ))
}
