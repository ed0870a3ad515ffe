//! actix-web, with as many workers as loops.

use actix_web::http::header;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use futures_util::StreamExt;
use work::{ITEM_HEADERS, Settings};

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let settings = Settings::of_arguments();
    let app = || {
        App::new()
            .route("/", web::get().to(|| async { work::HELLO }))
            .route("/user/{id}", web::get().to(user))
            .route("/shops/{shop}/items/{item}", web::get().to(item_page))
            .route("/json", web::get().to(json))
            .route("/10k", web::get().to(|| async { work::ten_kb() }))
            .route("/1m", web::get().to(|| async { work::one_mb() }))
            .route("/upload", web::post().to(upload))
            .route("/sleep", web::get().to(sleep))
            .route("/locked", web::get().to(locked))
            .route("/held", web::get().to(held))
            .service(actix_files::Files::new("/files", work::files()))
    };
    HttpServer::new(app)
        .workers(settings.loops)
        .worker_max_blocking_threads(settings.threads)
        .max_connections(100_000)
        .backlog(u32::from(work::BACKLOG))
        .keep_alive(work::IDLE)
        .client_request_timeout(work::IDLE)
        .bind(settings.address())?
        .run()
        .await
}

async fn user(id: web::Path<String>) -> String {
    work::user(&id)
}

async fn item_page(request: HttpRequest, path: web::Path<(String, String)>) -> HttpResponse {
    let (shop, item) = &*path;
    let cookie = request
        .headers()
        .get(header::COOKIE)
        .and_then(|cookie| cookie.to_str().ok());
    let page = work::item_page(shop, item, request.uri().query(), cookie);
    let mut response = HttpResponse::Ok();
    for field in ITEM_HEADERS {
        response.insert_header(field);
    }
    response.body(page)
}

async fn json() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(work::json())
}

async fn upload(mut body: web::Payload) -> actix_web::Result<String> {
    let mut count = 0;
    while let Some(piece) = body.next().await {
        count += piece?.len();
    }
    Ok(count.to_string())
}

async fn sleep() -> actix_web::Result<&'static str> {
    web::block(work::sleep).await?;
    Ok(work::HELLO)
}

async fn locked() -> actix_web::Result<&'static str> {
    web::block(|| work::locked(work::lock())).await?;
    Ok(work::HELLO)
}

async fn held() -> actix_web::Result<&'static str> {
    web::block(|| work::held(work::lock())).await?;
    Ok(work::HELLO)
}
