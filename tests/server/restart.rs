//! Restarts while requests come in: no client is refused, and no request is lost.
//!
//! The servers here are separate processes: this test program, started again for the one test that is otherwise
//! ignored.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use hansel::{Request, Server};
use socket2::SockRef;

use crate::processes::{end_with_test, signal};
use crate::support::{Client, NEVER, PATIENCE, Response, get};

/// Responses that each process gives before it is restarted.
const RESPONSES: usize = 300;

/// Where a server that is restarted has its health lane.
const HEALTH: &str = "HANSEL_TEST_HEALTH";

/// Where it has a Unix socket besides.
const UNIX: &str = "HANSEL_TEST_UNIX";

/// Clients that open a connection for each request, and as many that keep theirs.
const CLIENTS: usize = 3;

#[test]
#[ignore = "the other tests here start it, as a process of its own"]
fn a_server_that_is_restarted() {
    let server = Server::activated().unwrap().expect("a listener from the test");
    // Each one's standard input is that of the first.
    end_with_test(1);
    let mut server = server.quiet().grace(PATIENCE).restart_on_hangup().unwrap();
    if let Ok(address) = std::env::var(HEALTH) {
        // Nobody could listen there a second time. Nobody waits either: the successor serves already.
        server = server.health_on(address).unwrap().drain_delay(NEVER);
    }
    // A successor has it from its predecessor.
    if let Some(path) = std::env::var_os(UNIX).filter(|path| !Path::new(path).exists()) {
        server = server.and_unix(path, 0o600).unwrap();
    }
    let serve = |request: &Request| match request.path() {
        "/children" => open_files_of_a_child(),
        "/input" => read_link("/proc/self/fd/0"),
        _ => std::process::id().to_string(),
    };
    server.serve(serve).unwrap();
}

/// The open files that a child of this process has when it starts (Linux).
fn open_files_of_a_child() -> String {
    let child = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    String::from_utf8(child.stdout).unwrap()
}

fn read_link(path: &str) -> String {
    std::fs::read_link(path).unwrap().to_string_lossy().into_owned()
}

/// Starts a server on `listener`, as a service manager would. It ends with what is returned beside it.
fn start(listener: &TcpListener) -> (Child, ChildStdin) {
    start_with([listener], |_| {})
}

