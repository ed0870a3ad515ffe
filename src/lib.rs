//! hansel
