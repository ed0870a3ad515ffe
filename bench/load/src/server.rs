//! The processor time of the server's processes.

use std::fs;
use std::io;
use std::time::Duration;

use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

/// A reading of all the server's processes, with all their threads, also those that have ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// From the processes' clocks, exact.
    pub(crate) total: Duration,
    /// From their statistics, in ticks of 10 ms: good for the proportion between the two.
    user_ticks: u64,
    system_ticks: u64,
}

impl Usage {
    pub(crate) fn now(processes: &[i32]) -> io::Result<Usage> {
        let mut usage = Usage::default();
        for &process in processes {
            let clock = clock_getcpuclockid(Pid::from_raw(process))?;
            usage.total += Duration::from(clock.now()?);
            let [user, system] = ticks(process)?;
            usage.user_ticks += user;
            usage.system_ticks += system;
        }
        Ok(usage)
    }

    /// What was used between `earlier` and this.
    pub(crate) fn since(self, earlier: Usage) -> Usage {
        Usage {
            total: self.total.saturating_sub(earlier.total),
            user_ticks: self.user_ticks.saturating_sub(earlier.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(earlier.system_ticks),
        }
    }

    /// The part of it that was spent outside the kernel.
    pub(crate) fn user_part(self) -> f64 {
        let ticks = self.user_ticks + self.system_ticks;
        if ticks == 0 {
            return 0.0;
        }
        self.user_ticks as f64 / ticks as f64
    }
}

/// This process's own processor time.
pub(crate) fn own() -> io::Result<Duration> {
    Ok(ClockId::CLOCK_PROCESS_CPUTIME_ID.now()?.into())
}

/// User and system time.
fn ticks(process: i32) -> io::Result<[u64; 2]> {
    let statistics = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // proc_pid_stat(5): utime and stime are fields 14 and 15; the name in field 2 ends with the last
    // parenthesis, and field 3 follows.
    let behind_name = statistics.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let mut fields = behind_name.split(' ').skip(11).map(str::parse);
    match (fields.next(), fields.next()) {
        (Some(Ok(user)), Some(Ok(system))) => Ok([user, system]),
        _ => Err(io::Error::other("the kernel's statistics of a process can't be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process;

    #[test]
    fn time_passes_for_who_works() {
        let itself = [process::id() as i32];
        let before = Usage::now(&itself).unwrap();
        while own().unwrap() < before.total + Duration::from_millis(1) {}
        assert!(Usage::now(&itself).unwrap().since(before).total >= Duration::from_millis(1));
        assert_eq!(Usage::now(&[]).unwrap().user_part(), 0.0);
    }
}
