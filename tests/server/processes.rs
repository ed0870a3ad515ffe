//! Servers that are separate processes: this test program, started again for a test that is otherwise ignored.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{self, Child, Command};
use std::thread;

/// Sends a signal, such as `-HUP`, to another process.
pub(crate) fn signal(process: u32, name: &str) {
    let status = Command::new("kill").args([name, &process.to_string()]).status();
    assert!(status.unwrap().success());
}

/// In a process that a test has started: ends it with this status when that test ends, or closes its input.
pub(crate) fn end_with_test(status: i32) {
    thread::spawn(move || {
        let _ = io::stdin().read(&mut [0]);
        process::exit(status);
    });
}

/// What stands before the address that a process tells the test which has started it.
const HERE: &str = "here ";

pub(crate) fn tell_address(address: SocketAddr) {
    // Behind what the test program prints by itself.
    println!("\n{HERE}{address}");
}

/// The address that a process tells.
#[track_caller]
pub(crate) fn hear_address(process: &mut Child) -> SocketAddr {
    let told = BufReader::new(process.stdout.take().unwrap());
    let address = told
        .lines()
        .find_map(|line| line.unwrap().strip_prefix(HERE)?.parse().ok());
    address.expect("an address")
}

/// Runs a test of this program that is otherwise ignored, in a process of its own.
#[track_caller]
pub(crate) fn run_alone(test: &str) {
    let alone = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&alone.stdout);
    assert!(alone.status.success() && told.contains("1 passed"), "{told}");
}
