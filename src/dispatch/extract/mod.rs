//! Arguments that are read from the request, once the endpoint is final.

#[cfg(feature = "form")]
mod form;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "query")]
mod query;
mod state;
#[cfg(any(feature = "query", feature = "form"))]
mod urlencoded;

#[cfg(feature = "form")]
pub use form::Form;
#[cfg(feature = "json")]
pub use json::Json;
#[cfg(feature = "query")]
pub use query::Query;
pub use state::State;

/// Implements `Argument` for a type that takes nothing of the path, and is read from the request by a function.
macro_rules! extractor {
    ([$($generics:tt)*] $type:ty, $extract:path) => {
        impl<$($generics)*> $crate::dispatch::Argument for $type {
            const SEAL: $crate::sealed::Seal = $crate::sealed::Seal;
            type Of<'c> = $type;
            type Parsed<'r> = ();
            const KIND: $crate::dispatch::Kind = $crate::dispatch::Kind::Extractor;

            fn parse<'r>(
                _: &mut $crate::dispatch::PathArguments<'_, 'r>,
            ) -> Result<(), $crate::dispatch::Unfit<'r>> {
                Ok(())
            }

            fn extract<'c, 'r: 'c>(
                (): (),
                source: &mut $crate::dispatch::Source<'c, 'r>,
            ) -> Result<$type, Box<$crate::Response>> {
                $extract(source.request).map_err($crate::dispatch::extract::rejected)
            }
        }
    };
}
use extractor;

/// Returns the response to a request whose query or body the handler can't take.
#[cfg(any(feature = "query", feature = "form", feature = "json"))]
fn refusal(status: http::StatusCode, what: &str, reason: impl std::fmt::Display) -> crate::Response {
    crate::Response::new(format!("{what}: {reason}"))
        .with_status(status)
        .with_origin(crate::Origin::Rejected)
}

/// A response to a request of which a handler's argument can't be made.
pub(crate) fn rejected(response: crate::Response) -> Box<crate::Response> {
    // What has failed has said so itself.
    let is_handlers = response.origin() == Some(crate::Origin::Handler);
    Box::new(if is_handlers {
        response.with_origin(crate::Origin::Rejected)
    } else {
        response
    })
}
