//! Receives signed webhooks, and works on them after it has responded.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use ring::hmac;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

/// An event is refused if its signature is older than this, or as far in the future: nobody can send it again later.
const TOLERANCE: Duration = Duration::from_secs(300);

struct Inbox {
    secret: hmac::Key,
    queue: SyncSender<Vec<u8>>,
}

/// `POST /events`, with `X-Signature: t=1700000000,v1=` and the HMAC-SHA256 of `1700000000.` and the body.
async fn receive(State(inbox): State<Arc<Inbox>>, headers: HeaderMap, event: Bytes) -> Response {
    let signature = headers.get("X-Signature").and_then(|signature| signature.to_str().ok());
    if !signature.is_some_and(|signature| inbox.is_signed(signature, &event)) {
        return (StatusCode::UNAUTHORIZED, "the signature is missing, wrong or too old").into_response();
    }
    // Whoever sends webhooks sends them again.
    if inbox.queue.try_send(event.to_vec()).is_err() {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [("Retry-After", "10")],
            "the queue is full",
        )
            .into_response();
    }
    StatusCode::ACCEPTED.into_response()
}

impl Inbox {
    fn is_signed(&self, signature: &str, event: &[u8]) -> bool {
        let Some((time, mac)) = signature.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")) else {
            return false;
        };
        let (Ok(seconds), Some(mac)) = (time.parse::<u64>(), from_hex(mac)) else {
            return false;
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let signed = [time.as_bytes(), b".", event].concat();
        // In constant time.
        hmac::verify(&self.secret, &signed, &mac).is_ok() && now.abs_diff(seconds) <= TOLERANCE.as_secs()
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text
        .chars()
        .map(|digit| digit.to_digit(16))
        .collect::<Option<Vec<u32>>>()?;
    Some(
        digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | *digit as u8))
            .collect(),
    )
}

/// Works on events until nobody can send any more and the queue is empty.
fn work(queue: &Receiver<Vec<u8>>, mut journal: File, each_takes: Duration) -> io::Result<()> {
    for mut event in queue {
        thread::sleep(each_takes); // the real work
        event.push(b'\n');
        journal.write_all(&event)?;
    }
    journal.sync_all()
}

fn app(inbox: Inbox) -> Router {
    Router::new()
        .route("/events", post(receive))
        .with_state(Arc::new(inbox))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            Duration::from_secs(60),
        ))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let variable = |name: &str, default: &str| env::var(name).unwrap_or(default.into());
    let secret = env::var("WEBHOOK_SECRET").map_err(|_| "set WEBHOOK_SECRET to what the sender signs with")?;
    let journal = OpenOptions::new()
        .create(true)
        .append(true)
        .open(variable("JOURNAL", "events.jsonl"))?;
    let each_takes = Duration::from_millis(variable("WORK_MS", "0").parse()?);

    let (queue, events) = sync_channel(1000);
    let worker = thread::spawn(move || work(&events, journal, each_takes));
    let inbox = Inbox {
        secret: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        queue,
    };
    let listener = tokio::net::TcpListener::bind(variable("LISTEN", "127.0.0.1:8080")).await?;
    axum::serve(listener, app(inbox))
        .with_graceful_shutdown(terminated())
        .await?;
    // The application is gone now, and with it the sender.
    Ok(worker.join().map_err(|_| "the worker has panicked")??)
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
