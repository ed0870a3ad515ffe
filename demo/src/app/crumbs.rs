//! A long text, as it is and compressed.

use hansel::{Compression, Routes};

pub(super) fn crumbs() -> Routes {
    let path = || (1..=3000).map(|crumb| format!("crumb {crumb} of 3000\n"));
    let compressed = Compression::new().on(Routes::new().get("/", move || path().collect::<String>()));
    Routes::new()
        .get("/large", move || path().collect::<String>())
        .mount("/small", compressed)
}

#[cfg(test)]
mod tests {
    use crate::app::app;
    use hansel::Request;
    use hansel::test::Client;

    #[test]
    fn the_same_text_is_large_and_small() {
        let client = Client::new(app());
        let length = |path: &str, coding: &str| {
            let response = client.send(Request::get(path).with_header("Accept-Encoding", coding));
            response.header("Content-Length").unwrap().parse::<usize>().unwrap()
        };
        let whole = length("/crumbs/large", "br, gzip");
        assert_eq!(length("/crumbs/small", "identity"), whole);
        for coding in ["br", "gzip"] {
            assert!(length("/crumbs/small", coding) * 4 < whole, "{coding}");
        }
    }
}
