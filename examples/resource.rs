//! web.dispatch.resource's document, in hansel: the functions of a resource are named after verbs.
//!
//! `cargo run --example resource`, then `curl http://127.0.0.1:8000/`, `/3`, `-X DELETE .../3`, `-X PLOUGH .../farm`.
//! The server prints the dispatch events.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hansel::dispatch::{Crumb, Decision, Miss, Observer};
use hansel::{App, Request, Resource, Routes, Server, Verbs, resource};

/// `class Field(Collection)`: a collection is a resource as well.
struct Field {
    potatoes: AtomicUsize,
}

// The lookup at the end replaces `__resource__ = Potato` and `__getitem__`.
resource!(Field { get, post, delete } item potato);

impl Field {
    fn get(&self) -> String {
        format!("{} potatoes in the field.", self.potatoes.load(Relaxed))
    }

    fn post(&self) -> String {
        let potatoes = self.potatoes.fetch_add(1, Relaxed) + 1;
        format!("There are now {potatoes} potatoes in the field.")
    }

    fn delete(&self) -> &'static str {
        self.potatoes.store(0, Relaxed);
        "You monster."
    }

    /// The original raises `KeyError` for an identifier that is not a number, and for a missing item. Here the first
    /// never gets this far, and the second is `None`.
    fn potato(&self, index: usize) -> Option<Potato<'_>> {
        let exists = index > 0 && index <= self.potatoes.load(Relaxed);
        exists.then_some(Potato { collection: self })
    }
}

/// `class Potato(Resource)`, as part of a collection: `self._collection` is borrowed.
struct Potato<'field> {
    collection: &'field Field,
}

resource!(Potato<'_> { get, delete });

impl Potato<'_> {
    fn get(&self) -> String {
        format!("One of {} beautiful potatoes.", self.collection.potatoes.load(Relaxed))
    }

    fn delete(&self) -> &'static str {
        let less = |potatoes: usize| potatoes.checked_sub(1);
        // Fails only if no potato is left, although there was one a moment ago.
        let _ = self.collection.potatoes.fetch_update(Relaxed, Relaxed, less);
        "You monster."
    }
}

/// "Further Descent": custom verbs, and resources in a resource.
struct Farm {
    field: Arc<Field>,
}

impl Resource for Farm {
    fn verbs(verbs: &mut Verbs<'_, '_, Farm>) {
        verbs
            .get(|_: &Farm| "farm")
            .put(|_: &Farm| "put")
            .verb("plough", Farm::plough)
            .nested("barn", |farm| Barn { farm })
            .nested("field", |farm| Borrowed(&farm.field));
    }
}

impl Farm {
    /// Responds to `PLOUGH /farm`. A path never names a verb: `GET /farm/plough` is 404.
    fn plough(&self) -> &'static str {
        "ploughed"
    }
}

/// The same field again, borrowed.
struct Borrowed<'farm>(&'farm Field);

impl Resource for Borrowed<'_> {
    fn verbs(verbs: &mut Verbs<'_, '_, Self>) {
        verbs
            .get(|field: &Borrowed<'_>| field.0.get())
            .item(|field: &Borrowed<'_>, index| field.0.potato(index));
    }
}

/// A resource inside the farm through which it was reached.
struct Barn<'farm> {
    farm: &'farm Farm,
}

impl Resource for Barn<'_> {
    fn verbs(verbs: &mut Verbs<'_, '_, Self>) {
        verbs.get(Self::get).nested("loft", |_| Loft);
    }
}

impl Barn<'_> {
    /// Can use the farm, the request, and what hooks have set on it.
    fn get(&self, request: &Request) -> String {
        let potatoes = self.farm.field.potatoes.load(Relaxed);
        format!("barn at {}, for {potatoes} potatoes", request.path())
    }
}

struct Loft;

resource!(Loft { get });

impl Loft {
    fn get(&self) -> &'static str {
        "loft"
    }
}

/// `for segment, handler, endpoint, *meta in dispatch(context, some_object, path): print(...)`
struct Print;

impl Observer for Print {
    fn begins(&self, request: &Request) {
        println!("{} {}", request.method(), request.path());
    }

