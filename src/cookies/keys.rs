//! The keys with which cookies are signed and encrypted.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{self, SystemRandom};

/// The bytes of a key.
const KEY: usize = 32;

/// The random bytes before an encrypted value: so many that no two are ever equal.
const SALT: usize = 24;

/// The bytes of a signature: the second at which it ends, and a MAC.
const SIGNATURE: usize = 8 + 32;

/// The same in base64.
const SIGNATURE_TEXT: usize = SIGNATURE.div_ceil(3) * 4 - 2;

/// The keys with which cookies are signed and encrypted.
///
/// The first key signs and encrypts. What older keys have made is still accepted, so a key is replaced without
/// logging anybody out: put the new one first, and remove the old one when what it has made has expired.
///
/// Requires the feature `cookies`.
///
/// ```
/// use hansel::{Cookie, Cookies, Keys, Request, Response};
///
/// let keys = Keys::from_hex("9f0a3b5c1d2e4f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8")?;
///
/// let mut response = Response::default();
/// response.set_cookie(Cookie::new("cart", "7").signed(&keys));
///
/// let sent = response.header("Set-Cookie").and_then(|cookie| cookie.split(';').next()).unwrap();
/// let request = Request::get("/").with_header("Cookie", sent);
/// assert_eq!(Cookies::of(&request).signed("cart", &keys), Some("7"));
/// assert_eq!(Cookies::of(&request).signed("cart", &Keys::random()), None);
/// # Ok::<(), hansel::cookies::InvalidKeys>(())
/// ```
///
/// A key is 32 random bytes, such as `openssl rand -hex 32` prints. Keep it out of the source and out of logs: whoever
/// has it can be every user.
#[derive(Clone)]
pub struct Keys(Arc<[Pair]>);

/// The uses of one key, each with a key of its own that is derived from it.
#[derive(Clone)]
struct Pair {
    signing: hmac::Key,
    /// Derives the key of each message.
    encrypting: hmac::Key,
}

/// The protection of a cookie's value.
#[derive(Clone, Copy)]
pub(super) enum Seal {
    Signed,
    Encrypted,
}

impl Keys {
    /// Creates keys of this one.
    pub fn new(key: &[u8; KEY]) -> Keys {
        Keys([Pair::of(key)].into())
    }

    /// Adds an older key: what it has signed or encrypted is accepted, and it makes nothing new.
    #[must_use]
    pub fn with_old(self, key: &[u8; KEY]) -> Keys {
        Keys(self.0.iter().cloned().chain([Pair::of(key)]).collect())
    }

    /// Reads keys of 64 hexadecimal digits each, with commas or white space between them. The first one signs and encrypts.
    ///
    /// # Errors
    /// If there is no key, or one that is not 64 digits. The error does not contain any of the text.
    pub fn from_hex(text: &str) -> Result<Keys, InvalidKeys> {
        let texts = text.split(|letter: char| letter == ',' || letter.is_whitespace());
        let mut pairs = Vec::new();
        for text in texts.filter(|text| !text.is_empty()) {
            let key = key_of_hex(text).ok_or(InvalidKeys(Cause::NotHex(pairs.len() + 1)))?;
            pairs.push(Pair::of(&key));
        }
        if pairs.is_empty() {
            return Err(InvalidKeys(Cause::Missing));
        }
        Ok(Keys(pairs.into()))
    }

    /// Reads keys from a variable of the environment, as [`from_hex`](Keys::from_hex) does.
    ///
    /// ```no_run
    /// let keys = hansel::Keys::from_env("COOKIE_KEYS")?;
    /// # Ok::<(), hansel::cookies::InvalidKeys>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`from_hex`](Keys::from_hex). A variable that is not set is like an empty one.
    pub fn from_env(variable: &str) -> Result<Keys, InvalidKeys> {
        Keys::from_hex(&std::env::var(variable).unwrap_or_default())
    }

    /// Creates a random key. When the program ends, nobody can read any more what it has made.
    ///
    /// # Panics
    /// If the system has no random numbers.
    pub fn random() -> Keys {
        match random::<KEY>() {
            Some(key) => Keys::new(&key),
            None => panic!("the system has no random numbers for a key"),
        }
    }

