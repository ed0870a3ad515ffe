//! Files over HTTP: what is sent, what never is, and the rules of RFC 9110 for what is sent.

mod conditions;
mod embedded;
mod negotiation;
mod ranges;
mod serving;
mod traversal;
mod tree;
