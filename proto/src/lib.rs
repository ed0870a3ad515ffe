#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod chunk;
mod connection;
mod fields;
mod framing;
mod head;
mod host;
mod limits;
mod parse;
mod progress;
mod refusal;
mod request_line;
mod respond;
mod scan;
mod section;
mod state;
mod status;
mod target;
mod trailers;
mod value;

pub use connection::{Connection, Next, Received};
pub use fields::{FieldBlock, FieldBlockIter, FieldRule, InvalidField};
pub use framing::Framing;
pub use head::{Fields, Head, LastSection, Span, TargetForm, Version};
pub use limits::Limits;
pub use refusal::{Reason, Refusal};
pub use respond::{BodyLength, BodyPlan, ResponseHead};
pub use status::reason_phrase;
pub use trailers::Trailers;
pub use value::{FieldValue, HttpDate};
