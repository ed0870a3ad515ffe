//! A directory over HTTP: `cargo run --example files --features files -- DIRECTORY ADDRESS`.
//!
//! The suite in `conformance/` tests it.

use hansel::Server;
use hansel::files::Files;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| ".".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let files = Files::open(&directory)?
        .listing() // of directories without an index.html
        .precompressed() // site.css.br, .zst or .gz beside site.css
        .hashed_names(); // app.3f9ac01d.js is kept by browsers for good
    println!("serving {directory} on http://{address}");
    Server::bind(address)?.serve(files)
}
