//! Types that are read from a request: the trait for extractors of one's own, which those of hansel implement as well.

use crate::dispatch::Needs;
use crate::{IntoResponse, Origin, Request, Response};

/// A type that is read from a request, so handlers can take it as an argument.
///
/// ```
/// use hansel::{App, Error, FromRequest, Request, Routes, StatusCode};
///
/// struct User { name: String }
///
/// impl FromRequest for User {
///     type Rejection = Error;
///
///     fn from_request(request: &Request) -> Result<User, Error> {
///         let name = request.header("X-User").ok_or_else(|| Error::new(StatusCode::UNAUTHORIZED, "who are you?"))?;
///         Ok(User { name: name.to_owned() })
///     }
/// }
///
/// fn whoami(user: User) -> String { user.name }
///
/// let app = App::new(Routes::new().get("/whoami", whoami));
/// # use hansel::Application;
/// # let response = app.call(&Request::get("/whoami").with_header("X-User", "gretel"));
/// # assert_eq!(response.body().bytes(), Some(&b"gretel"[..]));
/// # assert_eq!(app.call(&Request::get("/whoami")).status(), 401);
/// ```
///
/// It is called once the endpoint is final, after the arguments from the path fit. If it refuses, the rejection is the
/// response, and [`Seen::origin`](crate::Seen::origin) is [`Origin::Rejected`].
///
/// | argument | if it is refused |
/// |---|---|
/// | `T` | the rejection is the response |
/// | `Option<T>` | `None`, see [`optional`](FromRequest::optional) |
/// | `Result<T, T::Rejection>` | the handler gets the rejection |
///
/// Other extractors can be used inside, and their errors passed on by `?`. One that needs state says so by
/// [`needs`](FromRequest::needs):
///
/// ```
/// use std::collections::HashMap;
///
/// use hansel::dispatch::Needs;
/// use hansel::{App, Error, FromRequest, Hooks, Request, Routes, State, StatusCode};
///
/// struct Sessions { users: HashMap<String, String> }
///
/// struct User(String);
///
/// impl FromRequest for User {
///     type Rejection = Error;
///
///     fn from_request(request: &Request) -> Result<User, Error> {
///         let sessions = State::<Sessions>::from_request(request)?;
///         let user = request.header("X-Session").and_then(|session| sessions.users.get(session));
///         user.cloned().map(User).ok_or_else(|| Error::new(StatusCode::UNAUTHORIZED, "please log in"))
///     }
///
///     fn needs(needs: &mut Needs) {
///         needs.state::<Sessions>();
///     }
/// }
///
/// let sessions = Sessions { users: HashMap::from([("7".to_owned(), "Gretel".to_owned())]) };
/// let app = App::new(Hooks::on(Routes::new().get("/whoami", |user: User| user.0)).state(sessions));
/// # use hansel::Application;
/// # let response = app.call(&Request::get("/whoami").with_header("X-Session", "7"));
/// # assert_eq!(response.body().bytes(), Some(&b"Gretel"[..]));
/// # assert_eq!(app.call(&Request::get("/whoami").with_header("X-Session", "8")).status(), 401);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be read from a request",
    note = "implement `hansel::FromRequest` for `{Self}`",
    note = "if it is a `Json<T>`, `Form<T>` or `Query<T>`: its `T` needs `#[derive(serde::Deserialize)]`, and must not borrow"
)]
pub trait FromRequest: Sized + 'static {
    /// The response to a request from which it can't be read. It may be any response, such as a redirect to a login.
    type Rejection: IntoResponse + 'static;

    /// Reads it from the request.
    ///
    /// # Errors
    /// If it can't be read.
    fn from_request(request: &Request) -> Result<Self, Self::Rejection>;

    /// Reads the value of an argument `Option<Self>`. By default it is `None` if [`from_request`](Self::from_request)
    /// refuses, unless the rejection is a 5xx: a failure does not look like something that is missing.
    ///
    /// # Errors
    /// If the handler can't be called without it.
    fn optional(request: &Request) -> Result<Option<Self>, Response> {
        match Self::from_request(request) {
            Ok(read) => Ok(Some(read)),
            Err(rejection) => {
                let response = rejection.into_response();
                let is_failure = response.status().is_server_error();
                if is_failure { Err(response) } else { Ok(None) }
            }
        }
    }

    /// Notes the [`State`](crate::State) that it needs, which is checked when an [`App`](crate::App) is created. By
    /// default it needs none.
    fn needs(needs: &mut Needs) {
        let _ = needs;
    }
}

/// A response to a request of which a handler's argument can't be made.
pub(in crate::dispatch) fn rejected(response: Response) -> Box<Response> {
    // What has failed has said so itself.
    let is_handlers = response.origin() == Some(Origin::Handler);
    Box::new(if is_handlers {
        response.with_origin(Origin::Rejected)
    } else {
        response
    })
}
