//! Writes and checks `docs/guide/ten-mistakes.md`, which shows what newcomers' mistakes really print.
//!
//! To write it again: `WRITE_DOCS=1 cargo test --test dispatch ten_mistakes`.

use std::fmt::Write;
use std::path::Path;

use hansel::{App, Application, Method, Methods, Request, Routes};

use super::panics::refused;

const FILE: &str = "docs/guide/ten-mistakes.md";

const OPENING: &str = "# Ten mistakes, and what each prints

Everybody makes these mistakes. What hansel prints for each is quoted word for word: a test
(`tests/dispatch/ten_mistakes.rs`) writes this page from the real output, and fails if the page is out of date.

A mistake in a request gets the response it should, and the reason is in the trail:
`app.explain(Method::GET, \"/people/7/\")` returns it at any time. With `App::development(true)` the response shows the
trail and what was perhaps meant; a browser sees it as a page. A mistake in the program is a panic at start-up that names
the line of the mistake (LINE and COLUMN below).

All requests on this page go to this application:

```rust
fn person(id: u32) -> String { format!(\"person {id}\") }
fn rename(id: u32) -> String { format!(\"person {id} has a new name\") }
fn file(folder: &str, name: &str) -> String { format!(\"{name} in {folder}\") }
fn hello(username: &str) -> String { format!(\"Hello {username}\") }
fn add(a: i64, b: i64) -> String { (a + b).to_string() }
fn subtract(a: i64, b: i64) -> String { (a - b).to_string() }

let calc = Methods::new().add(\"add\", add);
let routes = Routes::new()
    .get(\"/people/{id}\", person)
    .put(\"/people/{id}\", rename)
    .get(\"/files/{folder}/{name}\", file)
    .get(\"/hello/{username}/\", hello)
    .mount(\"/calc\", calc);
let app = App::new(routes).development(true);
```
";

fn person(id: u32) -> String {
    format!("person {id}")
}

fn rename(id: u32) -> String {
    format!("person {id} has a new name")
}

fn file(folder: &str, name: &str) -> String {
    format!("{name} in {folder}")
}

fn hello(username: &str) -> String {
    format!("Hello {username}")
}

fn add(a: i64, b: i64) -> String {
    (a + b).to_string()
}

fn app() -> App {
    let calc = Methods::new().add("add", add);
    let routes = Routes::new()
        .get("/people/{id}", person)
        .put("/people/{id}", rename)
        .get("/files/{folder}/{name}", file)
        .get("/hello/{username}/", hello)
        .mount("/calc", calc);
    App::new(routes).development(true)
}

/// A mistake that shows at a request.
struct Asked {
    title: &'static str,
    /// What is going on, and what to do.
    advice: &'static str,
    method: Method,
    target: &'static str,
    /// What the response must say for the advice to be true.
    says: &'static [&'static str],
}

fn asked() -> [Asked; 8] {
    let get = |title, target, says, advice| Asked {
        title,
        advice,
        method: Method::GET,
        target,
        says,
    };
    [
        get(
            "A slash too many",
            "/people/7/",
            &["404", "`/people/7`"],
            "`/people/7` and `/people/7/` are two paths. Link to the one that exists, or accept both with \
             `App::slashes(Slashes::Redirect)` or `Slashes::Ignore`.",
        ),
        get(
            "Upper case for lower",
            "/People/7",
            &["404", "upper and lower case differ"],
            "Paths are case-sensitive.",
        ),
        Asked {
            method: Method::POST,
            ..get(
                "The wrong verb",
                "/people/7",
                &["405 Method Not Allowed", "GET, HEAD, OPTIONS, PUT"],
                "The path is right, so this is not a 404. The `Allow` header of the response lists the methods that \
                 are allowed.",
            )
        },
        get(
            "An argument that does not parse",
            "/people/gretel",
            &["404", "`gretel` is not a u32"],
            "The handler takes a number. To accept names as well, add a route whose handler takes one, such as \
             `/people/by-name/{name}`. It may even be the same pattern in another `Routes`: if an argument does not \
             parse, the next candidate is tried.",
        ),
        get(
            "Something left over",
            "/people/7/friends",
            &["404", "/friends"],
            "No segment is ever ignored. A handler that accepts any number of further segments takes them as \
             `Vec<String>`, with a pattern such as `/people/{id}/{*rest}`.",
        ),
        get(
            "A slash that was encoded",
            "/files/2024%2Fmay",
            &["404", "with a slash for `%2F`"],
            "`%2F` is data: a slash inside one segment, which separates nothing. Send `/files/2024/may`, or take both \
             parts as one argument.",
        ),
        get(
            "A mount's path forgotten",
            "/add/1/2",
            &["404", "/calc/add/1/2"],
            "What is mounted under `/calc` is reached only through `/calc`.",
        ),
        get(
            "A function that was not exposed",
            "/calc/subtract/2/1",
            &["404", "there is add"],
            "The function exists in the source, but it was not added: `Methods` reach only functions that were added \
             by name.",
        ),
    ]
}

