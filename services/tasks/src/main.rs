//! A JSON API over SQLite.

use std::collections::BTreeMap;
use std::env;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hansel::{App, Error, Hooks, Json, Query, Request, Response, Routes, Server, State, StatusCode, problem_details};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Task {
    id: i64,
    #[serde(skip)]
    version: i64,
    #[serde(flatten)]
    content: Content,
}

/// The part of a task that clients write.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    title: String,
    #[serde(default)]
    priority: u8,
    #[serde(default)]
    done: bool,
}

#[derive(Deserialize)]
struct Page {
    done: Option<bool>,
    #[serde(default)]
    after: i64,
}

/// `GET /tasks?done=false&after=17`: at most 100, in the order of their ids.
fn list(Query(page): Query<Page>, tasks: State<Tasks>) -> hansel::Result<Json<Vec<Task>>> {
    let select = "SELECT * FROM tasks WHERE id > ?1 AND (?2 IS NULL OR done = ?2) ORDER BY id LIMIT 100";
    let tasks = tasks.lock();
    let mut select = tasks.prepare_cached(select)?;
    let found = select.query_map(params![page.after, page.done], Task::read)?;
    Ok(Json(found.collect::<Result<_, _>>()?))
}

/// `GET /tasks/1`
fn show(id: i64, tasks: State<Tasks>) -> hansel::Result<Option<Response>> {
    Ok(tasks.find(id)?.map(Task::respond))
}

/// `POST /tasks`
fn add(Json(content): Json<Content>, tasks: State<Tasks>) -> hansel::Result<Response> {
    content.check()?;
    let insert = "INSERT INTO tasks (title, priority, done) VALUES (?, ?, ?) RETURNING *";
    let values = params![content.title, content.priority, content.done];
    let added = tasks.lock().query_row(insert, values, Task::read)?;
    let location = format!("/tasks/{}", added.id);
    Ok(added
        .respond()
        .with_status(StatusCode::CREATED)
        .with_header("Location", location))
}

/// `PUT /tasks/1`. With `If-Match`, only if nobody has changed it meanwhile.
fn replace(id: i64, request: &Request, tasks: State<Tasks>, Json(content): Json<Content>) -> hansel::Result<Response> {
    content.check()?;
    let version = tasks.version_to_change(id, request)?;
    let update = "UPDATE tasks SET version = version + 1, title = ?, priority = ?, done = ?
                  WHERE id = ? AND version = ? RETURNING *";
    let values = params![content.title, content.priority, content.done, id, version];
    let replaced = tasks.lock().query_row(update, values, Task::read).optional()?;
    Ok(replaced.ok_or_else(changed_meanwhile)?.respond())
}

/// `DELETE /tasks/1`, likewise.
fn delete(id: i64, request: &Request, tasks: State<Tasks>) -> hansel::Result<StatusCode> {
    let version = tasks.version_to_change(id, request)?;
    let deleted = tasks
        .lock()
        .execute("DELETE FROM tasks WHERE id = ? AND version = ?", [id, version])?;
    if deleted == 0 {
        Err(changed_meanwhile())
    } else {
        Ok(StatusCode::NO_CONTENT)
    }
}

impl Content {
    /// Names everything that is wrong, so that a form can show it all at once.
    fn check(&self) -> hansel::Result {
        let rules = [
            ("title", !self.title.trim().is_empty(), "must not be empty"),
            (
                "title",
                self.title.chars().count() <= 200,
                "must have at most 200 characters",
            ),
            ("priority", self.priority <= 9, "must be 0 to 9"),
        ];
        let broken = rules.into_iter().filter(|(_, is_kept, _)| !is_kept);
        let errors: BTreeMap<&str, &str> = broken.map(|(field, _, rule)| (field, rule)).collect();
        if errors.is_empty() {
            return Ok(());
        }
        Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY, "the task is not valid").with_member("errors", errors))
    }
}

impl Task {
    fn read(row: &Row<'_>) -> rusqlite::Result<Task> {
        let content = Content {
            title: row.get("title")?,
            priority: row.get("priority")?,
            done: row.get("done")?,
        };
        Ok(Task {
            id: row.get("id")?,
            version: row.get("version")?,
            content,
        })
    }

    fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    fn respond(self) -> Response {
        let etag = self.etag();
        Response::new(Json(self)).with_header("ETag", etag)
    }
}

/// The tasks. SQLite writes one at a time in any case, so one connection for all is enough.
struct Tasks(Mutex<Connection>);