    /// Returns the value that [`Cookie::signed`](super::Cookie::signed) signed under this name, if the signature is right
    /// and has not expired. `name` is the whole one, with a prefix if it has one.
    ///
    /// [`Cookies::signed`](super::Cookies::signed) does this for cookies with the prefix `__Host-`.
    pub fn verify<'v>(&self, name: &str, sent: &'v str) -> Option<&'v str> {
        self.verify_at(super::seconds(), name, sent)
    }

    /// Returns the value that [`Cookie::encrypted`](super::Cookie::encrypted) encrypted under this name, if it is authentic
    /// and has not expired. `name` is the whole one, with a prefix if it has one.
    ///
    /// [`Cookies::encrypted`](super::Cookies::encrypted) does this for cookies with the prefix `__Host-`.
    pub fn decrypt(&self, name: &str, sent: &str) -> Option<String> {
        self.decrypt_at(super::seconds(), name, sent)
    }

    /// Returns `value` and its signature, which ends at the second `expires`.
    pub(super) fn sign(&self, name: &str, value: &str, expires: u64) -> String {
        let mac = hmac::sign(&self.first().signing, &signed_text(name, value, expires));
        let signature = [&expires.to_be_bytes(), mac.as_ref()].concat();
        format!("{value}{}", BASE64.encode(signature))
    }

    fn verify_at<'v>(&self, now: u64, name: &str, sent: &'v str) -> Option<&'v str> {
        let (value, signature) = sent.split_at_checked(sent.len().checked_sub(SIGNATURE_TEXT)?)?;
        let signature = BASE64.decode(signature).ok()?;
        let (expires, mac) = signature.split_first_chunk()?;
        let expires = u64::from_be_bytes(*expires);
        let text = signed_text(name, value, expires);
        // In constant time, so the time tells nothing of the right MAC.
        let is_right = |pair: &Pair| hmac::verify(&pair.signing, &text, mac).is_ok();
        (self.0.iter().any(is_right) && now < expires).then_some(value)
    }

    /// Returns `value` encrypted, to end at the second `expires`. `None` if the system has no random numbers.
    pub(super) fn encrypt(&self, name: &str, value: &str, expires: u64) -> Option<String> {
        let salt = random::<SALT>()?;
        let mut text = [&expires.to_be_bytes(), value.as_bytes()].concat();
        self.first()
            .message_key(&salt)?
            .seal_in_place_append_tag(nonce(), Aad::from(name), &mut text)
            .ok()?;
        Some(BASE64.encode([&salt[..], &text].concat()))
    }

    fn decrypt_at(&self, now: u64, name: &str, sent: &str) -> Option<String> {
        let sealed = BASE64.decode(sent).ok()?;
        let (salt, sealed) = sealed.split_first_chunk::<SALT>()?;
        self.0.iter().find_map(|pair| {
            let mut sealed = sealed.to_vec();
            let text = pair
                .message_key(salt)?
                .open_in_place(nonce(), Aad::from(name), &mut sealed);
            let (expires, value) = text.ok()?.split_first_chunk()?;
            if now >= u64::from_be_bytes(*expires) {
                return None;
            }
            String::from_utf8(value.to_vec()).ok()
        })
    }

    fn first(&self) -> &Pair {
        // There is always one.
        &self.0[0]
    }
}

impl Pair {
    fn of(key: &[u8; KEY]) -> Pair {
        let key = hmac::Key::new(HMAC_SHA256, key);
        let derived = |purpose: &[u8]| hmac::Key::new(HMAC_SHA256, hmac::sign(&key, purpose).as_ref());
        Pair {
            signing: derived(b"hansel cookies: signing, version 1"),
            encrypting: derived(b"hansel cookies: encryption, version 1"),
        }
    }

    /// Derives the key of one message from its salt.
    ///
    /// A random nonce of AES-GCM has 96 bits, so a key may encrypt 2^32 messages at most (NIST SP 800-38D §8.3). With a
    /// salt of 192 bits and a key for each message there is no such limit, and nothing to count.
    fn message_key(&self, salt: &[u8; SALT]) -> Option<LessSafeKey> {
        let key = hmac::sign(&self.encrypting, salt);
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).ok()?;
        Some(LessSafeKey::new(key))
    }
}

/// The nonce of the only message of a key.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// The text that is signed. A name has no `=`, so no two cookies have the same text.
fn signed_text(name: &str, value: &str, expires: u64) -> Vec<u8> {
    [&expires.to_be_bytes(), name.as_bytes(), b"=", value.as_bytes()].concat()
}

fn random<const N: usize>() -> Option<[u8; N]>
where
    [u8; N]: rand::RandomlyConstructable,
{
    rand::generate::<[u8; N]>(&SystemRandom::new())
        .ok()
        .map(|random| random.expose())
}

fn key_of_hex(text: &str) -> Option<[u8; KEY]> {
    let mut key = [0; KEY];
    if text.len() != 2 * KEY || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(key)
}

/// Shows how many keys there are, and nothing of them.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

/// The error for a text that is no [`Keys`].
///
/// Requires the feature `cookies`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKeys(Cause);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Missing,
    /// The number of the key, counted from 1.
    NotHex(usize),
}

impl fmt::Display for InvalidKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Cause::Missing => f.write_str("there is no key for cookies; make one with `openssl rand -hex 32`"),
            Cause::NotHex(number) => write!(
                f,
                "key {number} for cookies does not consist of 64 hexadecimal digits; make one with `openssl rand -hex 32`"
            ),
        }
    }
}

impl std::error::Error for InvalidKeys {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: [u8; KEY] = [1; KEY];
    const B: [u8; KEY] = [2; KEY];

