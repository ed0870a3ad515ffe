//! State that handlers share, and errors: as problem details (RFC 9457).

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use hansel::{Error, Hooks, Routes, State, StatusCode, problem_details};

/// The state that the handlers share.
struct Bakery {
    muffins: AtomicU32,
}

pub(super) fn bakery() -> Hooks {
    let routes = Routes::new().get("/muffins", count).post("/muffins/buy/{wanted}", buy);
    let muffins = AtomicU32::new(12);
    Hooks::on(routes).state(Bakery { muffins }).respond(problem_details())
}

fn count(bakery: State<Bakery>) -> String {
    format!("{} muffins\n", bakery.muffins.load(Relaxed))
}

fn buy(wanted: u32, bakery: State<Bakery>) -> hansel::Result<String> {
    bakery
        .muffins
        .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(wanted))
        .map_err(|left| Error::new(StatusCode::CONFLICT, format!("only {left} left")))?;
    Ok(format!("{wanted} muffins for you\n"))
}

/// Among nobody it panics, which is a 500. The server goes on.
pub(super) fn share(muffins: u32, among: u32) -> String {
    format!("{} muffins each\n", muffins / among)
}

#[cfg(test)]
mod tests {
    use crate::app::app;
    use hansel::test::Client;

    #[test]
    fn an_error_is_problem_details_and_a_panic_explains_itself_in_development() {
        let client = Client::new(app());
        assert_eq!(client.post("/bakery/muffins/buy/2", "").text(), "2 muffins for you\n");
        assert_eq!(client.get("/bakery/muffins").text(), "10 muffins\n");
        assert_eq!(client.get("/share/10/5").text(), "2 muffins each\n");

        let refused = client.post("/bakery/muffins/buy/100", "");
        assert_eq!(refused.status(), 409);
        assert_eq!(refused.header("Content-Type"), Some("application/problem+json"));
        assert!(
            refused.text().contains(r#""detail":"only 10 left""#),
            "{}",
            refused.text()
        );

        let panicked = client.get("/share/10/0");
        assert_eq!(panicked.status(), 500);
        assert!(
            panicked.text().contains("demo/src/app/bakery.rs:"),
            "{}",
            panicked.text()
        );
    }
}
