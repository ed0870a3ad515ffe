//! A server as a process: started, and observed from outside.

use std::process::{Child, Command};
use std::time::Duration;

pub(crate) struct Server(Child);

impl Server {
    /// Starts the server, on a processor of its own if the environment names one.
    pub(crate) fn start(server: &str, address: &str) -> Server {
        let mut command = match std::env::var_os("SERVER_PROCESSOR") {
            Some(processor) => {
                let mut command = Command::new("taskset");
                command.arg("-c").arg(processor).arg(server);
                command
            }
            None => Command::new(server),
        };
        Server(command.arg(address).spawn().expect("a server"))
    }

    /// Returns the resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("a process");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .expect("its memory");
        line.split_whitespace()
            .nth(1)
            .and_then(|number| number.parse().ok())
            .expect("a number")
    }

    /// Returns the processor time of all its threads, to the nanosecond.
    pub(crate) fn processor_time(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).expect("its threads");
        let nanoseconds = tasks.filter_map(|task| {
            let schedstat = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            schedstat.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
