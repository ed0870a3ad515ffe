//! The engine: a stream of Redis, which each replica reads from its start on.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use hansel::{Event, SlowSubscribers, Topic, TopicSettings};
use redis::streams::{StreamId, StreamRangeReply, StreamReadOptions, StreamReadReply};
use redis::{Client, Commands, Connection, RedisResult, Script};

const STREAM: &str = "chat";
/// How long a request waits for the engine.
const PATIENCE: Duration = Duration::from_secs(2);

pub struct Engine {
    client: Client,
    /// For commands. What reads the stream has a connection of its own.
    connection: Mutex<Option<Connection>>,
    topic: Topic,
    /// The id of the latest message that this replica has sent to its clients.
    latest: Mutex<Id>,
    moved: Condvar,
    is_here: AtomicBool,
}

/// The id of an entry: a time and a number.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Id(u64, u64);

impl Engine {
    /// Connects, and begins to read what is said from now on.
    pub fn start(url: &str) -> RedisResult<Arc<Engine>> {
        let client = Client::open(url)?;
        let mut connection = connect(&client)?;
        let last: StreamRangeReply = connection.xrevrange_count(STREAM, "+", "-", 1)?;
        let latest = last
            .ids
            .first()
            .and_then(|entry| Id::parse(&entry.id))
            .unwrap_or_default();
        let engine = Arc::new_cyclic(|engine: &std::sync::Weak<Engine>| {
            let (replay, present) = (engine.clone(), engine.clone());
            // Nobody misses anything: who is too slow is closed, comes back, and continues.
            let settings = TopicSettings::new()
                .replay(1000)
                .slow(SlowSubscribers::Close)
                .replay_by(move |id| replay.upgrade()?.after(id))
                .present(move || {
                    present
                        .upgrade()
                        .map(|engine| engine.history())
                        .unwrap_or(Event::new("[]"))
                });
            Engine {
                client,
                connection: Mutex::new(Some(connection)),
                topic: Topic::with(settings),
                latest: Mutex::new(latest),
                moved: Condvar::new(),
                is_here: AtomicBool::new(true),
            }
        });
        let reader = Arc::clone(&engine);
        thread::spawn(move || reader.read());
        Ok(engine)
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    pub fn is_here(&self) -> bool {
        self.is_here.load(SeqCst)
    }

    /// Adds a message, unless one with this token is there already: then whoever sent it has not heard of it.
    pub fn add(&self, token: &str, said: &str) -> RedisResult<String> {
        let script = Script::new(
            "local id = redis.call('GET', KEYS[2])
             if not id then
                 id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', 100000, '*', 'said', ARGV[1])
                 redis.call('SET', KEYS[2], id, 'EX', 3600)
             end
             return id",
        );
        self.run(|connection| {
            script
                .key(STREAM)
                .key(format!("token:{token}"))
                .arg(said)
                .invoke(connection)
        })
    }

    /// Runs a command. After an error, the next one connects anew.
    pub fn run<T>(&self, command: impl FnOnce(&mut Connection) -> RedisResult<T>) -> RedisResult<T> {
        let mut connection = lock(&self.connection);
        let mut open = match connection.take() {
            Some(open) => open,
            None => connect(&self.client)?,
        };
        let result = command(&mut open);
        if result.is_ok() {
            *connection = Some(open);
        }
        result
    }

    /// Waits until this replica has sent the message with this id, or a later one, to its clients.
    pub fn await_id(&self, id: &str) -> Result<(), &'static str> {
        let id = Id::parse(id).ok_or("this id is none of the engine's")?;
        let (latest, _) = self
            .moved
            .wait_timeout_while(lock(&self.latest), PATIENCE, |latest| *latest < id)
            .unwrap_or_else(PoisonError::into_inner);
        if *latest >= id && self.is_here() {
            Ok(())
        } else {
            Err("what comes after this id can't be read")
        }
    }

    /// Returns all messages after this id, or nothing if some are no longer there.
    fn after(&self, id: &str) -> Option<Vec<Event>> {
        let found: StreamRangeReply = self.run(|connection| connection.xrange(STREAM, id, "+")).ok()?;
        let (first, rest) = found.ids.split_first()?;
        let last = found.ids.last().map_or("", |entry| &entry.id);
        // What is sent meanwhile is among them, and the topic knows it by its id.
        self.await_id(last).ok()?;
        (first.id == id).then(|| rest.iter().filter_map(event).collect())
    }

    /// Returns the latest messages as one event, which has no id: each message in it has one.
    fn history(&self) -> Event {
        let found = self.run(|connection| connection.xrevrange_count(STREAM, "+", "-", 50));
        let found: Vec<StreamId> = found.map_or_else(|_| Vec::new(), |found: StreamRangeReply| found.ids);
        let messages = found
            .iter()
            .rev()
            .filter_map(|entry| Some((&entry.id, entry.get::<String>("said")?)));
        let history = serde_json::to_string(&messages.collect::<Vec<_>>()).unwrap_or_default();
        named("history", history, None)
    }

    /// Sends to the clients of this replica what is in the stream, as long as the process lives.
    fn read(&self) {
        loop {
            let error = connect(&self.client)
                .and_then(|connection| self.read_by(connection))
                .unwrap_err();
            if self.is_here.swap(false, SeqCst) {
                log::warn!("redis: {error}");
                self.tell("gone");
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn read_by(&self, mut connection: Connection) -> RedisResult<std::convert::Infallible> {
        let options = StreamReadOptions::default().block(1000).count(100);
        loop {
            let latest = *lock(&self.latest);
            let read: Option<StreamReadReply> = connection.xread_options(&[STREAM], &[latest.text()], &options)?;
            if !self.is_here.swap(true, SeqCst) {
                self.tell("here");
            }
            for entry in read.iter().flat_map(|read| &read.keys).flat_map(|key| &key.ids) {
                self.topic.send(event(entry).unwrap_or(Event::new("")));
                *lock(&self.latest) = Id::parse(&entry.id).unwrap_or(latest);
                self.moved.notify_all();
            }
        }
    }

    /// Tells clients how the engine is. They keep the id of the latest message.
    fn tell(&self, state: &str) {
        let latest = lock(&self.latest).text();
        self.topic.send(named("engine", state.to_owned(), Some(latest)));
    }
}

fn connect(client: &Client) -> RedisResult<Connection> {
    let connection = client.get_connection_with_timeout(PATIENCE)?;
    // Longer than a read of the stream blocks.
    connection.set_read_timeout(Some(Duration::from_secs(3)))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    Ok(connection)
}

fn event(entry: &StreamId) -> Option<Event> {
    Event::new(entry.get::<String>("said")?).with_id(&*entry.id).ok()
}

fn named(name: &str, data: String, id: Option<String>) -> Event {
    let event = Event::new(data);
    let event = event.clone().with_name(name).unwrap_or(event);
    match id {
        Some(id) => event.clone().with_id(id).unwrap_or(event),
        None => event,
    }
}

/// Nothing that is locked here is ever half done.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Id {
    fn parse(text: &str) -> Option<Id> {
        let (time, number) = text.split_once('-')?;
        Some(Id(time.parse().ok()?, number.parse().ok()?))
    }

    fn text(self) -> String {
        format!("{}-{}", self.0, self.1)
    }
}
