//! A dispatcher where a function should be.

use hansel::Routes;

fn main() {
    let inner = Routes::new().get("/", || "inner");
    let _ = Routes::new().get("/outer", inner);
}
