//! State that an application shares with its handlers.

use std::any::type_name;
use std::ops::Deref;
use std::sync::Arc;

use super::FromRequest;
use crate::dispatch::Needs;
use crate::{Error, Request};

/// A value that [`Hooks::state`](crate::Hooks::state) shares with the handler.
///
/// That there is one is checked when the [`App`](crate::App) is created, which a server does at its start: if nothing
/// around a handler shares it, that panics, and names the type and the line of the route. What a dispatcher of your own
/// does not [describe](crate::dispatch::Dispatch::describe) can't be checked; there the response is 500, and the log
/// names the type.
///
/// A value that a hook sets for a single request is an [`Extension`](crate::Extension).
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
pub struct State<T: ?Sized>(pub Arc<T>);

impl<T: ?Sized> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Clone for State<T> {
    fn clone(&self) -> State<T> {
        State(Arc::clone(&self.0))
    }
}

impl<T: ?Sized + Send + Sync + 'static> FromRequest for State<T> {
    type Rejection = Error;

    fn from_request(request: &Request) -> Result<State<T>, Error> {
        request.state::<T>().map(State).ok_or_else(missing::<T>)
    }

    fn needs(needs: &mut Needs) {
        needs.state::<T>();
    }
}

#[cold]
fn missing<T: ?Sized>() -> Error {
    let text = format!(
        "it takes a State<{}>, and nothing around it shares one",
        type_name::<T>()
    );
    Error::from(text)
}
