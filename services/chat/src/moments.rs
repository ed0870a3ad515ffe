//! Notices of who is writing. They travel by sockets, and between replicas by `PUBLISH`, which keeps nothing: whoever is
//! away does not need them later.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hansel::websocket::{Message, Opening, Socket, SocketSettings, WebSocket};
use hansel::{Error, Session, State, StatusCode, Topic, TopicSettings};
use redis::{Commands, RedisResult};

use crate::engine::Engine;

const CHANNEL: &str = "writing";

pub struct Moments {
    engine: Arc<Engine>,
    writing: Topic,
}

/// `GET /moments`, a WebSocket: whatever a client sends means that it is writing, and it is sent the names of those who are.
pub fn open(socket: WebSocket, session: Session, moments: State<Moments>) -> hansel::Result<Opening<String>> {
    let name: String = session
        .read("name")
        .ok_or_else(|| Error::new(StatusCode::FORBIDDEN, "say who you are first: PUT /name"))?;
    let (engine, writing) = (Arc::clone(&moments.engine), moments.writing.clone());
    let settings = SocketSettings::new().message(16).rate(2);
    Ok(socket
        .settings(settings)
        .open(name)
        .on_open(move |socket: &Socket<String>| socket.join(&writing))
        .on_message(move |socket: &Socket<String>, _: Message<'_>| -> hansel::Result<()> {
            Ok(engine.run(|redis| redis.publish(CHANNEL, socket.state()))?)
        }))
}

impl Moments {
    /// Begins to tell the clients of this replica who is writing at any of them.
    pub fn start(engine: Arc<Engine>) -> Moments {
        // Who is slow misses the oldest, which is over.
        let writing = Topic::with(TopicSettings::new().backlog(16).replay(0));
        let (told, source) = (writing.clone(), Arc::clone(&engine));
        thread::spawn(move || {
            loop {
                let error = tell(&source, &told).unwrap_err();
                log::debug!("redis: {error}");
                thread::sleep(Duration::from_millis(100));
            }
        });
        Moments { engine, writing }
    }
}

fn tell(engine: &Engine, writing: &Topic) -> RedisResult<Infallible> {
    let mut connection = engine.client().get_connection()?;
    let mut channel = connection.as_pubsub();
    channel.subscribe(CHANNEL)?;
    loop {
        writing.send(channel.get_message()?.get_payload::<String>()?);
    }
}
