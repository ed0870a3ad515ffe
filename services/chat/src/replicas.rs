//! The dashboard: how each replica is doing, told by each and shown by all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hansel::{SlowSubscribers, Topic, TopicSettings};
use redis::Commands;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;

const HASH: &str = "replicas";

#[derive(Serialize, Deserialize)]
struct Replica {
    clients: usize,
    sent: u64,
    /// The second since 1970 in which this was told.
    told: u64,
}

pub struct Replicas(Topic);

impl Replicas {
    /// Tells how this replica is doing once a second, and sends to its clients what all have told.
    pub fn start(name: &str, engine: Arc<Engine>) -> Replicas {
        let topic = Topic::with(TopicSettings::new().slow(SlowSubscribers::KeepNewest).replay(1));
        let (name, shown) = (name.to_owned(), topic.clone());
        thread::spawn(move || {
            loop {
                match exchange(&name, &engine) {
                    Ok(replicas) => shown.send(replicas),
                    Err(error) => log::debug!("redis: {error}"),
                }
                thread::sleep(Duration::from_secs(1));
            }
        });
        Replicas(topic)
    }

    pub fn topic(&self) -> &Topic {
        &self.0
    }
}

fn exchange(name: &str, engine: &Engine) -> hansel::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let status = engine.topic().status();
    let own = serde_json::to_string(&Replica {
        clients: status.subscribers,
        sent: status.sent,
        told: now,
    })?;
    let all: BTreeMap<String, String> = engine.run(|redis| {
        redis.hset::<_, _, _, ()>(HASH, name, own)?;
        redis.hgetall(HASH)
    })?;
    let all = all
        .into_iter()
        .filter_map(|(name, told)| Some((name, serde_json::from_str::<Replica>(&told).ok()?)));
    // One that has told nothing for a while is gone.
    let alive: BTreeMap<_, _> = all
        .filter(|(_, replica)| now.saturating_sub(replica.told) <= 3)
        .collect();
    Ok(serde_json::to_string(&alive)?)
}