    fn crumb(&self, crumb: &Crumb<'_>) {
        let endpoint = matches!(crumb.decision, Decision::Arrive(_));
        match &crumb.decision {
            Decision::Decline(why) => println!("    {}: {why}", crumb.handler),
            _ => println!("    {:?} {} {endpoint}", crumb.taken, crumb.handler),
        }
    }

    fn ends(&self, _: &Request, outcome: Result<(), &Miss>) {
        println!("    {}", if outcome.is_ok() { "found" } else { "failed" });
    }
}

fn app(observer: impl Observer + Send + Sync + 'static) -> App {
    let field = Arc::new(Field {
        potatoes: AtomicUsize::new(10),
    });
    let farm = Farm {
        field: Arc::clone(&field),
    };
    let root = Routes::new().mount("/farm", farm).mount("/", field);
    // The original has `Allow` on every response.
    App::new(root).allow_always(true).observe(observer)
}

fn main() -> hansel::Result {
    Ok(Server::bind("127.0.0.1:8000")?.serve(app(Print))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::test::Client;
    use std::sync::Mutex;

    fn client() -> Client {
        Client::new(app(Print))
    }

    #[track_caller]
    fn says(client: &Client, request: &str, status: u16, body: &str) {
        let (method, target) = request.split_once(' ').unwrap();
        let response = client.call(method, target);
        assert_eq!(
            (response.status().as_u16(), response.text()),
            (status, body),
            "{request}"
        );
    }

    const NOT_FOUND: (u16, &str) = (404, "Not Found");

    #[test]
    fn the_field_answers_its_verbs() {
        let client = client();
        says(&client, "GET /", 200, "10 potatoes in the field.");
        says(&client, "POST /", 200, "There are now 11 potatoes in the field.");
        says(&client, "DELETE /", 200, "You monster.");
        says(&client, "GET /", 200, "0 potatoes in the field.");
        says(&client, "GET /1", NOT_FOUND.0, NOT_FOUND.1);
    }

    #[test]
    fn a_potato_knows_its_collection() {
        let client = client();
        says(&client, "GET /3", 200, "One of 10 beautiful potatoes.");
        says(&client, "GET /10", 200, "One of 10 beautiful potatoes.");
        says(&client, "DELETE /3", 200, "You monster.");
        // Not as recorded: in the original, the changed collection was discarded after the request.
        says(&client, "GET /", 200, "9 potatoes in the field.");
        says(&client, "GET /10", NOT_FOUND.0, NOT_FOUND.1);
    }

    #[test]
    fn what_is_not_among_the_items_does_not_exist_for_any_verb() {
        let client = client();
        for index in ["0", "11", "nope", "-1", "3.0", "potatoes", "_ctx", "/", "3/4", "3/"] {
            for verb in ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PATCH", "PLOUGH"] {
                let status = client.call(verb, &format!("/{index}")).status();
                assert_eq!(status, 404, "{verb} /{index}");
            }
        }
    }

    #[test]
    fn a_path_never_names_a_verb() {
        // Not as recorded: in the original, each of these calls the function.
        for target in [
            "/get",
            "/post",
            "/delete",
            "/head",
            "/options",
            "/3/delete",
            "/farm/plough",
            "/farm/get",
        ] {
            says(&client(), &format!("GET {target}"), NOT_FOUND.0, NOT_FOUND.1);
        }
        says(&client(), "GET /", 200, "10 potatoes in the field.");
    }

    #[test]
    fn a_verb_that_is_not_there_is_a_405() {
        for (request, allow) in [
            ("PATCH /", "DELETE, GET, HEAD, OPTIONS, POST"),
            ("PATCH /3", "DELETE, GET, HEAD, OPTIONS"),
            ("POST /3", "DELETE, GET, HEAD, OPTIONS"),
            ("_PRIVATE /farm", "GET, HEAD, OPTIONS, PLOUGH, PUT"),
            ("BARN /farm", "GET, HEAD, OPTIONS, PLOUGH, PUT"),
            ("get /farm", "GET, HEAD, OPTIONS, PLOUGH, PUT"),
        ] {
            let (method, target) = request.split_once(' ').unwrap();
            let response = client().call(method, target);
            assert_eq!(
                (response.status().as_u16(), response.header("Allow")),
                (405, Some(allow)),
                "{request}"
            );
        }
    }

    #[test]
    fn head_and_options_are_answered() {
        // Not as recorded: through WebCore, both are 404.
        let head = client().call("HEAD", "/3");
        assert_eq!(
            (head.status().as_u16(), head.header("Content-Length")),
            (200, Some("29"))
        );
        let options = client().call("OPTIONS", "/");
        assert_eq!(options.status(), 204);
        assert_eq!(options.header("Allow"), Some("DELETE, GET, HEAD, OPTIONS, POST"));
    }

    #[test]
    fn allow_is_on_every_response() {
        for (target, allow) in [
            ("/", "DELETE, GET, HEAD, OPTIONS, POST"),
            ("/3", "DELETE, GET, HEAD, OPTIONS"),
            ("/farm", "GET, HEAD, OPTIONS, PLOUGH, PUT"),
            ("/farm/barn/loft", "GET, HEAD, OPTIONS"),
        ] {
            assert_eq!(client().get(target).header("Allow"), Some(allow), "{target}");
        }
    }

    #[test]
    fn custom_verbs_and_nested_resources() {
        let client = client();
        says(&client, "GET /farm", 200, "farm");
        says(&client, "PUT /farm", 200, "put");
        says(&client, "PLOUGH /farm", 200, "ploughed");
        says(&client, "GET /farm/barn", 200, "barn at /farm/barn, for 10 potatoes");
        says(&client, "GET /farm/barn/loft", 200, "loft");
        says(&client, "GET /farm/field", 200, "10 potatoes in the field.");
        says(&client, "GET /farm/field/3", 200, "One of 10 beautiful potatoes.");
        // Not as recorded: leftover segments are 404, and values are not endpoints.
        for target in [
            "/farm/nope",
            "/farm/plough/x",
            "/farm/motto",
            "/farm/_private",
            "/farm/barn/x",
        ] {
            says(&client, &format!("GET {target}"), NOT_FOUND.0, NOT_FOUND.1);
        }
    }

    /// Records events as the original's tuples: what was consumed, the handler, whether it is the endpoint.
    #[derive(Clone, Default)]
    struct Events(Arc<Mutex<Vec<(String, String, bool)>>>);

    impl Observer for Events {
        fn crumb(&self, crumb: &Crumb<'_>) {
            let endpoint = matches!(crumb.decision, Decision::Arrive(_));
            if !matches!(crumb.decision, Decision::Decline(_)) {
                let event = (crumb.taken.to_owned(), crumb.handler.to_owned(), endpoint);
                self.0.lock().unwrap().push(event);
            }
        }

        fn ends(&self, _: &Request, outcome: Result<(), &Miss>) {
            let end = if outcome.is_ok() { "found" } else { "failed" };
            self.0.lock().unwrap().push((String::new(), end.to_owned(), false));
        }
    }

    fn events(method: &str, target: &str) -> Vec<(String, String, bool)> {
        let events = Events::default();
        Client::new(app(events.clone())).call(method, target);
        // A second walk, for `Allow`, reports no events.
        events.0.lock().unwrap().clone()
    }

    #[test]
    fn dispatch_events_are_those_of_the_original() {
        let event = |taken: &str, handler: &str, endpoint| (taken.to_owned(), handler.to_owned(), endpoint);
        let (found, failed) = (event("", "found", false), event("", "failed", false));
        let root = event("", "/", false);
        assert_eq!(
            events("GET", "/"),
            [root.clone(), event("", "get", true), found.clone()]
        );
        assert_eq!(
            events("DELETE", "/3"),
            [
                root.clone(),
                event("/3", "/{potato}", false),
                event("", "delete", true),
                found.clone()
            ]
        );
        assert_eq!(events("GET", "/11"), [root.clone(), failed]);
        assert_eq!(
            events("GET", "/farm/barn/loft"),
            [
                event("/farm", "/farm", false),
                event("/barn", "/barn", false),
                event("/loft", "/loft", false),
                event("", "get", true),
                found
            ]
        );
    }
}
