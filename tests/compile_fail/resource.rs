//! A function of a resource with an invalid argument.

use hansel::resource;

struct Field;

struct Weather;

resource!(Field { get, post });

impl Field {
    fn get(&self) -> &'static str {
        "a field"
    }

    fn post(&self, _: Weather) -> &'static str {
        "sown"
    }
}

fn main() {}