    /// Each seal as two functions: one makes it, one opens it at a second.
    type Sealing = fn(&Keys, &str, &str, u64) -> String;
    type Opening = fn(&Keys, u64, &str, &str) -> Option<String>;
    const SEALS: [(Sealing, Opening); 2] = [
        (
            |keys, name, value, expires| keys.sign(name, value, expires),
            |keys, now, name, sent| keys.verify_at(now, name, sent).map(str::to_owned),
        ),
        (
            |keys, name, value, expires| keys.encrypt(name, value, expires).unwrap(),
            |keys, now, name, sent| keys.decrypt_at(now, name, sent),
        ),
    ];

    #[test]
    fn a_value_is_its_own_under_its_name_until_its_end() {
        let keys = Keys::new(&A);
        for (seal, open) in SEALS {
            let sent = seal(&keys, "name", "value", 100);
            assert_eq!(open(&keys, 99, "name", &sent).as_deref(), Some("value"));
            assert_eq!(open(&keys, 100, "name", &sent), None, "it has expired");
            assert_eq!(open(&keys, 99, "other", &sent), None, "a value of another cookie");
            assert_eq!(open(&Keys::new(&B), 99, "name", &sent), None, "another key");
            assert_eq!(open(&keys, 99, "name", "value"), None);
            assert_eq!(open(&keys, 99, "name", ""), None);
        }
    }

    #[test]
    fn what_is_signed_is_not_taken_for_encrypted_nor_the_other_way_round() {
        let keys = Keys::new(&A);
        assert_eq!(keys.decrypt_at(0, "a", &keys.sign("a", "value", 100)), None);
        assert_eq!(keys.verify_at(0, "a", &keys.encrypt("a", "value", 100).unwrap()), None);
    }

    #[test]
    fn keys_rotate() {
        let (old, new) = (Keys::new(&A), Keys::new(&B).with_old(&A));
        for (seal, open) in SEALS {
            assert!(
                open(&new, 0, "a", &seal(&old, "a", "value", 1)).is_some(),
                "the old one still counts"
            );
            assert!(
                open(&old, 0, "a", &seal(&new, "a", "value", 1)).is_none(),
                "the new one signs"
            );
            assert!(
                open(&Keys::new(&B), 0, "a", &seal(&old, "a", "value", 1)).is_none(),
                "until it is removed"
            );
        }
    }

    #[test]
    fn the_same_value_is_never_encrypted_to_the_same_text() {
        let keys = Keys::new(&A);
        let sent = |_| keys.encrypt("a", "value", 1).unwrap();
        let all: std::collections::HashSet<String> = (0..100).map(sent).collect();
        assert_eq!(all.len(), 100);
        assert!(all.iter().all(|text| !text.contains("value")));
    }

    #[test]
    fn keys_are_read_from_hexadecimal_digits_and_not_shown() {
        let (a, b) = ("01".repeat(KEY), "02".repeat(KEY));
        let keys = Keys::from_hex(&format!(" {b},\n{a} ")).unwrap();
        assert_eq!(format!("{keys:?}"), "Keys(2)");
        assert!(keys.verify_at(0, "a", &Keys::new(&A).sign("a", "value", 1)).is_some());
        assert!(Keys::new(&B).verify_at(0, "a", &keys.sign("a", "value", 1)).is_some());
        assert_eq!(Keys::from_hex(" , ").unwrap_err(), InvalidKeys(Cause::Missing));
        for wrong in [&a[1..], &format!("+{}", &a[1..]), &format!("{a}0"), &"é".repeat(KEY)] {
            let error = Keys::from_hex(&format!("{b} {wrong}")).unwrap_err();
            assert!(error.to_string().starts_with("key 2 "), "{error}");
            assert!(!format!("{error} {error:?}").contains(wrong), "{error}");
        }
        assert_eq!(
            Keys::from_env("HANSEL_NO_SUCH_VARIABLE").unwrap_err(),
            InvalidKeys(Cause::Missing)
        );
    }

    proptest! {
        #[test]
        fn one_wrong_byte_anywhere_is_found(value in "[ -~]{0,40}", at: prop::sample::Index, byte in 32_u8..127) {
            let keys = Keys::new(&A);
            for (seal, open) in SEALS {
                let sent = seal(&keys, "name", &value, u64::MAX);
                let mut changed = sent.clone().into_bytes();
                let at = at.index(changed.len());
                changed[at] = byte;
                let changed = String::from_utf8(changed).unwrap();
                let opened = open(&keys, 0, "name", &changed);
                prop_assert_eq!(opened.is_some(), changed == sent);
            }
        }

        #[test]
        fn whatever_is_sent_panics_nowhere(sent in ".{0,80}") {
            let keys = Keys::new(&A);
            prop_assert_eq!(keys.verify_at(0, "name", &sent), None);
            prop_assert_eq!(keys.decrypt_at(0, "name", &sent), None);
        }
    }
}
