//! Development mode: a 404, 405 or 500 explains itself.
//!
//! `cargo run --example development`, then open <http://127.0.0.1:8000/peple/7> in a browser.

use hansel::{App, Html, Methods, Routes, Server};

fn index() -> Html<&'static str> {
    Html(
        "<!doctype html><title>Try</title><ul>\
         <li><a href=/peple/7>a word misspelt</a> <li><a href=/people/gretel>an argument that does not parse</a>\
         <li><a href=/people/7/>a slash too many</a> <li><a href=/add/1/2>a mount forgotten</a>\
         <li><a href=/login>another method</a> <li><a href=/calc/divide/1/0>a panic</a>\
         <li><a href=/report>an error</a> <li><a href=/shop/cake>a 404 of its own</a></ul>",
    )
}

fn person(id: u32) -> Option<String> {
    (id < 100).then(|| format!("person {id}"))
}

fn login() -> &'static str {
    "Welcome!"
}

fn add(a: i64, b: i64) -> String {
    (a + b).to_string()
}

fn divide(a: i64, b: i64) -> String {
    // Panics for 0, so that there is a page to see.
    (a / b).to_string()
}

fn report() -> hansel::Result<String> {
    let report = std::fs::read_to_string("no/such/report.txt")?;
    Ok(report)
}

fn sold_out() -> Html<&'static str> {
    Html(
        "<!doctype html><style>body{font:1.2rem sans-serif;text-align:center}</style><h1>Sold out</h1><p>Come back tomorrow.",
    )
}

fn app() -> App {
    let calc = Methods::new().add("add", add).add("divide", divide);
    let shop = Routes::new().get("/bread", || "one loaf").not_found(sold_out);
    let routes = Routes::new()
        .get("/", index)
        .get("/people/{id}", person)
        .post("/login", login)
        .get("/report", report)
        .mount("/calc", calc)
        .mount("/shop", shop);
    App::new(routes).development(true)
}

fn main() -> hansel::Result {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".into());
    Ok(Server::bind(&*address)?.serve(app())?)
}
