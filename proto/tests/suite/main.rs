//! One binary for all integration tests: a file per group of rules, each test quoting its rule.

mod corpus;
mod field_block;
mod head;
mod httparse_differential;
mod laws;
mod limits;
mod responses;
mod rfc9110_s10_expect;
mod rfc9112_s2_message;
mod rfc9112_s3_request_line;
mod rfc9112_s5_fields;
mod rfc9112_s6_framing;
mod rfc9112_s7_chunked;
mod rfc9112_s9_connection;
#[cfg(feature = "websocket")]
mod websocket;
mod wire;
