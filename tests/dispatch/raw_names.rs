//! `r#` is how Rust writes a name that is a keyword. It is not part of the name.

use hansel::test::Client;
use hansel::{App, Method, Methods, Resource, Routes, Verbs};

struct Field;

impl Field {
    fn get(&self) -> &'static str {
        "field"
    }

    fn r#move(&self) -> &'static str {
        "moved"
    }

    fn r#type(&self) -> r#gen {
        r#gen
    }
}

#[allow(non_camel_case_types)]
struct r#gen;

hansel::resource!(r#gen { get });

impl r#gen {
    fn get(&self) -> &'static str {
        "type"
    }
}

struct Collection;

impl Resource for Collection {
    fn verbs(verbs: &mut Verbs<'_, '_, Self>) {
        verbs
            .verb(stringify!(r#move), |_: &Collection| "moved")
            .nested(stringify!(r#type), |_: &Collection| r#gen)
            .item(|_: &Collection, _: u8| Some(r#gen));
    }
}

hansel::resource!(Field { get, r#move });

fn r#match() -> &'static str {
    "matched"
}

#[test]
fn verbs_lose_it() {
    let client = Client::new(App::new(Field));
    assert_eq!(client.call("MOVE", "/").text(), "moved");
    assert_eq!(client.post("/", "").header("Allow"), Some("GET, HEAD, MOVE, OPTIONS"));
    assert_eq!(client.call("R#MOVE", "/").status(), 405);
    let client = Client::new(App::new(Collection));
    assert_eq!(client.call("MOVE", "/").text(), "moved");
    assert_eq!(client.get("/type").text(), "type");
    assert_eq!(client.get("/7").text(), "type");
}

#[test]
fn functions_lose_it() {
    let methods = hansel::methods!(Field { r#move }).add(stringify!(r#match), r#match);
    assert_eq!(methods.names(), ["match", "move"]);
    let client = Client::new(methods.clone());
    assert_eq!(client.get("/move").text(), "moved");
    assert_eq!(client.get("/match").text(), "matched");
    assert_eq!(client.get("/r%23move").status(), 404);
    methods.insert("r#match", || "again");
    assert_eq!(client.get("/match").text(), "again");
    assert!(methods.remove("r#match"));
    assert!(methods.remove("move"));
}

#[test]
fn nothing_that_is_shown_has_it() {
    let apps = [
        App::new(Field),
        App::new(Collection),
        App::new(hansel::methods!(Field { r#move })),
        App::new(Methods::new().add("r#match", r#match)),
        App::new(
            Routes::new()
                .get("/", r#match)
                .mount("/f", Field)
                .get("/{x}", |_: u8| Field.r#type().get()),
        ),
    ];
    for app in apps {
        let brew = Method::from_bytes(b"MOVE").unwrap();
        let trails = ["/", "/move", "/match", "/type", "/7", "/f"]
            .map(|path| format!("{}{}", app.explain(Method::GET, path), app.explain(brew.clone(), path)));
        let shown = format!("{}{}", app.routes(), trails.concat());
        assert!(!shown.contains("r#"), "{shown}");
    }
}
