//! The dispatch of a request, explained as text.

use std::sync::Weak;

use hansel::{App, Error, Method, Request, Response, StatusCode};

/// Returns the handler of `GET /explain?request=GET+/people/7`. Nothing but look-ups and hooks of `app` run.
pub(super) fn of(app: Weak<App>) -> impl Fn(&Request) -> hansel::Result<Response> + Send + Sync + 'static {
    move |request| {
        let line = request.query_value("request").unwrap_or_default();
        let (method, target) = request_line(&line).map_err(|mistake| Error::new(StatusCode::BAD_REQUEST, mistake))?;
        let app = app.upgrade().ok_or("the application has ended")?;
        let trail = app.explain(method, target).to_string();
        Ok(Response::new(trail).with_header("Cache-Control", "no-store"))
    }
}

/// Parses `GET /people/7`. Without a method it is GET.
pub(crate) fn request_line(line: &str) -> Result<(Method, &str), String> {
    let (method, target) = line.trim().split_once(' ').unwrap_or(("GET", line.trim()));
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("{method:?} is not a valid method"))?;
    Ok((method, target.trim_start()))
}

#[cfg(test)]
mod tests {
    use crate::app::app;
    use hansel::test::Client;

    #[test]
    fn a_trail_is_explained_and_nothing_is_called() {
        let client = Client::new(app());
        let explained = |line: &str| client.get(&format!("/explain?request={}", line.replace(' ', "+")));
        assert!(explained("GET /people/7").text().ends_with("found\n"));
        assert!(explained("GET /people/gretel").text().contains("`gretel` is not a u32"));
        assert!(explained("PATCH /field").text().contains("405 Method Not Allowed"));
        assert!(explained("GET not-a-path").text().contains("400"));
        assert_eq!(explained("G(T /").status(), 400);

        assert!(explained("DELETE /field").text().ends_with("found\n"));
        assert_eq!(client.get("/field").text(), "10 potatoes in the field.");
    }
}
