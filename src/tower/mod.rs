//! The `tower` traits, both ways: the same application on any server that speaks them, such as hyper, for
//! HTTP/2 or in a program that is async already; and any of their services [as an application](application).
//!
//! Requires the feature `tower`.

mod alarm;
mod arriving;
mod authority;
mod body;
mod call;
mod head;
mod hosted;
mod pool;
mod reply;
mod service;

pub use body::Body;
pub use hosted::{Enter, Hosted, Original, application};
pub use service::Service;
