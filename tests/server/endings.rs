//! A server that is a process ends when it is told to, whatever happens to what it prints and logs.
//!
//! The servers here are separate processes: this test program, started again for the one test that is otherwise
//! ignored.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hansel::{Request, Server};

use crate::processes::{end_with_test, hear_address, signal, tell_address};
use crate::support::{Client, NEVER, PATIENCE, no_deadlines, post_head};

/// Its logger panics.
const PANICS: &str = "HANSEL_TEST_LOGGER_PANICS";

/// It is restarted by a hang-up, and its logger prints.
const RESTARTS: &str = "HANSEL_TEST_RESTARTS";

/// It prints nothing.
const QUIET: &str = "HANSEL_TEST_QUIET";

/// What a process ends with by SIGTERM, as a shell would say it.
const TERMINATED: i32 = 128 + 15;

#[test]
#[ignore = "the other tests here start it, as a process of its own"]
fn a_server_that_is_told_to_end() {
    end_with_test(1);
    let is_set = |name| std::env::var_os(name).is_some();
    if is_set(PANICS) || is_set(RESTARTS) {
        let logger: &dyn log::Log = if is_set(PANICS) { &Panicking } else { &Printing };
        log::set_logger(logger).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    }
    let limits = no_deadlines().handler(Duration::from_millis(20));
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .loops(1)
        .grace(NEVER)
        .limits(limits);
    #[cfg(feature = "activation")]
    let server = if is_set(RESTARTS) {
        server.restart_on_hangup().unwrap()
    } else {
        server
    };
    let server = if is_set(QUIET) { server.quiet() } else { server };
    tell_address(server.local_addrs()[0]);
    let application = |request: &Request| match request.path() {
        "/hang" => {
            thread::sleep(Duration::from_millis(200));
            String::new()
        }
        _ => request.bytes().unwrap().len().to_string(),
    };
    server.serve(application).unwrap();
    // Before the test program prints anything, where nobody reads it.
    std::process::exit(0);
}

struct Panicking;

impl log::Log for Panicking {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        panic!("the logger can't write: {}", record.args());
    }
    fn flush(&self) {}
}

struct Printing;

impl log::Log for Printing {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        eprintln!("{}", record.args());
    }
    fn flush(&self) {}
}

