//! Receives signed webhooks, and works on them after it has responded.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hansel::{App, Error, Hooks, Request, Routes, Server, State, StatusCode};
use ring::hmac;

/// An event is refused if its signature is older than this, or as far in the future: nobody can send it again later.
const TOLERANCE: Duration = Duration::from_secs(300);

struct Inbox {
    secret: hmac::Key,
    queue: SyncSender<Vec<u8>>,
}

/// `POST /events`, with `X-Signature: t=1700000000,v1=` and the HMAC-SHA256 of `1700000000.` and the body.
fn receive(request: &Request, inbox: State<Inbox>) -> hansel::Result<StatusCode> {
    let event = request.bytes()?;
    if !request
        .header("X-Signature")
        .is_some_and(|signature| inbox.is_signed(signature, event))
    {
        return Err(Error::new(
            StatusCode::UNAUTHORIZED,
            "the signature is missing, wrong or too old",
        ));
    }
    // Whoever sends webhooks sends them again.
    let full = |_| Error::new(StatusCode::SERVICE_UNAVAILABLE, "the queue is full").with_header("Retry-After", "10");
    inbox.queue.try_send(event.to_vec()).map_err(full)?;
    Ok(StatusCode::ACCEPTED)
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
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | *digit as u8))
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

fn app(inbox: Inbox) -> App {
    App::new(Hooks::on(Routes::new().post("/events", receive).route_body_limit(64 * 1024)).state(inbox))
}

fn main() -> hansel::Result {
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
    // Returns after SIGTERM, once the last response is sent. The application is gone then, and with it the sender.
    Server::bind(variable("LISTEN", "127.0.0.1:8080"))?.serve(app(inbox))?;
    Ok(worker.join().map_err(|_| "the worker has panicked")??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::test::Client;

    fn signature(secret: &str, seconds: u64, event: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let mac = hmac::sign(&key, format!("{seconds}.{event}").as_bytes());
        let mac: String = mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={seconds},v1={mac}")
    }

    fn client(places: usize) -> (Client, Receiver<Vec<u8>>) {
        let (queue, events) = sync_channel(places);
        let secret = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        (Client::new(app(Inbox { secret, queue })), events)
    }

    fn send(client: &Client, signature: &str) -> u16 {
        let request = Request::post("/events").with_header("X-Signature", signature);
        client.send(request.with_body("paid")).status().as_u16()
    }

    fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    #[test]
    fn only_the_sender_who_knows_the_secret_is_heard() {
        let (client, events) = client(10);
        assert_eq!(send(&client, &signature("secret", now(), "paid")), 202);
        assert_eq!(events.try_recv().unwrap(), b"paid");
        for wrong in [
            signature("guess", now(), "paid"),
            signature("secret", now(), "unpaid"),
            signature("secret", now() - 301, "paid"),
            signature("secret", now() + 400, "paid"),
            format!("t={},v1=abc", now()),
            "v1=00".to_owned(),
        ] {
            assert_eq!(send(&client, &wrong), 401, "{wrong}");
        }
        assert_eq!(client.post("/events", "paid").status(), 401);
        assert!(events.try_recv().is_err());
    }

    #[test]
    fn a_full_queue_asks_the_sender_to_come_back() {
        let (client, _events) = client(1);
        let signature = signature("secret", now(), "paid");
        assert_eq!(send(&client, &signature), 202);
        assert_eq!(send(&client, &signature), 503);
    }
}
