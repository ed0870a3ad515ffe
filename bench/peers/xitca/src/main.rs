//! xitca-web, with as many workers as loops.

use work::{ITEM_HEADERS, Settings};
use xitca_web::body::{BodyExt, RequestBody, ResponseBody};
use xitca_web::error::Error;
use xitca_web::handler::body::Body;
use xitca_web::handler::params::ParamsRef;
use xitca_web::handler::{handler_service, handler_sync_service};
use xitca_web::http::header::{self, HeaderName, HeaderValue};
use xitca_web::http::{StatusCode, WebResponse};
use xitca_web::route::{get, post};
use xitca_web::{App, WebContext};

fn main() -> std::io::Result<()> {
    let settings = Settings::of_arguments();
    App::new()
        .at("/", get(handler_service(async || work::HELLO)))
        .at("/user/{id}", get(handler_service(user)))
        .at("/shops/{shop}/items/{item}", get(handler_service(item_page)))
        .at("/json", get(handler_service(json)))
        .at("/10k", get(handler_service(async || work::ten_kb())))
        .at("/1m", get(handler_service(async || work::one_mb())))
        .at("/upload", post(handler_service(upload)))
        .at("/sleep", get(handler_sync_service(sleep)))
        .serve()
        .worker_threads(settings.loops)
        .worker_max_blocking_threads(settings.threads)
        .backlog(u32::from(work::BACKLOG))
        .keep_alive_timeout(work::IDLE)
        .request_head_timeout(work::IDLE)
        .bind(settings.address())?
        .run()
        .wait()
}

async fn user(path: ParamsRef<'_>) -> String {
    work::user(path.get("id").unwrap_or(""))
}

async fn item_page(context: &WebContext<'_>, path: ParamsRef<'_>) -> WebResponse {
    let cookie = context.req().headers().get(header::COOKIE);
    let cookie = cookie.and_then(|cookie| cookie.to_str().ok());
    let query = context.req().uri().query();
    let (shop, item) = (path.get("shop").unwrap_or(""), path.get("item").unwrap_or(""));
    let mut response = WebResponse::new(ResponseBody::bytes(work::item_page(shop, item, query, cookie)));
    for (name, value) in ITEM_HEADERS {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name that is right");
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn json() -> WebResponse {
    let mut response = WebResponse::new(ResponseBody::bytes(work::json()));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

async fn upload(Body(mut body): Body<RequestBody>) -> Result<String, Error> {
    let mut count = 0;
    while let Some(piece) = body.data().await {
        count += piece.map_err(|_| StatusCode::BAD_REQUEST)?.len();
    }
    Ok(count.to_string())
}

fn sleep() -> &'static str {
    work::sleep();
    work::HELLO
}
