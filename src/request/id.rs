//! Request ids, which connect the log lines of one request.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Ids are numbered in blocks, so that threads do not share a counter for each request.
const BLOCK: u64 = 1024;

/// The longest id that is accepted from a peer.
const LONGEST: usize = 128;

/// The id of a request, for log lines: 16 hexadecimal digits, or the id that a trusted peer sent.
///
/// No two requests of a process get the same digits, and two processes hardly ever do.
///
/// ```
/// let (first, second) = (hansel::Request::get("/"), hansel::Request::get("/"));
/// assert_eq!(first.id().to_string(), first.id().to_string());
/// assert_ne!(first.id().to_string(), second.id().to_string());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestId<'r>(Id<'r>);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Id<'r> {
    Own(u64),
    Given(&'r str),
}

impl fmt::Display for RequestId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Id::Own(_) => {
                let mut room = [0; 16];
                f.write_str(self.text(&mut room))
            }
            Id::Given(text) => f.write_str(text),
        }
    }
}

impl<'r> RequestId<'r> {
    pub(crate) fn own(serial: NonZeroU64) -> RequestId<'static> {
        RequestId(Id::Own(mix(SEED.value().wrapping_add(serial.get()))))
    }

    /// Returns the id that a peer has sent, if it is harmless in a line and in a field.
    pub(crate) fn given(sent: &'r [u8]) -> Option<RequestId<'r>> {
        let is_harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@~".contains(byte);
        let is_good = (1..=LONGEST).contains(&sent.len()) && sent.iter().all(is_harmless);
        let text = std::str::from_utf8(sent).ok().filter(|_| is_good)?;
        Some(RequestId(Id::Given(text)))
    }

    /// Returns its text, for which it may need `room`.
    pub(crate) fn text<'t>(&self, room: &'t mut [u8; 16]) -> &'t str
    where
        'r: 't,
    {
        match self.0 {
            Id::Given(text) => text,
            Id::Own(number) => {
                for (digit, at) in room.iter_mut().zip((0..16).rev()) {
                    *digit = b"0123456789abcdef"[(number >> (4 * at) & 0xf) as usize];
                }
                std::str::from_utf8(room).unwrap_or_default()
            }
        }
    }
}

/// Returns the next number of this thread. No other thread of this process gets it.
pub(crate) fn next_serial() -> NonZeroU64 {
    static BLOCKS: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static NEXT: Cell<u64> = const { Cell::new(0) };
    }
    NEXT.with(|next| {
        let mut serial = next.get();
        if serial % BLOCK == 0 {
            serial = BLOCKS.fetch_add(1, Ordering::Relaxed) * BLOCK;
        }
        next.set(serial + 1);
        NonZeroU64::MIN.saturating_add(serial)
    })
}

/// Makes the ids of a process that was forked differ from those of its parent, if that has made some already. To be
/// called when a server starts, which is before the first request.
pub(crate) fn after_fork() {
    SEED.renew_in(std::process::id());
}

static SEED: Seed = Seed::new();

/// The number that makes the ids of this process differ from those of the next: the time, the process id, and an address. Ids need
/// not be hard to guess, so no random number is needed, and the code for one is not linked.
struct Seed {
    /// 0 until the first id is read.
    value: AtomicU64,
    process: AtomicU32,
}

impl Seed {
    const fn new() -> Seed {
        Seed {
            value: AtomicU64::new(0),
            process: AtomicU32::new(0),
        }
    }

    #[inline]
    fn value(&self) -> u64 {
        match self.value.load(Ordering::Relaxed) {
            0 => self.sow(std::process::id()),
            value => value,
        }
    }

    /// Sets the value, unless another thread is faster, and returns it.
    #[cold]
    fn sow(&self, process: u32) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let place = &raw const *self as usize as u64;
        let value = [u64::from(process), since.as_secs(), u64::from(since.subsec_nanos())]
            .into_iter()
            .fold(mix(place), |mixed, next| mix(mixed ^ next))
            .max(1);
        let sown = self
            .value
            .compare_exchange(0, value, Ordering::Relaxed, Ordering::Relaxed);
        self.process.store(process, Ordering::Relaxed);
        sown.map_or_else(|there| there, |_| value)
    }

    /// Sets another value if this one was inherited from another process.
    fn renew_in(&self, process: u32) {
        if self.value.load(Ordering::Relaxed) != 0 && self.process.load(Ordering::Relaxed) != process {
            self.value.store(0, Ordering::Relaxed);
            self.sow(process);
        }
    }
}

/// Spreads consecutive numbers over all numbers. Multiplying by an odd number and folding high bits into low ones can
/// both be undone, so different numbers stay different.
fn mix(number: u64) -> u64 {
    let folded = (number ^ (number >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let folded = (folded ^ (folded >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    folded ^ (folded >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_of_many_threads_are_all_different() {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    let ids = (0..3 * BLOCK).map(|_| RequestId::own(next_serial()).to_string());
                    ids.collect::<Vec<_>>()
                })
            })
            .collect();
        let all: Vec<String> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(all.iter().all(|id| id.len() == 16), "{:?}", all.first());
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn a_process_that_was_forked_has_ids_of_its_own() {
        let seed = Seed::new();
        seed.renew_in(1);
        assert_eq!(seed.value.load(Ordering::Relaxed), 0, "nobody has asked yet");
        let of_parent = seed.sow(1);
        seed.renew_in(1);
        assert_eq!(seed.value(), of_parent);
        seed.renew_in(2);
        assert_ne!(seed.value(), of_parent);
    }

    #[test]
    fn what_could_do_harm_is_not_taken_over() {
        for good in [
            "a",
            "1-67891233-abcdef012345678912345678",
            "AbC_9.x:y+z/==",
            &"a".repeat(128),
        ] {
            assert_eq!(RequestId::given(good.as_bytes()).unwrap().to_string(), good);
        }
        for bad in ["", "a, b", "a b", "a\"b", "a\\", "a\nb", "ä", "{a}", &"a".repeat(129)] {
            assert_eq!(RequestId::given(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
