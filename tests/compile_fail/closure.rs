//! Closures whose argument has no type, or is the request itself.

use hansel::{Request, Routes};

fn main() {
    let _ = Routes::new().get("/", |request| request.path().to_owned());
    let _ = Routes::new().get("/", |_| "Hello");
    let _ = Routes::new().get("/", |request: Request| request.path().to_owned());
}
