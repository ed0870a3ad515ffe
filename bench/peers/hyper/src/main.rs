//! hyper with a runtime per loop, the fastest way to run it, and `pipeline_flush`, without which it
//! writes once per pipelined request.

use std::convert::Infallible;
use std::net::TcpListener;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
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
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, serve(settings.listen()));
}

async fn serve(listener: TcpListener) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener that does not block");
    let mut http = http1::Builder::new();
    http.pipeline_flush(true)
        .timer(TokioTimer::new())
        .header_read_timeout(work::IDLE);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let connection = http.serve_connection(TokioIo::new(stream), service_fn(respond));
        tokio::task::spawn_local(connection);
    }
}

type Whole = Response<Full<Bytes>>;

async fn respond(request: Request<Incoming>) -> Result<Whole, Infallible> {
    let mut path = request.uri().path().split('/').skip(1);
    let route = [(); 5].map(|()| path.next());
    let response = match (request.method(), route) {
        (&Method::GET, [Some(""), None, ..]) => text(work::HELLO),
        (&Method::GET, [Some("user"), Some(id), None, ..]) => text(work::user(id)),
        (&Method::GET, [Some("shops"), Some(shop), Some("items"), Some(item), None]) => item_page(&request, shop, item),
        (&Method::GET, [Some("json"), None, ..]) => json(),
        (&Method::GET, [Some("10k"), None, ..]) => text(work::ten_kb()),
        (&Method::GET, [Some("1m"), None, ..]) => text(work::one_mb()),
        (&Method::POST, [Some("upload"), None, ..]) => upload(request.into_body()).await,
        (&Method::GET, [Some("sleep"), None, ..]) => {
            let _ = tokio::task::spawn_blocking(work::sleep).await;
            text(work::HELLO)
        }
        _ => status(StatusCode::NOT_FOUND),
    };
    Ok(response)
}

fn text(body: impl Into<Bytes>) -> Whole {
    let mut response = Response::new(Full::new(body.into()));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn json() -> Whole {
    let mut response = Response::new(Full::new(work::json().into()));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn item_page(request: &Request<Incoming>, shop: &str, item: &str) -> Whole {
    let cookie = request
        .headers()
        .get(header::COOKIE)
        .and_then(|cookie| cookie.to_str().ok());
    let page = work::item_page(shop, item, request.uri().query(), cookie);
    let mut response = Response::new(Full::new(page.into()));
    for (name, value) in ITEM_HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn upload(mut body: Incoming) -> Whole {
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => count += frame.data_ref().map_or(0, Bytes::len),
            Err(_) => return status(StatusCode::BAD_REQUEST),
        }
    }
    text(count.to_string())
}

fn status(status: StatusCode) -> Whole {
    let mut response = text("");
    *response.status_mut() = status;
    response
}
