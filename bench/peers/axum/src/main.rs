//! axum, served as its documentation shows, with a runtime per loop.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use http_body_util::BodyExt;
use tower_http::services::ServeDir;
use work::{ITEM_HEADERS, Settings};

fn main() {
    let settings = Settings::of_arguments();
    let others: Vec<_> = (1..settings.loops)
        .map(|_| std::thread::spawn(move || run(settings)))
        .collect();
    run(settings);
    others.into_iter().for_each(|thread| drop(thread.join()));
}

fn run(settings: Settings) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(settings.threads)
        .build()
        .expect("a runtime");
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(settings.listen()).expect("a listener that does not block");
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, routes()).await.expect("to serve");
    });
}

fn routes() -> Router {
    Router::new()
        .route("/", get(|| async { work::HELLO }))
        .route(
            "/user/{id}",
            get(|Path(id): Path<String>| async move { work::user(&id) }),
        )
        .route("/shops/{shop}/items/{item}", get(item_page))
        .route(
            "/json",
            get(|| async { ([(header::CONTENT_TYPE, "application/json")], work::json()) }),
        )
        .route("/10k", get(|| async { work::ten_kb() }))
        .route("/1m", get(|| async { work::one_mb() }))
        .route("/upload", post(upload))
        .route("/sleep", get(sleep))
        .route("/locked", get(locked))
        .route("/held", get(held))
        .nest_service("/files", ServeDir::new(work::files()))
}

async fn item_page(
    Path((shop, item)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> impl IntoResponse {
    let cookie = headers.get(header::COOKIE).and_then(|cookie| cookie.to_str().ok());
    (ITEM_HEADERS, work::item_page(&shop, &item, query.as_deref(), cookie))
}

async fn upload(mut body: Body) -> Result<String, StatusCode> {
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        count += frame.data_ref().map_or(0, Bytes::len);
    }
    Ok(count.to_string())
}

async fn sleep() -> &'static str {
    let _ = tokio::task::spawn_blocking(work::sleep).await;
    work::HELLO
}

async fn locked() -> &'static str {
    let _ = tokio::task::spawn_blocking(|| work::locked(work::lock())).await;
    work::HELLO
}

async fn held() -> &'static str {
    let _ = tokio::task::spawn_blocking(|| work::held(work::lock())).await;
    work::HELLO
}
