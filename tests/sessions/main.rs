//! Sessions and forged requests, as clients see them.

mod concurrency;
mod csrf;
mod expiry;
mod login;
mod storage;
mod support;
