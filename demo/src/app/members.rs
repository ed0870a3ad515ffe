//! A part for those who have a token.

use hansel::auth::{Bearer, User};
use hansel::{Hooks, Routes};

pub(super) fn members() -> Hooks {
    let routes = Routes::new().get("/", |user: User| format!("Come in, {}.\n", user.name()));
    Bearer::tokens("members", [("breadcrumbs", "gretel")]).on(routes)
}

#[cfg(test)]
mod tests {
    use crate::app::app;
    use hansel::Request;
    use hansel::test::Client;

    #[test]
    fn only_who_has_the_token_comes_in() {
        let client = Client::new(app());
        assert_eq!(client.get("/members").status(), 401);
        let with = |token: &str| Request::get("/members").with_header("Authorization", format!("Bearer {token}"));
        assert_eq!(client.send(with("pebbles")).status(), 401);
        assert_eq!(client.send(with("breadcrumbs")).text(), "Come in, gretel.\n");
    }
}
