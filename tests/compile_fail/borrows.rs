//! Responses that borrow: from the request, from the path, and from a resource.

use hansel::{Request, Routes, Server, resource};

struct Field {
    name: String,
}

resource!(Field { get });

impl Field {
    fn get(&self) -> &str {
        &self.name
    }
}

fn path(request: &Request) -> &str {
    request.path()
}

fn echo(word: &str) -> &str {
    word
}

fn main() {
    let _ = Routes::new().get("/path", path);
    let _ = Routes::new().get("/echo/{word}", echo);
    let _ = Routes::new().mount("/path", path);
    let _ = Server::bind("127.0.0.1:0").unwrap().serve(path);
}
