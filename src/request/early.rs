//! A response that may begin while the handler of its request runs, as far as the request is concerned.

use std::any::Any;
use std::sync::Arc;

use super::BodyError;

/// A way to begin the response to a request before its handler returns.
pub(crate) trait EarlyCall: Send + Sync {
    /// Sends what comes before the response, by `send`. If the response has begun already, it is not sent.
    fn before(&self, send: &mut dyn FnMut() -> Result<(), BodyError>) -> Result<(), BodyError>;

    /// Returns this as what it is.
    fn as_any(&self) -> &dyn Any;
}

/// The way to respond before the handler returns, while there is one.
pub(crate) type EarlyWay = Option<Arc<dyn EarlyCall>>;
