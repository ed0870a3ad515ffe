//! The potato field of web.dispatch.resource's document.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// A collection of potatoes, and a resource itself.
pub(super) struct Field {
    potatoes: AtomicUsize,
}

/// One potato. It borrows the field that contains it.
pub(super) struct Potato<'f> {
    field: &'f Field,
}

hansel::resource!(Field { get, post, delete, plough } item potato);
hansel::resource!(Potato<'_> { get, delete });

impl Field {
    pub(super) fn new() -> Field {
        Field {
            potatoes: AtomicUsize::new(10),
        }
    }

    fn get(&self) -> String {
        format!("{} potatoes in the field.", self.potatoes.load(SeqCst))
    }

    fn post(&self) -> String {
        let potatoes = self.potatoes.fetch_add(1, SeqCst) + 1;
        format!("There are now {potatoes} potatoes in the field.")
    }

    fn delete(&self) -> &'static str {
        self.potatoes.store(0, SeqCst);
        "You monster."
    }

    /// A custom verb: the method PLOUGH.
    fn plough(&self) -> &'static str {
        "Ploughed."
    }

    /// Looks an item up: `None` is 404 for every verb.
    fn potato(&self, index: usize) -> Option<Potato<'_>> {
        let is_there = index >= 1 && index <= self.potatoes.load(SeqCst);
        is_there.then_some(Potato { field: self })
    }
}

impl Potato<'_> {
    fn get(&self) -> String {
        format!("One of {} beautiful potatoes.", self.field.potatoes.load(SeqCst))
    }

    fn delete(&self) -> &'static str {
        // Another request may have taken the last one meanwhile.
        let _ = self
            .field
            .potatoes
            .fetch_update(SeqCst, SeqCst, |potatoes| potatoes.checked_sub(1));
        "You monster."
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::App;
    use hansel::test::Client;

    #[test]
    fn the_field_works_as_its_document_says() {
        let client = Client::new(App::new(Field::new()));
        let said = |method: &str, target: &str| {
            let response = client.call(method, target);
            (response.status().as_u16(), response.text().to_owned())
        };
        assert_eq!(said("GET", "/"), (200, "10 potatoes in the field.".into()));
        assert_eq!(said("GET", "/3"), (200, "One of 10 beautiful potatoes.".into()));
        assert_eq!(said("GET", "/0").0, 404);
        assert_eq!(said("GET", "/11").0, 404);
        assert_eq!(said("GET", "/nope").0, 404);
        assert_eq!(said("DELETE", "/3"), (200, "You monster.".into()));
        assert_eq!(said("GET", "/"), (200, "9 potatoes in the field.".into()));
        assert_eq!(
            said("POST", "/"),
            (200, "There are now 10 potatoes in the field.".into())
        );
        assert_eq!(said("PLOUGH", "/"), (200, "Ploughed.".into()));
        assert_eq!(said("PATCH", "/").0, 405);
        assert_eq!(said("PATCH", "/11").0, 404, "an unknown item is 404 for every verb");
        assert_eq!(said("DELETE", "/"), (200, "You monster.".into()));
        assert_eq!(said("GET", "/1").0, 404);
    }
}