/// A mistake that shows when the program starts.
struct Registered {
    title: &'static str,
    advice: &'static str,
    /// As it is written, and what it panics with.
    attempts: Vec<(&'static str, String)>,
}

macro_rules! attempts {
    ($($code:expr),+ $(,)?) => {
        vec![$((stringify!($code), { let refusal = refused(|| $code); format!("{}\n  at {}", refusal.message, refusal.file) })),+]
    };
}

fn registered() -> [Registered; 2] {
    [
        Registered {
            title: "A pattern in another notation, or without its slash",
            advice: "A pattern begins with `/`. A parameter is a whole segment in braces; the last one may have a \
                     star, and then takes all that follows. The notations of other routers are rejected instead of \
                     being matched as literal text. To match such text, percent-encode it.",
            attempts: attempts![
                Routes::new().get("people/{id}", person),
                Routes::new().get("/people/:id", person),
                Routes::new().get("/people/<int:id>", person),
                Routes::new().get("/people/{id:int}", person),
                Routes::new().get("/files/*path", person),
                Routes::new().get("/people/{id}.json", person),
            ],
        },
        Registered {
            title: "More arguments than parameters, or a pattern twice",
            advice: "Each parameter is one argument, in order. Two patterns that differ only in the names of their \
                     parameters are equal.",
            attempts: attempts![
                Routes::new().get("/sum/{a}", add),
                Routes::new().get("/{a}/{b}", person),
                Routes::new().get("/people/{id}", person).get("/people/{name}", hello),
            ],
        },
    ]
}

fn page() -> String {
    let app = app();
    let mut page = OPENING.to_owned();
    let mut number = 0..;
    let mut heading = |page: &mut String, title: &str, advice: &str| {
        let _ = write!(page, "\n## {}. {title}\n\n{advice}\n", number.next().unwrap_or(0) + 1);
    };
    for mistake in asked() {
        heading(&mut page, mistake.title, mistake.advice);
        let _ = write!(page, "\n```text\n{}```\n", respond(&app, &mistake));
    }
    for mistake in registered() {
        heading(&mut page, mistake.title, mistake.advice);
        for (code, panic) in mistake.attempts {
            let _ = write!(
                page,
                "\n```rust,should_panic\n{code}\n```\n```text\n{}\n```\n",
                without_lines(&panic)
            );
        }
    }
    page
}

fn respond(app: &App, mistake: &Asked) -> String {
    let response = app.call(&Request::new(mistake.method.clone(), mistake.target));
    String::from_utf8(response.body().bytes().unwrap().to_vec()).unwrap()
}

/// Where in this file a mistake stands changes too often to be worth a page.
fn without_lines(panic: &str) -> String {
    let mut text = String::new();
    for (number, part) in panic.split(file!()).enumerate() {
        if number > 0 {
            text.push_str("src/main.rs");
            let is_place = |c: char| c == ':' || c.is_ascii_digit();
            text.push_str(if part.starts_with(':') { ":LINE:COLUMN" } else { ":LINE" });
            text.push_str(part.trim_start_matches(is_place));
        } else {
            text.push_str(part);
        }
    }
    text
}

#[test]
fn the_page_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&file, page()).unwrap();
    }
    let written = std::fs::read_to_string(file).unwrap();
    assert_eq!(
        written,
        page(),
        "write it anew: WRITE_DOCS=1 cargo test --test dispatch ten_mistakes"
    );
}

#[test]
fn every_mistake_names_the_reason_that_a_newcomer_needs() {
    let app = app();
    for mistake in asked() {
        let response = respond(&app, &mistake);
        let plain = response.replace('`', "");
        for says in mistake.says {
            assert!(
                plain.contains(&says.replace('`', "")),
                "{}: {says}\n{response}",
                mistake.title
            );
        }
    }
}
