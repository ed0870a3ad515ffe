//! JSON of a type that serde knows nothing about: as an argument, and as a response.

use hansel::{Json, Routes};

struct Person {
    name: String,
}

fn create(Json(person): Json<Person>) -> String {
    person.name
}

fn show() -> Json<Person> {
    Json(Person { name: "Gretel".into() })
}

fn main() {
    let _ = Routes::new().post("/people", create);
    let _ = Routes::new().get("/people", show);
}
