//! An argument whose type cannot be parsed from a path.

use hansel::Routes;

struct Person {
    id: u32,
}

fn show(person: Person) -> String {
    person.id.to_string()
}

fn main() {
    let _ = Routes::new().get("/people/{person}", show);
}
