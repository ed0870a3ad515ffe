//! Validators: by which a client knows that it has the current version of a file (RFC 9110 §8.8).

use std::fs::Metadata;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hansel_proto::HttpDate;

/// The time after a modification in which another one may not show in a time of whole seconds: FAT counts in twos.
const COARSE: Duration = Duration::from_secs(2);

/// The marks of a version of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Validators {
    /// The entity tag as it is sent: `"1a2b-3c"`, with `W/` before it if it is weak. Empty if there is none.
    tag: String,
    /// The second of the last modification, counted from the beginning of 1970.
    modified: Option<u64>,
    /// True if the file was not modified twice in that second, as far as the clock tells.
    is_settled: bool,
}

impl Validators {
    /// Returns the validators of a file, as of `now`. `variant` tells encodings of one file apart.
    ///
    /// RFC 9110 §8.8.3.1 names "a combination of various file attributes, or a modification timestamp that has
    /// sub-second resolution" as a source of strong tags. The inode is not among them here: replicas of a service would
    /// not agree on it.
    pub(super) fn of_file(metadata: &Metadata, variant: &str, now: SystemTime) -> Validators {
        let since = metadata
            .modified()
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        // Reproducible builds set all files to one of the first two seconds: that tells nothing.
        let Some(since) = since.filter(|since| since.as_secs() > 1) else {
            return Validators::default();
        };
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = now.checked_sub(since);
        // RFC 9110 §8.8.1: a validator is weak if "the representation data might change twice within" what it tells.
        let is_coarse = since.subsec_nanos() == 0 && age.is_none_or(|age| age < COARSE);
        let (weak, len) = (if is_coarse { "W/" } else { "" }, metadata.len());
        Validators {
            tag: format!(
                "{weak}\"{:x}.{:x}-{len:x}{variant}\"",
                since.as_secs(),
                since.subsec_nanos()
            ),
            // RFC 9110 §8.8.2.1: "an origin server with a clock MUST NOT generate a Last-Modified date that is later
            // than the server's time of message origination (Date)", and MUST replace it by that.
            modified: Some(since.as_secs().min(now.as_secs())),
            is_settled: age.is_some_and(|age| age >= COARSE),
        }
    }

    /// Returns the validators of content whose hash is known.
    pub(super) fn of_hash(hash: &str) -> Validators {
        Validators {
            tag: format!("\"{hash}\""),
            modified: None,
            is_settled: false,
        }
    }

    #[cfg(test)]
    pub(super) fn of_test(tag: &str, modified: u64) -> Validators {
        Validators {
            tag: tag.to_owned(),
            modified: Some(modified),
            is_settled: true,
        }
    }

    /// Returns the entity tag as it is sent.
    pub(super) fn tag(&self) -> Option<&str> {
        Some(&*self.tag).filter(|tag| !tag.is_empty())
    }

    /// Returns the second of the last modification.
    pub(super) fn modified(&self) -> Option<u64> {
        self.modified
    }

    /// Returns the Last-Modified date.
    pub(super) fn last_modified(&self) -> Option<HttpDate> {
        self.modified.map(HttpDate::at)
    }

    /// RFC 9110 §8.8.3.2: strong comparison: "two entity tags are equivalent if both are not weak and their opaque-tags
    /// match character-by-character".
    pub(super) fn is_strongly(&self, tag: &[u8]) -> bool {
        !self.tag.is_empty() && self.tag.as_bytes() == tag && !tag.starts_with(b"W/")
    }

    /// RFC 9110 §13.1.5: a date in If-Range counts only if it is strong, and if it "exactly matches the Last-Modified
    /// field value". By §8.8.2.2 it is strong if the file "did not change twice during the second".
    pub(super) fn is_date_in_range(&self, date: &[u8]) -> bool {
        self.is_settled && self.last_modified().is_some_and(|modified| modified.bytes() == date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    /// Of a file of 5 bytes that was modified at this time, at another.
    fn at(modified: Duration, now: Duration) -> Validators {
        let path = std::env::temp_dir().join(format!("hansel-validators-{}", std::process::id()));
        let path = path.with_extension(format!("{:?}", std::thread::current().id()));
        std::fs::write(&path, "12345").unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(UNIX_EPOCH + modified)
            .unwrap();
        let validators = Validators::of_file(&std::fs::metadata(&path).unwrap(), "", UNIX_EPOCH + now);
        std::fs::remove_file(&path).unwrap();
        validators
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn s8_8_3_a_tag_of_a_time_with_fractions_is_strong_and_changes_with_time_and_size() {
        let time = Duration::new(1_000_000_000, 7);
        let validators = at(time, time);
        assert_eq!(validators.tag(), Some("\"3b9aca00.7-5\""));
        assert!(validators.is_strongly(b"\"3b9aca00.7-5\""));
        assert_ne!(at(time + Duration::from_nanos(1), time).tag, validators.tag);
    }

    #[test]
    fn s8_8_1_a_tag_of_whole_seconds_is_weak_as_long_as_the_file_may_change_again_in_the_same() {
        let time = Duration::from_secs(1_000_000_000);
        for (now, is_weak) in [
            (time, true),
            (time + SECOND, true),
            (time - SECOND, true),
            (time + 2 * SECOND, false),
        ] {
            let validators = at(time, now);
            assert_eq!(validators.tag.starts_with("W/"), is_weak, "{now:?}");
            assert_eq!(validators.is_strongly(validators.tag.as_bytes()), !is_weak);
            assert!(validators.tag.ends_with("\"3b9aca00.0-5\""));
        }
    }

    #[test]
    fn s8_8_2_1_last_modified_is_never_in_the_future() {
        let time = Duration::from_secs(1_000_000_000);
        assert_eq!(at(time + 10 * SECOND, time).modified(), Some(1_000_000_000));
        assert_eq!(at(time - 10 * SECOND, time).modified(), Some(999_999_990));
    }

    #[test]
    fn a_time_that_tells_nothing_validates_nothing() {
        for seconds in [0, 1] {
            let validators = at(Duration::from_secs(seconds), Duration::from_secs(1_000_000_000));
            assert_eq!(validators, Validators::default());
            assert_eq!((validators.tag(), validators.last_modified()), (None, None));
            assert!(!validators.is_strongly(b""));
        }
    }

    #[test]
    fn s8_8_3_2_a_weak_tag_is_never_strongly_the_same() {
        for (own, theirs, expected) in [
            ("W/\"1\"", "W/\"1\"", false),
            ("W/\"1\"", "\"1\"", false),
            ("\"1\"", "W/\"1\"", false),
            ("\"1\"", "\"1\"", true),
        ] {
            let validators = Validators {
                tag: own.to_owned(),
                ..Validators::default()
            };
            assert_eq!(validators.is_strongly(theirs.as_bytes()), expected, "{own} {theirs}");
        }
    }
}
