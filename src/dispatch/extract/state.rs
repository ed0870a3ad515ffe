//! State that a part of the application shares.

use std::any::{Any, type_name};
use std::ops::Deref;
use std::sync::Arc;

use super::extractor;
use crate::{Error, IntoResponse, Request, Response};

/// A value that [`Hooks::state`](crate::Hooks::state) shares with the handler, or that a hook has set on the request.
///
/// If there is no value of this type, the response is 500, and the log names the type.
///
/// ```
/// use hansel::{Hooks, Routes, State};
///
/// struct Shop { name: String }
///
/// fn sign(shop: State<Shop>) -> String {
///     shop.name.clone()
/// }
///
/// let shop = Hooks::on(Routes::new().get("/", sign)).state(Shop { name: "Crumbs".into() });
/// # use hansel::Application;
/// # let app = hansel::App::new(shop);
/// # assert_eq!(app.call(&hansel::Request::get("/")).body().bytes(), Some(&b"Crumbs"[..]));
/// ```
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "handlers take it apart: `State(value): State<T>`"
)]
pub struct State<T>(pub Arc<T>);

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> State<T> {
        State(Arc::clone(&self.0))
    }
}

extractor!([T: Any + Send + Sync] State<T>, state);

fn state<T: Any + Send + Sync>(request: &Request) -> Result<State<T>, Response> {
    request.value::<T>().map(State).ok_or_else(|| {
        let text = format!("it takes a State<{}>, and nothing has set one", type_name::<T>());
        Error::from(text).into_response()
    })
}
