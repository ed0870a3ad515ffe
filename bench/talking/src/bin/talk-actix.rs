//! A task for each socket and a broadcast channel, as actix's examples have it, on one worker.

use std::io;
use std::time::Duration;

use actix_web::web::{Data, Payload};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, rt, web};
use actix_ws::{Message, MessageStream, Session};
use tokio::sync::broadcast::{Sender, channel, error::RecvError};

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).expect("an address");
    let room = Data::new(channel::<String>(256).0);
    rt::System::new().block_on(async move {
        HttpServer::new(move || {
            App::new()
                .app_data(room.clone())
                .route(
                    "/echo",
                    web::get().to(async |request, body| opened(&request, body, echo)),
                )
                .route(
                    "/sleep",
                    web::get().to(async |request, body| opened(&request, body, sleep)),
                )
                .route(
                    "/chat",
                    web::get().to(
                        async |request: HttpRequest, body: Payload, room: Data<Sender<String>>| {
                            opened(&request, body, |session, messages| chat(session, messages, room))
                        },
                    ),
                )
        })
        .workers(1)
        .max_connections(32_000)
        .bind(address)?
        .run()
        .await
    })
}

fn opened<F: Future<Output = ()> + 'static>(
    request: &HttpRequest,
    body: Payload,
    handler: impl FnOnce(Session, MessageStream) -> F,
) -> Result<HttpResponse, Error> {
    let (response, session, messages) = actix_ws::handle(request, body)?;
    rt::spawn(handler(session, messages));
    Ok(response)
}

async fn echo(mut session: Session, mut messages: MessageStream) {
    while let Some(Ok(message)) = messages.recv().await {
        if let Message::Text(text) = message {
            if session.text(text).await.is_err() {
                return;
            }
        }
    }
}

async fn sleep(mut session: Session, mut messages: MessageStream) {
    while let Some(Ok(Message::Text(text))) = messages.recv().await {
        let time = text.parse().unwrap_or_default();
        if time > 0 {
            let slept = web::block(move || std::thread::sleep(Duration::from_millis(time)));
            slept.await.expect("to sleep");
        }
        if session.text(text).await.is_err() {
            return;
        }
    }
}

async fn chat(mut session: Session, mut messages: MessageStream, room: Data<Sender<String>>) {
    let mut news = room.subscribe();
    loop {
        tokio::select! {
            received = messages.recv() => match received {
                Some(Ok(Message::Text(text))) => drop(room.send(text.to_string())),
                Some(Ok(_)) => {}
                _ => return,
            },
            message = news.recv() => match message {
                Ok(text) => {
                    if session.text(text).await.is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}
