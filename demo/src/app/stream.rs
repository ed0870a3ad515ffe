//! A response that is written piece by piece: server-sent events.

use std::io::Write;
use std::time::Duration;

use hansel::{Body, Response};

const PAUSE: Duration = Duration::from_millis(250);

pub(super) fn stream() -> Response {
    let crumbs = Body::stream(|client| {
        for crumb in 1..=20 {
            write!(client, "data: crumb {crumb}\n\n")?;
            if !client.wait(PAUSE) {
                break; // The client has left, or the server stops.
            }
        }
        Ok(())
    });
    Response::new(crumbs).with_header("Content-Type", "text/event-stream")
}

#[cfg(test)]
mod tests {
    use crate::app::app;
    use hansel::Request;
    use hansel::test::Client;
    use std::io::{BufRead, BufReader};

    #[test]
    fn the_first_crumbs_arrive_while_others_are_still_to_come() {
        let stream = Client::new(app()).open(Request::get("/stream"));
        assert_eq!(stream.response().header("Content-Type"), Some("text/event-stream"));
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        assert_eq!(lines.next().as_deref(), Some("data: crumb 1"));
        assert_eq!(lines.nth(1).as_deref(), Some("data: crumb 2"));
    }
}
