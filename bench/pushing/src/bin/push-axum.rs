//! A broadcast channel and `Sse`, as axum's documentation shows, on a runtime with one thread.

use std::convert::Infallible;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast::{Sender, channel, error::RecvError};

fn main() {
    let address = std::env::args().nth(1).expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async move {
        let routes = Router::new()
            .route("/events", get(subscribe))
            .route("/", get(|| async { "here" }))
            .route("/send", post(send))
            .with_state(channel::<String>(256).0);
        let listener = tokio::net::TcpListener::bind(address).await.expect("a listener");
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, routes).await.expect("to serve");
    });
}

async fn subscribe(State(news): State<Sender<String>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = unfold(news.subscribe(), |mut news| async move {
        loop {
            match news.recv().await {
                Ok(data) => return Some((Ok(Event::default().data(data)), news)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn send(State(news): State<Sender<String>>, data: String) -> StatusCode {
    drop(news.send(data));
    StatusCode::NO_CONTENT
}
