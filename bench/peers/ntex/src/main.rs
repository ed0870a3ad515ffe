//! ntex on tokio, with as many workers as loops. Its pool for blocking calls has 256 threads by default.

use ntex::SharedCfg;
use ntex::http::{HttpServiceConfig, header};
use ntex::time::Seconds;
use ntex::web::{self, App, HttpRequest, HttpResponse, HttpServer};
use work::{ITEM_HEADERS, Settings};

#[ntex::main]
async fn main() -> std::io::Result<()> {
    let settings = Settings::of_arguments();
    let idle = Seconds(work::IDLE.as_secs() as u16);
    let http = HttpServiceConfig::new().set_keepalive(idle);
    HttpServer::new(async || {
        App::new()
            .route("/", web::get().to(async || work::HELLO))
            .route("/user/{id}", web::get().to(user))
            .route("/shops/{shop}/items/{item}", web::get().to(item_page))
            .route("/json", web::get().to(json))
            .route("/10k", web::get().to(async || work::ten_kb()))
            .route("/1m", web::get().to(async || work::one_mb()))
            .route("/upload", web::post().to(upload))
            .route("/sleep", web::get().to(sleep))
    })
    .workers(settings.loops)
    .maxconn(100_000)
    .backlog(i32::from(work::BACKLOG))
    .config(SharedCfg::new("BENCH").add(http))
    .bind(settings.address())?
    .run()
    .await
}

async fn user(id: web::types::Path<String>) -> String {
    work::user(&id)
}

async fn item_page(request: HttpRequest, path: web::types::Path<(String, String)>) -> HttpResponse {
    let (shop, item) = &*path;
    let cookie = request
        .headers()
        .get(header::COOKIE)
        .and_then(|cookie| cookie.to_str().ok());
    let page = work::item_page(shop, item, request.uri().query(), cookie);
    let mut response = HttpResponse::Ok();
    for (name, value) in ITEM_HEADERS {
        response.set_header(name, value);
    }
    response.body(page)
}

async fn json() -> HttpResponse {
    HttpResponse::Ok()
        .set_header(header::CONTENT_TYPE, "application/json")
        .body(work::json())
}

async fn upload(mut body: web::types::Payload) -> Result<String, web::Error> {
    let mut count = 0;
    while let Some(piece) = body.recv().await {
        count += piece?.len();
    }
    Ok(count.to_string())
}

async fn sleep() -> &'static str {
    let _ = ntex::rt::spawn_blocking(work::sleep).await;
    work::HELLO
}
