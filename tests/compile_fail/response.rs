//! A return value that is not a response.

use hansel::Routes;

struct Person {
    id: u32,
}

fn show(id: u32) -> Person {
    Person { id }
}

fn main() {
    let _ = Routes::new().get("/people/{id}", show);
    let _ = |person: Person| person.id;
}
