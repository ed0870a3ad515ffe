//! The options of the command line.

use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const USAGE: &str = "usage: bench-load ADDRESS WORK [OPTION ...]

WORK is smallest (the same request each time), hello, item, json, 10k, 1m, upload, sleep, mix (90 % hello, 10 % sleep),
locked, lock-mix (90 % locked, 10 % held), file-10k, file-1m, file-range (10 kB of 1 MB) or file-304.

  --connections N   at the same time (64)
  --threads N       that ask, each with its part of the connections (1)
  --depth N         requests sent together (1)
  --clients KIND    own: a connection is one client's, so that only the path varies on it;
                    mixed: each request is another client's, as behind a proxy (mixed)
  --seed N          other values in the requests (1)
  --close           a connection for each request
  --body N          bytes of body in an upload (1024)
  --warm-up S       seconds before measuring (0.3)
  --seconds S       seconds of measuring (2)
  --turns N         each connection sends so many batches, however long that takes, without warming up
  --server N,N..    the server's processes, whose processor time is measured
  --idle N          as many connections, open and idle beside the load (0)
  --hold            only open the idle connections, until a line comes from the standard input
  --any-body        the responses' bodies are not checked: the limit's are always the same";

/// The kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Smallest,
    Hello,
    Item,
    Json,
    TenKb,
    OneMb,
    Upload,
    Sleep,
    Mix,
    Locked,
    LockMix,
    FileTenKb,
    FileOneMb,
    FileRange,
    FileUnchanged,
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) address: SocketAddr,
    pub(crate) work: Work,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) depth: usize,
    pub(crate) has_own_clients: bool,
    pub(crate) seed: u64,
    pub(crate) closes: bool,
    pub(crate) body: usize,
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
    pub(crate) turns: Option<usize>,
    pub(crate) server: Vec<i32>,
    pub(crate) idle: usize,
    pub(crate) hold: bool,
    pub(crate) checks_bodies: bool,
}

impl Options {
    pub(crate) fn of(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let address = arguments.next().ok_or("an address is missing")?;
        let work = arguments.next().ok_or("the kind of work is missing")?;
        let mut options = Options {
            address: parsed("ADDRESS", &address)?,
            work: Work::named(&work)?,
            connections: 64,
            threads: 1,
            depth: 1,
            has_own_clients: false,
            seed: 1,
            closes: false,
            body: 1024,
            warm_up: Duration::from_millis(300),
            time: Duration::from_secs(2),
            turns: None,
            server: Vec::new(),
            idle: 0,
            hold: false,
            checks_bodies: true,
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--connections" => options.connections = at_least_one(&name, &value()?)?,
                "--threads" => options.threads = at_least_one(&name, &value()?)?,
                "--depth" => options.depth = at_least_one(&name, &value()?)?,
                "--clients" => options.has_own_clients = is_own(&value()?)?,
                "--seed" => options.seed = parsed(&name, &value()?)?,
                "--close" => options.closes = true,
                "--body" => options.body = parsed(&name, &value()?)?,
                "--warm-up" => options.warm_up = seconds(&name, &value()?)?,
                "--seconds" => options.time = seconds(&name, &value()?)?,
                "--turns" => options.turns = Some(at_least_one(&name, &value()?)?),
                "--server" => options.server = processes(&name, &value()?)?,
                "--idle" => options.idle = parsed(&name, &value()?)?,
                "--hold" => options.hold = true,
                "--any-body" => options.checks_bodies = false,
                other => return Err(format!("what is {other:?}?")),
            }
        }
        if options.work.is_mixed() && options.depth > 1 {
            return Err("requests of a mix are not sent together: a quick response would wait for a slow one".into());
        }
        if options.closes && options.depth > 1 {
            return Err("a connection for each request has only one".into());
        }
        if options.closes && options.turns.is_some() {
            return Err("a connection for each request has only one turn".into());
        }
        Ok(options)
    }
}

impl Work {
    /// Returns true if some requests are quick, and others slow.
    pub(crate) fn is_mixed(self) -> bool {
        matches!(self, Work::Mix | Work::LockMix)
    }

    /// Returns the status of the right response.
    pub(crate) fn status(self) -> u16 {
        match self {
            Work::FileRange => 206,
            Work::FileUnchanged => 304,
            _ => 200,
        }
    }

    fn named(name: &str) -> Result<Work, String> {
        Ok(match name {
            "smallest" => Work::Smallest,
            "hello" => Work::Hello,
            "item" => Work::Item,
            "json" => Work::Json,
            "10k" => Work::TenKb,
            "1m" => Work::OneMb,
            "upload" => Work::Upload,
            "sleep" => Work::Sleep,
            "mix" => Work::Mix,
            "locked" => Work::Locked,
            "lock-mix" => Work::LockMix,
            "file-10k" => Work::FileTenKb,
            "file-1m" => Work::FileOneMb,
            "file-range" => Work::FileRange,
            "file-304" => Work::FileUnchanged,
            other => return Err(format!("no work is named {other:?}")),
        })
    }
}

fn parsed<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} can't be {value:?}"))
}

fn at_least_one(name: &str, value: &str) -> Result<usize, String> {
    match parsed(name, value)? {
        0 => Err(format!("{name} must be one at least")),
        number => Ok(number),
    }
}

fn seconds(name: &str, value: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(parsed(name, value)?).map_err(|error| format!("{name}: {error}"))
}

fn processes(name: &str, value: &str) -> Result<Vec<i32>, String> {
    value.split(',').map(|process| parsed(name, process)).collect()
}

fn is_own(value: &str) -> Result<bool, String> {
    match value {
        "own" => Ok(true),
        "mixed" => Ok(false),
        other => Err(format!("clients are own or mixed, not {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        Options::of(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let options = options("127.0.0.1:80 hello --depth 16 --server 1,22").unwrap();
        assert_eq!((options.connections, options.depth), (64, 16));
        assert_eq!(options.server, [1, 22]);
        assert!(options.checks_bodies);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, culprit) in [
            ("", "address"),
            ("127.0.0.1:80", "work"),
            ("127.0.0.1:80 juggle", "juggle"),
            ("127.0.0.1:80 hello --depth", "--depth"),
            ("127.0.0.1:80 hello --depth 0", "--depth"),
            ("127.0.0.1:80 hello --threads 0", "--threads"),
            ("127.0.0.1:80 hello --seconds -1", "--seconds"),
            ("127.0.0.1:80 hello --turns 0", "--turns"),
            ("127.0.0.1:80 hello --turns 2 --close", "turn"),
            ("127.0.0.1:80 mix --depth 2", "mix"),
            ("127.0.0.1:80 hello --frobnicate", "--frobnicate"),
        ] {
            let mistake = options(line).unwrap_err();
            assert!(mistake.contains(culprit), "{mistake}");
        }
    }
}
