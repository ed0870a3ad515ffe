#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod chunk;
mod connection;
mod fields;
mod framing;
mod head;
mod host;
mod limits;
mod lines;
mod parse;
mod progress;
mod refusal;
mod request_line;
mod respond;
mod scan;
mod section;
mod span;
mod state;
mod status;
mod target;
mod trailers;
mod value;
mod version;

pub use connection::{Connection, Next, Received};
pub use fields::{FieldBlock, FieldBlockIter, FieldRule, InvalidField};
pub use framing::Framing;
pub use head::{Fields, Head, LastSection};
pub use host::is_host;
pub use limits::Limits;
pub use refusal::{Reason, Refusal};
pub use respond::{BodyLength, BodyPlan, ResponseHead};
pub use span::Span;
pub use status::reason_phrase;
pub use target::TargetForm;
pub use trailers::Trailers;
pub use value::{FieldValue, HttpDate};
pub use version::Version;
