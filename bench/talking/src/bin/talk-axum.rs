//! A task for each socket and a broadcast channel, as axum's examples have it, on a runtime with one thread. The buffers are
//! small: by default each socket has one of 128 KiB.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt;
use tokio::sync::broadcast::{Sender, channel, error::RecvError};

fn main() {
    let address = std::env::args().nth(1).expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async move {
        let routes = Router::new()
            .route("/echo", get(async |upgrade: WebSocketUpgrade| opened(upgrade, echo)))
            .route("/sleep", get(async |upgrade: WebSocketUpgrade| opened(upgrade, sleep)))
            .route(
                "/chat",
                get(
                    async |upgrade: WebSocketUpgrade, State(room): State<Sender<Utf8Bytes>>| {
                        opened(upgrade, |socket| chat(socket, room))
                    },
                ),
            )
            .with_state(channel::<Utf8Bytes>(256).0);
        let listener = tokio::net::TcpListener::bind(address).await.expect("a listener");
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, routes).await.expect("to serve");
    });
}

fn opened<F: Future<Output = ()> + Send + 'static>(
    upgrade: WebSocketUpgrade,
    handler: impl FnOnce(WebSocket) -> F + Send + 'static,
) -> Response {
    upgrade.read_buffer_size(4096).write_buffer_size(0).on_upgrade(handler)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn sleep(mut socket: WebSocket) {
    while let Some(Ok(Message::Text(text))) = socket.recv().await {
        let time = text.parse().unwrap_or_default();
        if time > 0 {
            let slept = tokio::task::spawn_blocking(move || std::thread::sleep(Duration::from_millis(time)));
            slept.await.expect("to sleep");
        }
        if socket.send(Message::Text(text)).await.is_err() {
            return;
        }
    }
}

async fn chat(mut socket: WebSocket, room: Sender<Utf8Bytes>) {
    let mut messages = room.subscribe();
    loop {
        tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => drop(room.send(text)),
                Some(Ok(_)) => {}
                _ => return,
            },
            message = messages.recv() => match message {
                Ok(text) => {
                    if socket.send(Message::Text(text)).await.is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}
