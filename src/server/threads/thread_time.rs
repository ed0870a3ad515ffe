//! The processor time of a thread.

use std::time::Duration;

/// Returns the processor time that the calling thread has had so far. `None` where the system does not tell.
///
/// It takes a system call, as opposed to other clocks.
pub(crate) fn thread_time() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::try_from(time).ok()
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Returns the processor time that the calling thread has had since it had `before`.
pub(crate) fn computed_since(before: Duration) -> Option<Duration> {
    thread_time().map(|now| now.saturating_sub(before))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::hint;
    use std::thread;
    use std::time::Instant;

    /// Returns once this thread has computed for some time.
    fn compute() {
        let (began, before) = (Instant::now(), thread_time().unwrap());
        while computed_since(before).unwrap() < Duration::from_millis(20) {
            assert!(began.elapsed() < Duration::from_secs(60), "it stands still");
            hint::spin_loop();
        }
    }

    #[test]
    fn it_goes_on_while_the_thread_computes_and_not_while_others_do() {
        compute();
        let before = thread_time().unwrap();
        thread::spawn(compute).join().unwrap();
        assert!(computed_since(before).unwrap() < Duration::from_millis(20));
    }
}
