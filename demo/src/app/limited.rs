//! A limit of how many requests a client may send.

use std::time::Duration;

use hansel::{Hooks, RateLimit, Routes};

pub(super) fn limited() -> Hooks {
    let routes = Routes::new().get("/", || "Here you are.\n");
    RateLimit::new(5, Duration::from_secs(10)).on(routes)
}

#[cfg(test)]
mod tests {
    use crate::app::app;
    use hansel::test::Client;

    #[test]
    fn the_sixth_request_is_told_when_to_come_again() {
        let client = Client::new(app());
        let refused = (0..50).map(|_| client.get("/limited")).find(|it| it.status() == 429);
        assert!(refused.is_some_and(|it| it.header("Retry-After").is_some()));
    }
}
