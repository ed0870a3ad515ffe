//! An application means the same on hansel's own server, in the test client, and through `tower` in both directions.

mod axum;
mod hooks;
mod same;
mod servers;
