//! A dispatcher where a function is expected.

use hansel::Routes;

fn main() {
    let inner = Routes::new().get("/", || "inner");
    let _ = Routes::new().get("/outer", inner);
}
