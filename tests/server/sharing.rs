//! Listeners that several processes share.
//!
//! The servers are separate processes, this test program started again. Forking is not safe in Rust, so they get the
//! listener as their standard input, as from a supervisor; that a server can be made before a fork is shown by what it
//! consists of until it serves.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{self, Child, Command, Stdio};
use std::thread;

use hansel::{Listener, Server};

use crate::processes::{run_alone, signal};
use crate::support::{Client, server, start};

/// The address of the test: a process ends when its connection there does.
const LIFE_LINE: &str = "HANSEL_TEST_LIFE_LINE";

#[test]
#[ignore = "the other test here starts it, as a process of its own"]
fn one_of_several_servers() {
    let life_line: SocketAddr = std::env::var(LIFE_LINE).unwrap().parse().unwrap();
    thread::spawn(move || {
        let _ = TcpStream::connect(life_line).map(|mut test| test.read(&mut [0]));
        process::exit(1);
    });
    let listener = TcpListener::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    Server::new(Listener::from_tcp(listener).unwrap())
        .loops(2)
        .quiet()
        .serve(|| process::id().to_string())
        .unwrap();
}

fn start_server(listener: &TcpListener, life_line: SocketAddr) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sharing::one_of_several_servers", "--ignored"])
        .env(LIFE_LINE, life_line.to_string())
        .stdin(OwnedFd::from(listener.try_clone().unwrap()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn processes_share_a_listener_and_as_long_as_one_serves_nobody_is_refused() {
    let life_line = TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut processes: Vec<Child> = (0..3)
        .map(|_| start_server(&listener, life_line.local_addr().unwrap()))
        .collect();
    while !processes.is_empty() {
        let mut client = Client::connect(address);
        let served: u32 = client.get("/").text().parse().unwrap();
        let index = processes.iter().position(|process| process.id() == served);
        let mut server = processes.swap_remove(index.expect("one that has not ended"));
        signal(served, "-TERM");
        client.end();
        assert!(server.wait().unwrap().success());
    }
    let last = start(Server::new(Listener::from_tcp(listener).unwrap()).quiet(), || "here");
    assert_eq!(last.connect().get("/").text(), "here");
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "the next test starts it, as a process of its own"]
fn a_server_that_does_not_serve() {
    let count = |folder: &str| fs::read_dir(folder).unwrap().count();
    let counts = || (count("/proc/self/task"), count("/proc/self/fd"));
    let (threads, descriptors) = counts();
    let server = server().health_on("127.0.0.1:0").unwrap().threads(8);
    assert_eq!(counts(), (threads, descriptors + 2));
    drop(server);
    assert_eq!(counts(), (threads, descriptors));
}

#[test]
#[cfg(target_os = "linux")]
fn until_it_serves_a_server_is_its_listeners_without_a_thread() {
    run_alone("sharing::a_server_that_does_not_serve");
}
