//! The time for which clients may keep a file without asking.

use std::borrow::Cow;
use std::time::Duration;

/// The time for which clients and caches may use a file without asking whether it has changed (RFC 9111 §5.2.2).
///
/// ```
/// use hansel::files::{Cache, Files};
/// use std::time::Duration;
///
/// let files = Files::new("src").cache(Cache::For(Duration::from_secs(3600)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cache {
    /// They ask each time, and get 304 without content if it has not changed: `no-cache`. So nobody sees an old file.
    #[default]
    Revalidate,
    /// They need not ask for this long: `max-age`, in whole seconds.
    For(Duration),
    /// They never ask again, not even on reload: `max-age=31536000, immutable` (RFC 8246). For names that change with
    /// the content.
    Immutable,
    /// They keep nothing: `no-store`.
    Never,
    /// No header is sent. Browsers then guess: usually a tenth of the time since the file was last modified (RFC 9111
    /// §4.2.2).
    Unsaid,
}

impl Cache {
    /// Returns the value of Cache-Control, if there is one.
    pub(super) fn control(self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Cache::Revalidate => "no-cache",
            Cache::For(time) => return Some(Cow::Owned(format!("max-age={}", time.as_secs()))),
            // Without `public`, which would let shared caches store what was sent to somebody who is logged in.
            Cache::Immutable => "max-age=31536000, immutable",
            Cache::Never => "no-store",
            Cache::Unsaid => return None,
        }))
    }
}

/// Returns whether a part of this name looks like a hash of the content, as build tools make them: `app.3f9ac01d.js`,
/// `index-BX9uQz21.css`.
///
/// It has at least eight letters and digits and at least one digit; and it is in lower-case hexadecimal with a letter,
/// or has a capital. Something stands before it, unless it has at least sixteen.
pub(super) fn has_hash(name: &str) -> bool {
    let Some((stem, _extension)) = name.rsplit_once('.') else {
        return false;
    };
    let mut parts = stem.split(['.', '-', '_']);
    let first = parts.next().unwrap_or_default();
    (first.len() >= 16 && is_hash(first)) || parts.any(is_hash)
}

fn is_hash(part: &str) -> bool {
    let has = |is: fn(&u8) -> bool| part.as_bytes().iter().any(is);
    let is_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    part.len() >= 8
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && has(u8::is_ascii_digit)
        && ((is_hex && has(u8::is_ascii_lowercase)) || has(u8::is_ascii_uppercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_a_header() {
        for (cache, expected) in [
            (Cache::default(), Some("no-cache")),
            (Cache::For(Duration::from_millis(60_500)), Some("max-age=60")),
            (Cache::For(Duration::MAX), Some("max-age=18446744073709551615")),
            (Cache::Immutable, Some("max-age=31536000, immutable")),
            (Cache::Never, Some("no-store")),
            (Cache::Unsaid, None),
        ] {
            assert_eq!(cache.control().as_deref(), expected, "{cache:?}");
        }
    }

    #[test]
    fn hashes_of_build_tools_are_known_and_words_and_dates_are_not() {
        for name in [
            "app.3f9ac01d.js",
            "app-3f9ac01d.min.css",
            "index-BX9uQz21.css",
            "chunk-GJ6YKHXL.js",
            "main_0a1b2c3d4e5f.wasm",
            "0a1b2c3d4e5f60718293a4b5c6d7e8f9.png",
        ] {
            assert!(has_hash(name), "{name}");
        }
        for name in [
            "index.html",
            "report-20261129.pdf",
            "DSC00012.jpg",
            "photo-of-gretel.jpg",
            "jquery-3.7.1.min.js",
            "facade-deadbeef.js",
            "LineGraph-component.js",
            "3f9ac01d.js",
            "app.3f9ac01d",
            "app-1234567.js",
            "version2026beta.zip",
            "",
            ".",
        ] {
            assert!(!has_hash(name), "{name}");
        }
    }
}
