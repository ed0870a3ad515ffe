//! Threads of the library. If one panics, the process does not go on without it.

use std::io;
use std::thread::{Builder, Thread};

use crate::panics::contain;
use crate::report;

/// Starts a thread. If it panics, the process ends with a message: a server without its event loop, its watch or its
/// signal thread would keep its port and serve nobody.
///
/// The work is boxed, so that the program contains this code once, not once for each kind of thread.
pub(crate) fn start(name: String, work: Box<dyn FnOnce() + Send>) -> io::Result<Thread> {
    let guarded = move || guard(work);
    Ok(Builder::new().name(name).spawn(guarded)?.thread().clone())
}

/// Runs the work of the calling thread. If it panics, the process ends with a message.
pub(crate) fn guard(work: impl FnOnce()) {
    if let Err(panic) = contain(work) {
        end_process(std::thread::current().name().unwrap_or_default(), &panic);
    }
}

#[cold]
fn end_process(thread: &str, panic: &str) -> ! {
    report::print(format!(
        "hansel: the thread {thread} panicked: {panic}\n\
         hansel: this is a bug in hansel. The server can't continue without this thread, so the process ends\n"
    ));
    std::process::abort()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    #[ignore = "the test below starts it, as a process of its own"]
    fn a_process_whose_thread_panics() {
        // The hook of the process does not matter here.
        std::panic::set_hook(Box::new(|_| {}));
        start("hansel-7".into(), Box::new(|| panic!("out of order"))).unwrap();
        loop {
            std::thread::park();
        }
    }

    #[test]
    fn a_thread_that_panics_ends_the_process_and_says_which() {
        let mut process = Command::new(std::env::current_exe().unwrap());
        process.args([
            "--exact",
            "threads::tests::a_process_whose_thread_panics",
            "--ignored",
            "--nocapture",
        ]);
        let output = process.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // SIGABRT has the number 6 everywhere.
        assert_eq!(output.status.signal(), Some(6), "{said}");
        assert!(said.contains("the thread hansel-7 panicked: out of order"), "{said}");
    }
}
