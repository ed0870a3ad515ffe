//! A task for each socket and a broadcast channel, without a framework, on a runtime with one thread. The buffers are small:
//! by default each socket has one of 128 KiB.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::broadcast::{Sender, channel, error::RecvError};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

type Socket = WebSocketStream<TcpStream>;

fn main() {
    let address = std::env::args().nth(1).expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async move {
        let room = channel::<Utf8Bytes>(256).0;
        let listener = tokio::net::TcpListener::bind(address).await.expect("a listener");
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(converse(stream, room.clone()));
        }
    });
}

async fn converse(stream: TcpStream, room: Sender<Utf8Bytes>) {
    drop(stream.set_nodelay(true));
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the callback of the library")]
    let callback = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        path = request.uri().path().to_owned();
        Ok(response)
    };
    let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
    let Ok(socket) = accept_hdr_async_with_config(stream, callback, Some(config)).await else {
        return;
    };
    match &path[..] {
        "/chat" => chat(socket, room).await,
        "/sleep" => sleep(socket).await,
        _ => echo(socket).await,
    }
}

async fn echo(mut socket: Socket) {
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn sleep(mut socket: Socket) {
    while let Some(Ok(Message::Text(text))) = socket.next().await {
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

async fn chat(mut socket: Socket, room: Sender<Utf8Bytes>) {
    let mut messages = room.subscribe();
    loop {
        tokio::select! {
            received = socket.next() => match received {
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
