//! The lines that a server prints at its start.

use std::fmt;

use super::Server;

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for listener in &self.listeners {
            f.write_str("hansel: listening on ")?;
            listener.write(&listener.door.or(&self.door), f)?;
            f.write_str("\n")?;
        }
        for listener in &self.health_listeners {
            writeln!(f, "hansel: health checks on {listener}")?;
        }
        writeln!(
            f,
            "  loops       {}, up to {} handlers at once, {} of them writing streams",
            self.loops,
            self.threads,
            (self.threads / 2).max(1)
        )?;
        if let Some(trust) = &self.trust {
            writeln!(f, "  trust       {trust}")?;
        }
        write!(f, "{}", self.limits)
    }
}