/// As [`start`], with more listeners.
fn start_with<const N: usize>(listeners: [&TcpListener; N], set: impl FnOnce(&mut Command)) -> (Child, ChildStdin) {
    let copies = in_a_row(listeners);
    for copy in &copies {
        SockRef::from(copy).set_cloexec(false).unwrap();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    set(&mut command);
    let mut child = command
        .args(["--exact", "restart::a_server_that_is_restarted", "--ignored", "--quiet"])
        .env("LISTEN_FDS", N.to_string())
        .env("LISTEN_FDS_FIRST_FD", copies[0].as_raw_fd().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let life_line = child.stdin.take().unwrap();
    (child, life_line)
}

/// Copies with numbers that follow one another, whatever the other tests open meanwhile.
fn in_a_row<const N: usize>(listeners: [&TcpListener; N]) -> [TcpListener; N] {
    let mut unfit = Vec::new();
    loop {
        let copies = listeners.map(|listener| listener.try_clone().unwrap());
        if copies
            .windows(2)
            .all(|pair| pair[0].as_raw_fd() + 1 == pair[1].as_raw_fd())
        {
            return copies;
        }
        unfit.push(copies);
    }
}

/// Clients that ask without a pause, and count.
struct Load {
    count: Arc<(Mutex<Count>, Condvar)>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Count {
    /// Responses by the process that gave them.
    responses: HashMap<u32, usize>,
    refused: usize,
    lost: Vec<String>,
}

impl Load {
    fn start(address: SocketAddr) -> Load {
        let count = Arc::new((Mutex::new(Count::default()), Condvar::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..2 * CLIENTS)
            .map(|index| {
                let (count, stop) = (Arc::clone(&count), Arc::clone(&stop));
                thread::spawn(move || {
                    let mut connection = None;
                    while !stop.load(Ordering::SeqCst) {
                        let outcome = ask(&mut connection, address, index % 2 == 0);
                        let (count, changed) = &*count;
                        let mut count = count.lock().unwrap();
                        match outcome {
                            Ok(process) => *count.responses.entry(process).or_default() += 1,
                            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => count.refused += 1,
                            Err(error) => count.lost.push(error.to_string()),
                        }
                        changed.notify_all();
                    }
                })
            })
            .collect();
        Load { count, stop, clients }
    }

    /// Waits until a process that is not among `known` has given its share of responses.
    fn await_process_beside(&self, known: &[u32]) -> u32 {
        let (count, changed) = &*self.count;
        let busy = |count: &Count| {
            let mut busy = count.responses.iter().filter(|(_, responses)| **responses >= RESPONSES);
            busy.find(|(process, _)| !known.contains(process))
                .map(|(process, _)| *process)
        };
        let count = count.lock().unwrap();
        let (count, timeout) = changed
            .wait_timeout_while(count, PATIENCE, |count| busy(count).is_none())
            .unwrap();
        assert!(!timeout.timed_out(), "nobody but {known:?} answers: {count:?}");
        busy(&count).unwrap()
    }

    /// Ends the load, and asserts that nothing was lost.
    fn end(self, processes: usize) {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.join().unwrap();
        }
        let count = self.count.0.lock().unwrap();
        assert_eq!((count.refused, &count.lost), (0, &Vec::new()), "{:?}", count.responses);
        assert_eq!(count.responses.len(), processes, "{:?}", count.responses);
    }
}

/// One request and its response, on the connection at hand or a new one.
fn ask(kept: &mut Option<TcpStream>, address: SocketAddr, keeps: bool) -> io::Result<u32> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(address)?,
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(get("/").as_bytes())?;
    let mut response = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&response).into_owned();
        let is_whole = |(head, body): &(&str, &str)| {
            let length = head
                .split_once("Content-Length: ")
                .and_then(|(_, rest)| rest.lines().next());
            length == Some(&body.len().to_string())
        };
        if let Some((head, body)) = text.split_once("\r\n\r\n").filter(is_whole) {
            if keeps && !head.contains("Connection: close") {
                *kept = Some(stream);
            }
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            return body.parse().map_err(io::Error::other);
        }
        match stream.read(&mut piece) {
            Ok(0) => return Err(io::Error::other(format!("the connection ended after {text:?}"))),
            Ok(n) => response.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[test]
fn three_restarts_with_a_socket_that_is_kept_lose_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut server, mut _life_line) = start(&listener);
    let load = Load::start(listener.local_addr().unwrap());
    let mut known = Vec::new();
    for _ in 0..3 {
        known.push(load.await_process_beside(&known));
        // As `systemctl restart`: the old one ends before the new one begins, and who connects waits.
        signal(server.id(), "-TERM");
        assert!(server.wait().unwrap().success());
        (server, _life_line) = start(&listener);
    }
    load.await_process_beside(&known);
    load.end(4);
    signal(server.id(), "-TERM");
    assert!(server.wait().unwrap().success());
}

#[test]
fn three_hand_overs_to_a_successor_lose_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (mut first, _life_line) = start(&listener);
    // From here on only the servers have it.
    drop(listener);
    let load = Load::start(address);
    let mut known = Vec::new();
    for _ in 0..3 {
        let process = load.await_process_beside(&known);
        known.push(process);
        // Those that come while one hand-over is under way are part of it.
        let process = process.to_string();
        let thrice = Command::new("kill")
            .args(["-HUP", &process, &process, &process])
            .status();
        assert!(thrice.unwrap().success());
    }
    let last = load.await_process_beside(&known);
    assert!(first.wait().unwrap().success(), "the first one has ended by itself");
    load.end(4);
    signal(last, "-TERM");
}

/// Waits for what another process does.
#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it does not happen");
        thread::yield_now();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn no_child_inherits_a_listener_at_any_moment_and_the_port_ends_with_the_last_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = read_link(&format!("/proc/self/fd/{}", listener.as_raw_fd()));
    let (mut first, life_line) = start(&listener);
    drop(listener);
    let load = Load::start(address);
    let stop = AtomicBool::new(false);
    let mut known = Vec::new();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let files = Client::connect(address).get("/children").text().to_owned();
                    assert!(!files.contains(&socket), "{socket}: {files}");
                }
            });
        }
        let _end = StopAtEnd(&stop);
        let input = Client::connect(address).get("/input").text().to_owned();
        for _ in 0..4 {
            let process = load.await_process_beside(&known);
            known.push(process);
            signal(process, "-HUP");
        }
        known.push(load.await_process_beside(&known));
        let of_last = Client::connect(address).get("/input").text().to_owned();
        assert_eq!(of_last, input, "each has the standard input of the first");
    });
    load.end(5);
    assert!(first.wait().unwrap().success());
    signal(known[4], "-TERM");
    // It is no child of this process, so its end is seen by what it leaves.
    wait_until(|| TcpStream::connect(address).is_err());
    wait_until(|| TcpListener::bind(address).is_ok());
    drop(life_line);
}

