//! Handlers that are `async`.

use hansel::{Routes, Server};

async fn hello() -> &'static str {
    "Hello"
}

fn main() {
    let _ = Routes::new().get("/", hello);
    let _ = Server::bind("127.0.0.1:0").unwrap().serve(hello);
}
