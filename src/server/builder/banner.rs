//! What a server says of itself at its start.

use std::fmt;

use super::Server;

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (listener, door) in self.listeners.iter().zip(&self.doors) {
            let proxied = if door.proxy_protocol.is_some() {
                ", behind a PROXY header"
            } else {
                ""
            };
            writeln!(f, "hansel: listening on {}://{listener}{proxied}", door.scheme())?;
        }
        for listener in &self.health_listeners {
            writeln!(f, "hansel: health of it on {listener}")?;
        }
        writeln!(
            f,
            "  loops       {}, up to {} handlers at once",
            self.loops, self.threads
        )?;
        if let Some(trust) = &self.trust {
            writeln!(f, "  trust       {trust}")?;
        }
        write!(f, "{}", self.limits)
    }
}
