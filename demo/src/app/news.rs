//! A topic: what one page sends, all open pages see, and no thread waits for them.

use hansel::{Hooks, Request, Routes, State, Topic, TopicSettings};

pub(super) fn news() -> Hooks {
    let routes = Routes::new()
        .get("/", |news: State<Topic>| news.subscribe())
        .post("/", tell)
        .route_body_limit(200);
    Hooks::on(routes).state(Topic::with(TopicSettings::new().name("news")))
}

fn tell(request: &Request, news: State<Topic>) -> hansel::Result<String> {
    news.send(request.text()?);
    Ok(format!("Sent to {}.\n", news.status().subscribers))
}

#[cfg(test)]
mod tests {
    use crate::app::app;
    use hansel::Request;
    use hansel::test::Client;
    use std::io::{BufRead, BufReader};

    #[test]
    fn what_one_sends_all_who_listen_see() {
        let client = Client::new(app());
        let mut pages = [(); 2].map(|()| BufReader::new(client.open(Request::get("/news"))).lines());
        assert_eq!(client.post("/news", "a crumb").text(), "Sent to 2.\n");
        for page in &mut pages {
            let data = page.map(Result::unwrap).find(|line| line.starts_with("data"));
            assert_eq!(data.as_deref(), Some("data: a crumb"));
        }
        assert_eq!(client.post("/news", vec![b'x'; 201]).status(), 413);
    }
}