#[test]
fn the_path_of_a_unix_socket_is_the_successors_and_removed_by_the_last() {
    let path = std::env::temp_dir().join(format!("hansel-handed-{}", std::process::id()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut first, _life_line) = start_with([&listener], |command| {
        command.env(UNIX, &path);
    });
    let load = Load::start(listener.local_addr().unwrap());
    let mut known = Vec::new();
    let mut inodes = Vec::new();
    for _ in 0..2 {
        let process = load.await_process_beside(&known);
        inodes.push(std::fs::metadata(&path).unwrap().ino());
        known.push(process);
        signal(process, "-HUP");
    }
    let last = load.await_process_beside(&known);
    assert!(first.wait().unwrap().success());
    let ask = || -> io::Result<String> {
        let mut client = UnixStream::connect(&path)?;
        client.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut response = String::new();
        client.read_to_string(&mut response)?;
        Ok(response)
    };
    // The one before the last may still take it.
    wait_until(|| ask().unwrap().ends_with(&format!("\r\n\r\n{last}")));
    load.end(3);
    inodes.push(std::fs::metadata(&path).unwrap().ino());
    assert!(
        inodes.iter().all(|inode| *inode == inodes[0]),
        "nobody has had to bind it again"
    );
    signal(last, "-TERM");
    wait_until(|| !path.exists());
}

#[test]
fn readiness_is_affirmed_all_through_three_hand_overs() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let health = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, lane) = (listener.local_addr().unwrap(), health.local_addr().unwrap());
    let (mut first, _life_line) = start_with([&listener, &health], |command| {
        command
            .env("LISTEN_FDNAMES", "web:health")
            .env(HEALTH, lane.to_string());
    });
    drop((listener, health));
    let stop = AtomicBool::new(false);
    let mut known = Vec::new();
    thread::scope(|scope| {
        let balancer = scope.spawn(|| {
            let mut asked = 0;
            while !stop.load(Ordering::SeqCst) {
                let response = Client::connect(lane).get("/readyz");
                assert_eq!(
                    (response.status, response.text()),
                    (200, "ready\n"),
                    "asked {asked} times"
                );
                asked += 1;
            }
            asked
        });
        // Even if something fails here.
        let end = StopAtEnd(&stop);
        let load = Load::start(address);
        for _ in 0..3 {
            let process = load.await_process_beside(&known);
            known.push(process);
            let mut kept = Client::connect(lane);
            // Else it could be the successor that accepts it, which never closes it.
            assert_eq!(kept.get("/readyz").status, 200);
            signal(process, "-HUP");
            while let Some(response) = ask_again(&mut kept) {
                assert_eq!(response.status, 200, "of the predecessor");
            }
        }
        let last = load.await_process_beside(&known);
        assert!(first.wait().unwrap().success());
        load.end(4);
        drop(end);
        assert!(balancer.join().unwrap() > 0);
        let metrics = Client::connect(lane).get("/metrics");
        assert!(
            metrics.text().contains("\nhansel_ready 1\n"),
            "the last one tells of itself"
        );
        signal(last, "-TERM");
    });
}

struct StopAtEnd<'s>(&'s AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Asks whether a server is ready, on a connection that is kept as long as it keeps it.
fn ask_again(client: &mut Client) -> Option<Response> {
    client.try_send(get("/readyz")).ok()?;
    let is_here = client.stream.peek(&mut [0]).is_ok_and(|n| n > 0);
    is_here.then(|| client.response())
}

#[test]
fn a_server_whose_successor_fails_serves_on() {
    let server = crate::support::start(crate::support::server(), || "here");
    let error = server.hand_over(Command::new("true"), PATIENCE).unwrap_err();
    assert!(error.to_string().contains("ended at once"), "{error}");
    assert_eq!(server.connect().get("/").text(), "here");
}

#[test]
fn listeners_are_given_to_others_until_the_server_stops() {
    let server = crate::support::start(crate::support::server(), || "here");
    let address = server.local_addr();
    let [listener] = <[_; 1]>::try_from(server.listeners().unwrap()).unwrap();
    server.shutdown(PATIENCE);
    server.wait();
    assert!(server.listeners().is_err());
    // The address lives on with who has the listener.
    let listener = TcpListener::from(listener);
    listener.set_nonblocking(false).unwrap();
    assert_eq!(listener.local_addr().unwrap(), address);
    let client = Client::connect(address);
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(client.stream.local_addr().unwrap(), peer);
}

#[test]
fn a_unix_socket_stays_where_it_is_for_the_successor() {
    let path = std::env::temp_dir().join(format!("hansel-restart-{}", std::process::id()));
    let server = Server::unix(&path, 0o600).unwrap().quiet().spawn(|| "").unwrap();
    let listeners = server.listeners().unwrap();
    server.shutdown(PATIENCE);
    server.wait();
    assert!(path.exists());
    UnixStream::connect(&path).unwrap();
    drop(listeners);
    std::fs::remove_file(&path).unwrap();
}
