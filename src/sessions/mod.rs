//! Sessions: what a service remembers of a browser from one request to the next; and protection against forged requests.
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