/// A server that is a process, and ends with its test.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(stderr: impl Into<Stdio>, set: impl FnOnce(&mut Command)) -> Process {
        Process::start_by(Command::new(std::env::current_exe().unwrap()), stderr, set)
    }

    fn start_by(mut command: Command, stderr: impl Into<Stdio>, set: impl FnOnce(&mut Command)) -> Process {
        set(&mut command);
        let mut child = command
            .args([
                "--exact",
                "endings::a_server_that_is_told_to_end",
                "--ignored",
                "--nocapture",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let address = hear_address(&mut child);
        Process { child, address }
    }

    fn serves(&self) {
        assert_eq!(Client::connect(self.address).get("/").text(), "0");
    }

    fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits until it has ended.
    #[track_caller]
    fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end");
            thread::yield_now();
        }
    }

    /// Sends SIGTERM again and again, until it has ended.
    #[track_caller]
    fn end_by_signals(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end");
            let _ = Command::new("kill")
                .args(["-TERM", &self.child.id().to_string()])
                .stderr(Stdio::null())
                .status();
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until nobody can connect any more.
    #[track_caller]
    fn await_draining(&self) {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_ok() {
            assert!(Instant::now() < until, "it does not drain");
            thread::yield_now();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_ends_although_nobody_reads_what_it_prints_any_more() {
    let mut server = Process::start(Stdio::piped(), |_| {});
    let mut lines = BufReader::new(server.child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("queue")), "its limits");
    drop(lines);
    server.serves();
    server.signal("-TERM");
    assert!(server.end().success());
}

#[test]
fn it_serves_and_ends_although_nobody_has_ever_read_what_it_prints() {
    let (reader, writer) = UnixStream::pair().unwrap();
    drop(reader);
    let mut server = Process::start(OwnedFd::from(writer), |_| {});
    server.serves();
    server.signal("-TERM");
    assert!(server.end().success());
}

#[test]
#[cfg(target_os = "linux")]
fn it_serves_and_ends_although_the_disk_is_full() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut server = Process::start(full, |_| {});
    server.serves();
    server.signal("-TERM");
    assert!(server.end().success());
}

#[test]
fn it_serves_and_ends_although_what_it_prints_to_is_full_and_not_read() {
    let (_reader, mut writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    let full = loop {
        if let Err(error) = writer.write(&[b'x'; 1024]) {
            break error;
        }
    };
    assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    writer.set_nonblocking(false).unwrap();
    let mut server = Process::start(OwnedFd::from(writer), |_| {});
    server.serves();
    server.signal("-TERM");
    assert!(server.end().success());
}

#[test]
fn it_serves_on_and_ends_although_its_logger_panics() {
    let mut server = Process::start(Stdio::null(), |command| {
        command.env(PANICS, "1");
    });
    // The loop tells that the handler is overdue, and later its thread that it has returned too late.
    for _ in 0..3 {
        assert_eq!(Client::connect(server.address).get("/hang").status, 503);
        server.serves();
    }
    server.signal("-TERM");
    assert!(server.end().success());
}

/// A request whose body is still to come: a drain waits for it.
fn in_flight(server: &Process) -> Client {
    let mut client = Client::connect(server.address);
    client.send(post_head("/", 1));
    // Whoever asks after it is answered after it has been read.
    server.serves();
    client
}

#[test]
fn the_same_signal_once_more_does_not_cut_the_drain() {
    loop {
        let mut server = Process::start(Stdio::null(), |_| {});
        let mut client = in_flight(&server);
        let first = Instant::now();
        server.signal("-TERM");
        server.await_draining();
        server.signal("-TERM");
        server.signal("-INT");
        if first.elapsed() > Duration::from_millis(500) {
            // On so slow a machine it may have been a second one.
            continue;
        }
        client.send("x");
        assert_eq!(client.response().text(), "1");
        assert!(server.end().success());
        return;
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Process::start(Stdio::null(), |_| {});
    let _client = in_flight(&server);
    assert_eq!(server.end_by_signals().code(), Some(TERMINATED));
}

#[test]
#[cfg(feature = "activation")]
fn a_hang_up_in_a_drain_is_no_second_signal() {
    let mut server = Process::start(Stdio::null(), |command| {
        command.env(RESTARTS, "1");
    });
    let _client = in_flight(&server);
    server.signal("-TERM");
    server.await_draining();
    // From then on a second signal ends the process.
    thread::sleep(Duration::from_secs(1));
    server.signal("-HUP");
    assert_eq!(server.end_by_signals().code(), Some(TERMINATED), "not by the hang-up");
}

#[test]
fn it_says_that_it_drains_before_it_ends_unless_it_is_quiet() {
    for is_quiet in [false, true] {
        let mut server = Process::start(Stdio::piped(), |command| {
            if is_quiet {
                command.env(QUIET, "1");
            }
        });
        server.serves();
        server.signal("-TERM");
        assert!(server.end().success());
        let mut told = String::new();
        server.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(told.contains("draining"), !is_quiet, "{told}");
        assert_eq!(told.is_empty(), is_quiet, "{told}");
    }
}

/// In a container its end would be that of its successor, too.
#[test]
#[cfg(all(target_os = "linux", feature = "activation"))]
fn a_hang_up_is_refused_by_the_first_process_of_a_container() {
    const CONTAINER: [&str; 5] = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child"];
    let is_possible = Command::new("unshare")
        .args(CONTAINER)
        .arg("true")
        .stderr(Stdio::null())
        .status();
    if !is_possible.is_ok_and(|status| status.success()) {
        // Neither is it where such a server could run in this way. What it decides by has a test of its own.
        return;
    }
    let mut unshare = Command::new("unshare");
    unshare.args(CONTAINER).arg(std::env::current_exe().unwrap());
    let mut server = Process::start_by(unshare, Stdio::piped(), |command| {
        command.env(RESTARTS, "1");
    });
    let outside = server.child.id();
    let first = std::fs::read_to_string(format!("/proc/{outside}/task/{outside}/children")).unwrap();
    let first: u32 = first.trim().parse().unwrap();
    let mut lines = BufReader::new(server.child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("queue")), "its limits");
    server.serves();
    signal(first, "-HUP");
    assert!(
        lines.any(|line| line.unwrap().contains("container")),
        "it tells why not"
    );
    server.serves();
    signal(first, "-TERM");
    assert!(server.end().success());
}
