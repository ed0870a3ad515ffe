//! The smallest service: `cargo run --example hello`, then `curl -i http://127.0.0.1:8080`.
use hansel::Server;

fn main() -> hansel::Result {
    Ok(Server::bind("127.0.0.1:8080")?.serve(|| "Hello, world!")?)
}
