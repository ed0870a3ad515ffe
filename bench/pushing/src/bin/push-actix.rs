//! A broadcast channel and a stream of bytes, as actix's examples have it, on one worker.

use std::convert::Infallible;
use std::io;

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer, web};
use futures_util::stream::unfold;
use tokio::sync::broadcast::{Sender, channel, error::RecvError};

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).expect("an address");
    let news = Data::new(channel::<Bytes>(256).0);
    actix_web::rt::System::new().block_on(async move {
        HttpServer::new(move || {
            App::new()
                .app_data(news.clone())
                .app_data(web::PayloadConfig::new(1 << 20))
                .route("/events", web::get().to(subscribe))
                .route("/", web::get().to(async || "here"))
                .route("/send", web::post().to(send))
        })
        .workers(1)
        .max_connections(16_000)
        .bind(address)?
        .run()
        .await
    })
}

async fn subscribe(news: Data<Sender<Bytes>>) -> HttpResponse {
    let events = unfold(news.subscribe(), |mut news| async move {
        loop {
            match news.recv().await {
                Ok(event) => return Some((Ok::<_, Infallible>(event), news)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-store"))
        .streaming(events)
}

/// Encoded once for all, which is the best that can be done here.
async fn send(news: Data<Sender<Bytes>>, data: Bytes) -> HttpResponse {
    let event = [b"data: ", &*data, b"\n\n"].concat();
    drop(news.send(event.into()));
    HttpResponse::NoContent().finish()
}
