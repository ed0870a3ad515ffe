//! The page at the root, and its files: part of the program, and read from `demo/page` while it is developed.

use hansel::files::Files;
use hansel::{Request, Response};

pub(super) fn files() -> Files {
    Files::new(hansel::embed!("page"))
}

pub(super) fn index() -> impl Fn(&Request) -> Option<Response> + Send + Sync + 'static {
    let files = files();
    move |request| files.send(request, "index.html")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::app::app;
    use hansel::test::Client;

    const INDEX: &str = include_str!("../../page/index.html");

    #[test]
    fn the_page_and_its_files_are_served_and_load_nothing_from_elsewhere() {
        let client = Client::new(app());
        for (target, content_type) in [
            ("/", "text/html; charset=utf-8"),
            ("/static/style.css", "text/css; charset=utf-8"),
            ("/static/play.js", "text/javascript; charset=utf-8"),
            ("/static/icon.svg", "image/svg+xml"),
        ] {
            let response = client.get(target);
            assert_eq!(response.status(), 200, "{target}");
            assert_eq!(response.header("Content-Type"), Some(content_type), "{target}");
            let policy = response.header("Content-Security-Policy").unwrap();
            assert!(policy.starts_with("default-src 'self';"), "{policy}");
        }
        assert_eq!(client.get("/").text(), INDEX);
        assert!(!INDEX.contains("style=") && !INDEX.contains("onclick") && !INDEX.contains("http"));
    }

    #[test]
    fn every_button_sends_a_request_that_means_something_here() {
        let app = app();
        let requests = INDEX
            .split("data-send=\"")
            .skip(1)
            .chain(INDEX.split("data-trail=\"").skip(1));
        let mut count = 0;
        for request in requests.map(|rest| rest.split('"').next().unwrap()) {
            let (method, target) = crate::app::request_line(request).unwrap();
            let is_probe = ["/livez", "/readyz", "/metrics"].contains(&target);
            let is_wrong_on_purpose = [404, 405].contains(&app.explain(method.clone(), target).status());
            let is_said_so = ["/people/gretel", "/peple/7", "/share/6/two"].contains(&target) || method == "PATCH";
            let is_options = method == "OPTIONS";
            assert!(is_probe || is_options || is_wrong_on_purpose == is_said_so, "{request}");
            count += 1;
        }
        assert!(count > 30, "{count}");
    }

    /// Each run of lines in a piece of code stands like this in a file of the demo, but for the indentation.
    #[test]
    fn the_code_on_the_page_is_the_demos_own() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let read =
            |file: &str| fs::read_to_string(sources.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let of_app = lines(&read("app.rs"));
        let mut count = 0;
        for article in INDEX.split("<article ").skip(1) {
            let file = article.split("data-file=\"").nth(1).unwrap().split('"').next().unwrap();
            let own = lines(&read(file));
            let code = article.split("<pre><code>").nth(1).unwrap();
            let code = code.split("</code>").next().unwrap();
            let code = code.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            for shown in code.split("\n\n") {
                let shown = lines(shown);
                let stands_in = |source: &[String]| source.windows(shown.len()).any(|window| window == shown);
                assert!(stands_in(&own) || stands_in(&of_app), "not in {file}: {shown:#?}");
                count += 1;
            }
        }
        assert!(count > 15, "{count}");
    }

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}
