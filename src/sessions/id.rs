//! The id of a session: the secret that its client has in a cookie.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{self, SystemRandom};
use ring::{digest, error::Unspecified};

use super::StoreKey;

/// The bytes of an id. Guessing one of a billion sessions takes 2^225 attempts.
const LENGTH: usize = 32;

/// A random secret: the id of a session, or what takes its place where there is no session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Id([u8; LENGTH]);

impl Id {
    /// Creates a random id.
    pub(super) fn random() -> Result<Id, NoRandomness> {
        let random = rand::generate::<[u8; LENGTH]>(&SystemRandom::new());
        random
            .map(|random| Id(random.expose()))
            .map_err(|Unspecified| NoRandomness)
    }

    /// Reads an id that a client sent.
    pub(super) fn parse(text: &str) -> Option<Id> {
        BASE64.decode(text).ok()?.try_into().ok().map(Id)
    }

    /// Returns the id as a client gets it.
    pub(super) fn text(&self) -> String {
        BASE64.encode(self.0)
    }

    /// Returns what a store knows the session by. Nobody can compute the id from it.
    ///
    /// A plain hash is enough, because an id is random and not a password that could be guessed. It also makes the look-up
    /// safe from timing: what a client can choose is the id, and how far its hash agrees with another tells nothing of
    /// an id with a hash that agrees further.
    pub(super) fn store_key(&self) -> StoreKey {
        let digest = digest::digest(&digest::SHA256, &self.0);
        let mut key = [0; LENGTH];
        key.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        StoreKey::new(key)
    }

    /// Returns a key for MACs that only this session has.
    pub(super) fn key(&self) -> hmac::Key {
        hmac::Key::new(HMAC_SHA256, &self.0)
    }
}

/// The system has no random numbers.
#[derive(Debug)]
pub(super) struct NoRandomness;

impl std::fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the system has no random numbers for a session")
    }
}

impl std::error::Error for NoRandomness {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_random_and_reads_back() {
        let ids: Vec<Id> = (0..100).map(|_| Id::random().unwrap()).collect();
        let texts: std::collections::HashSet<String> = ids.iter().map(Id::text).collect();
        assert_eq!(texts.len(), 100);
        for id in ids {
            assert_eq!(id.text().len(), 43, "256 bits");
            assert_eq!(Id::parse(&id.text()).map(|read| read.0), Some(id.0));
        }
    }

    #[test]
    fn what_is_no_id_is_none() {
        let text = Id::random().unwrap().text();
        for wrong in [
            "",
            "x",
            &text[1..],
            &format!("{text}A"),
            &format!("{text}="),
            &"é".repeat(43),
        ] {
            assert!(Id::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_a_store_gets_is_not_the_id() {
        let id = Id::random().unwrap();
        let key = id.store_key();
        assert_ne!(*key.bytes(), id.0);
        assert!(Id::parse(&key.to_string()).is_none_or(|read| read.0 != id.0));
        assert_eq!(key, Id::parse(&id.text()).unwrap().store_key());
    }
}