impl Tasks {
    fn open(path: &str) -> rusqlite::Result<Tasks> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS tasks (
                 id INTEGER PRIMARY KEY AUTOINCREMENT,
                 version INTEGER NOT NULL DEFAULT 1,
                 title TEXT NOT NULL,
                 priority INTEGER NOT NULL,
                 done INTEGER NOT NULL
             )",
        )?;
        Ok(Tasks(Mutex::new(connection)))
    }

    /// A handler that has panicked leaves nothing half done: each statement is a transaction.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: i64) -> rusqlite::Result<Option<Task>> {
        self.lock()
            .query_row("SELECT * FROM tasks WHERE id = ?", [id], Task::read)
            .optional()
    }

    /// Returns the version that the request may change.
    fn version_to_change(&self, id: i64, request: &Request) -> hansel::Result<i64> {
        let task = self
            .find(id)?
            .ok_or_else(|| Error::new(StatusCode::NOT_FOUND, "there is no such task"))?;
        match request.if_match(Some(&task.etag())) {
            Some(false) => Err(changed_meanwhile()),
            Some(true) | None => Ok(task.version),
        }
    }
}

fn changed_meanwhile() -> Error {
    Error::new(StatusCode::PRECONDITION_FAILED, "the task has been changed meanwhile")
}

fn app(tasks: Tasks) -> App {
    let routes = Routes::new()
        .get("/tasks", list)
        .post("/tasks", add)
        .get("/tasks/{id}", show)
        .put("/tasks/{id}", replace)
        .delete("/tasks/{id}", delete);
    App::new(Hooks::on(routes).state(tasks)).respond(problem_details())
}

fn main() -> hansel::Result {
    env_logger::init();
    let listen = env::var("LISTEN").unwrap_or("127.0.0.1:8080".into());
    let database = env::var("DATABASE").unwrap_or("tasks.db".into());
    // All requests need the one connection to the database, so a second loop would only contend for its lock.
    let mut server = Server::bind(listen)?.loops(1);
    if let Ok(address) = env::var("HEALTH") {
        server = server.health_on(address)?.status_page(); // /livez, /readyz, /metrics, and a page
    }
    Ok(server.serve(app(Tasks::open(&database)?))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::test::Client;

    fn client() -> Client {
        Client::new(app(Tasks::open(":memory:").unwrap()))
    }

    #[test]
    fn a_task_lives_and_dies() {
        let client = client();
        let pebbles = BTreeMap::from([("title", "collect pebbles")]);
        let added = client.send(Request::post("/tasks").with_json(pebbles));
        assert_eq!(
            (added.status().as_u16(), added.header("Location")),
            (201, Some("/tasks/1"))
        );
        let done = Content {
            title: "collect pebbles".into(),
            priority: 0,
            done: true,
        };
        let replaced = client.send(Request::put("/tasks/1").with_json(done));
        assert_eq!(
            (replaced.status().as_u16(), replaced.header("ETag")),
            (200, Some("\"2\""))
        );
        assert_eq!(client.get("/tasks?done=false").text(), "[]");
        let listed = r#"[{"id":1,"title":"collect pebbles","priority":0,"done":true}]"#;
        assert_eq!(client.get("/tasks?done=true").text(), listed);
        assert_eq!(client.send(Request::delete("/tasks/1")).status(), 204);
        assert_eq!(client.get("/tasks/1").status(), 404);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let wrong = Content {
            title: " ".into(),
            priority: 10,
            done: false,
        };
        let response = client().send(Request::post("/tasks").with_json(wrong));
        assert_eq!(response.header("Content-Type"), Some("application/problem+json"));
        let errors = r#","errors":{"priority":"must be 0 to 9","title":"must not be empty"}}"#;
        assert!(response.text().ends_with(errors), "{}", response.text());
    }

    #[test]
    fn nobody_overwrites_what_they_have_not_seen() {
        let client = client();
        let content = || Content {
            title: "collect pebbles".into(),
            priority: 0,
            done: false,
        };
        client.send(Request::post("/tasks").with_json(content()));
        let change = || {
            Request::put("/tasks/1")
                .with_json(content())
                .with_header("If-Match", "\"1\"")
        };
        assert_eq!(client.send(change()).status(), 200);
        assert_eq!(client.send(change()).status(), 412);
        assert_eq!(
            client
                .send(Request::delete("/tasks/1").with_header("If-Match", "\"1\""))
                .status(),
            412
        );
    }
}
