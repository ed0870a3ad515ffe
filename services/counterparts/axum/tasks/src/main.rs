//! A JSON API over SQLite.

use std::collections::BTreeMap;
use std::env;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

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
async fn list(State(tasks): State<Tasks>, Query(page): Query<Page>) -> Result<Json<Vec<Task>>, Problem> {
    let select = "SELECT * FROM tasks WHERE id > ?1 AND (?2 IS NULL OR done = ?2) ORDER BY id LIMIT 100";
    let tasks = tasks
        .run(move |connection| {
            let mut select = connection.prepare_cached(select)?;
            let found = select.query_map(params![page.after, page.done], Task::read)?;
            found.collect::<Result<Vec<_>, _>>()
        })
        .await?;
    Ok(Json(tasks))
}

/// `GET /tasks/1`
async fn show(State(tasks): State<Tasks>, Path(id): Path<i64>) -> Result<Response, Problem> {
    Ok(tasks.find(id).await?.respond())
}

/// `POST /tasks`
async fn add(State(tasks): State<Tasks>, Valid(content): Valid) -> Result<Response, Problem> {
    let insert = "INSERT INTO tasks (title, priority, done) VALUES (?, ?, ?) RETURNING *";
    let added = tasks
        .run(move |connection| {
            let values = params![content.title, content.priority, content.done];
            connection.query_row(insert, values, Task::read)
        })
        .await?;
    let location = [(header::LOCATION, format!("/tasks/{}", added.id))];
    Ok((StatusCode::CREATED, location, added.respond()).into_response())
}

/// `PUT /tasks/1`. With `If-Match`, only if nobody has changed it meanwhile.
async fn replace(
    State(tasks): State<Tasks>,
    Path(id): Path<i64>,
    headers: HeaderMap,
    Valid(content): Valid,
) -> Result<Response, Problem> {
    let version = tasks.version_to_change(id, &headers).await?;
    let update = "UPDATE tasks SET version = version + 1, title = ?, priority = ?, done = ?
                  WHERE id = ? AND version = ? RETURNING *";
    let replaced = tasks
        .run(move |connection| {
            let values = params![content.title, content.priority, content.done, id, version];
            connection.query_row(update, values, Task::read).optional()
        })
        .await?;
    Ok(replaced.ok_or_else(changed_meanwhile)?.respond())
}

/// `DELETE /tasks/1`, likewise.
async fn delete(State(tasks): State<Tasks>, Path(id): Path<i64>, headers: HeaderMap) -> Result<StatusCode, Problem> {
    let version = tasks.version_to_change(id, &headers).await?;
    let delete = "DELETE FROM tasks WHERE id = ? AND version = ?";
    let deleted = tasks
        .run(move |connection| connection.execute(delete, [id, version]))
        .await?;
    if deleted == 0 {
        Err(changed_meanwhile())
    } else {
        Ok(StatusCode::NO_CONTENT)
    }
}

impl Content {
    /// Names everything that is wrong, so that a form can show it all at once.
    fn check(&self) -> Result<(), Problem> {
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
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the task is not valid");
        Err(Problem {
            errors: Some(json!(errors)),
            ..problem
        })
    }
}

/// A content that keeps to the rules.
struct Valid(Content);

impl<S: Send + Sync> FromRequest<S> for Valid {
    type Rejection = Problem;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Valid, Problem> {
        let Json(content) = Json::<Content>::from_request(request, state).await?;
        content.check()?;
        Ok(Valid(content))
    }
}

/// A query whose mistakes are problems.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
struct Query<T>(T);

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
        ([(header::ETAG, self.etag())], Json(self)).into_response()
    }
}

/// An error as RFC 9457 describes it.
struct Problem {
    status: StatusCode,
    detail: Option<String>,
    errors: Option<Value>,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            detail: Some(detail.into()),
            errors: None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut problem = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
        });
        if let Some(detail) = self.detail {
            problem["detail"] = detail.into();
        }
        if let Some(errors) = self.errors {
            problem["errors"] = errors;
        }
        let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
        (self.status, content_type, problem.to_string()).into_response()
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Problem {
        Problem::new(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Problem {
        Problem::new(rejection.status(), rejection.body_text())
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Problem {
        log::error!("{error}");
        Problem {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            detail: None,
            errors: None,
        }
    }
}

/// The tasks. SQLite writes one at a time in any case, so one connection for all is enough.
#[derive(Clone)]
struct Tasks(Arc<Mutex<Connection>>);

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
        Ok(Tasks(Arc::new(Mutex::new(connection))))
    }

    /// Runs a query on a thread that may block.
    async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let connection = Arc::clone(&self.0);
        let done =
            tokio::task::spawn_blocking(move || query(&connection.lock().unwrap_or_else(PoisonError::into_inner)));
        match done.await {
            Ok(result) => Ok(result?),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    async fn find(&self, id: i64) -> Result<Task, Problem> {
        let select = "SELECT * FROM tasks WHERE id = ?";
        let found = self
            .run(move |connection| connection.query_row(select, [id], Task::read).optional())
            .await?;
        found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such task"))
    }

    /// Returns the version that the request may change.
    async fn version_to_change(&self, id: i64, headers: &HeaderMap) -> Result<i64, Problem> {
        let task = self.find(id).await?;
        let etag = task.etag();
        let Some(list) = headers.get(header::IF_MATCH) else {
            return Ok(task.version);
        };
        let mut tags = list.to_str().unwrap_or("").split(',').map(str::trim);
        if tags.any(|tag| tag == "*" || tag == etag) {
            Ok(task.version)
        } else {
            Err(changed_meanwhile())
        }
    }
}

fn changed_meanwhile() -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "the task has been changed meanwhile")
}

fn app(tasks: Tasks) -> Router {
    Router::new()
        .route("/tasks", get(list).post(add))
        .route("/tasks/{id}", get(show).put(replace).delete(delete))
        .fallback(async || Problem {
            status: StatusCode::NOT_FOUND,
            detail: None,
            errors: None,
        })
        .method_not_allowed_fallback(async || Problem {
            status: StatusCode::METHOD_NOT_ALLOWED,
            detail: None,
            errors: None,
        })
        .with_state(tasks)
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            Duration::from_secs(60),
        ))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let listen = env::var("LISTEN").unwrap_or("127.0.0.1:8080".into());
    let database = env::var("DATABASE").unwrap_or("tasks.db".into());
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let app = app(Tasks::open(&database)?);
    Ok(axum::serve(listener, app).with_graceful_shutdown(terminated()).await?)
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
