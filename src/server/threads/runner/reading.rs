//! Reading a file for a connection, on a thread that may wait for a disk.
//!
//! It reads a few pieces, sends what the client accepts of them, and gives the connection back: it waits for a disk,
//! and never for a client.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use crate::report;

use super::{Runner, hire};
use crate::lock::lock;
use crate::server::connection::Connection;
use crate::server::connection::claim::Outcome;
use crate::server::event_loop::EventLoop;
use crate::server::shared::crew::{Duty, Order};
use crate::server::shared::loop_link::Arrival;
use crate::server::threads::baton::Held;
use crate::server::threads::engine::LoopCell;

impl Runner {
    /// With a loop: gives a connection to a thread that reads for it.
    #[inline(never)]
    pub(crate) fn have_read(&self, mut connection: Box<Connection>, held: &mut EventLoop) {
        let shared = &self.shared;
        held.gives_to_read(&mut connection, shared);
        let Some(connection) = shared.crew.give(connection, Order::Read) else {
            return;
        };
        // If no thread can be started, the connection must not be lost.
        let order = Arc::new(Mutex::new(Some(connection)));
        let first = Arc::clone(&order);
        let take = move || Some(Order::Read(lock(&first).take()?));
        let hired = shared.crew.reinforce(|| hire(&self.engine, take));
        if let Ok(true) = hired {
            return;
        }
        let connection = lock(&order).take();
        if let Some(mut connection) = connection {
            // If there may be no more threads, one that has finished is about to park, and this is tried again.
            if let Err(error) = hired {
                report::error!(
                    "can't read a file that is being sent, because no thread can be started: {error}; its connection is cut"
                );
                connection.break_off();
            }
            held.take_back_read(connection);
        }
        shared.release_disk();
    }

    /// Without a loop: reads a file for a connection, and sends what its client accepts of it.
    pub(crate) fn read_file(&self, mut connection: Box<Connection>) {
        connection.send_from_disk();
        self.give_back_read(connection);
    }

    /// Without a loop: gives a connection back for which a file was read.
    fn give_back_read(&self, connection: Box<Connection>) {
        let shared = &self.shared;
        let home = connection.home;
        match connection.transport.link.claim.claim() {
            Outcome::Own => shared.deliver(home, Arrival::Read(connection)),
            Outcome::Overruled { is_replaced } => {
                shared.crew.find(is_replaced);
                shared.deliver(home, Arrival::Recovered(connection.key));
            }
        }
        shared.release_disk();
    }

    /// Releases the loop, sends what is in memory of a large file, and acquires the loop again, as around a handler. Returns
    /// `None` if another thread has it by then.
    pub(crate) fn send_large_file_released<'l>(
        &self,
        mut connection: Box<Connection>,
        mut held: Held<'l, EventLoop>,
        cell: &'l LoopCell,
    ) -> Option<Held<'l, EventLoop>> {
        let index = connection.home;
        held.goes_to_send(&connection, &self.shared);
        self.call.leave_loop(index);
        cell.baton.put_down(held);
        self.shared.watch.look();

        connection.send_large_file();

        self.call.is_expected_back.set(false);
        let Some(mut held) = cell.baton.take_up() else {
            self.give_back_read(connection);
            return None;
        };
        cell.thread.store(self.number, Ordering::Relaxed);
        if held.holder == self.id {
            // Nobody else had it, so nobody has overruled it.
            held.take_back_sent(connection);
            self.shared.release_disk();
        } else {
            self.takes_over(&mut held, Duty::Handling);
            self.give_back_read(connection);
        }
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{ErrorKind, Read, Write};
    use std::net::TcpStream;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Arc, Condvar, Mutex};
    use std::time::Duration;

    use crate::{Body, Handle, Limits, Request, Response, Server};

    /// The size of one read; the file has three such pieces.
    const PIECE: usize = 64 * 1024;
    const LEN: usize = 3 * PIECE;
    const NEVER: Duration = Duration::from_secs(3600);

    /// A disk on which each read waits to be admitted, except the first one of a file.
    #[derive(Clone, Default)]
    struct Disk(Arc<(Mutex<Reads>, Condvar)>);

    #[derive(Default)]
    struct Reads {
        begun: usize,
        admitted: usize,
    }

    impl Disk {
        fn change(&self, change: impl FnOnce(&mut Reads)) {
            change(&mut self.0.0.lock().unwrap());
            self.0.1.notify_all();
        }

        fn wait(&self, until: impl Fn(&Reads) -> bool) {
            let reads = self.0.0.lock().unwrap();
            let patience = Duration::from_secs(10);
            let waited = self.0.1.wait_timeout_while(reads, patience, |reads| !until(reads));
            assert!(!waited.unwrap().1.timed_out());
        }

        fn read(&self) {
            let mut turn = 0;
            self.change(|reads| {
                turn = reads.begun;
                reads.begun += 1;
            });
            self.wait(|reads| reads.admitted > turn);
        }

        fn admit(&self, more: usize) {
            self.change(|reads| reads.admitted += more);
        }

        fn await_begun(&self, reads: usize) {
            self.wait(|now| now.begun >= reads);
        }

        fn begun(&self) -> usize {
            self.0.0.lock().unwrap().begun
        }
    }

    /// A server with a file on such a disk, and a place for one thread that reads.
    struct Slow {
        disk: Disk,
        server: Handle,
        file: PathBuf,
    }

    impl Drop for Slow {
        fn drop(&mut self) {
            self.disk.admit(1000);
            self.server.shutdown(Duration::ZERO);
            self.server.wait();
            let _ = std::fs::remove_file(&self.file);
        }
    }

    fn content() -> Vec<u8> {
        (0..LEN as u32).flat_map(|n| n.to_le_bytes()).take(LEN).collect()
    }

    fn slow(limits: Limits) -> Slow {
        static SERIAL: AtomicUsize = AtomicUsize::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hansel-slow-disk-{}-{serial}", std::process::id()));
        std::fs::write(&path, content()).unwrap();
        let of_server = path.clone();
        let disk = Disk::default();
        let at = disk.clone();
        let file = move |request: &Request| -> crate::Result<Response> {
            if request.path() != "/file" {
                return Ok(Response::new("other"));
            }
            let at = at.clone();
            let mut body = Body::file(File::open(&of_server)?)?;
            let is_first = AtomicBool::new(true);
            body.on_disk(Arc::new(move || {
                if !is_first.swap(false, Ordering::SeqCst) {
                    at.read();
                }
            }));
            Ok(Response::new(body))
        };
        let server = Server::bind("127.0.0.1:0")
            .unwrap()
            .loops(1)
            .threads(4)
            .quiet()
            .limits(limits);
        Slow {
            disk,
            file: path,
            server: server.health().spawn(file).unwrap(),
        }
    }

    fn no_deadlines() -> Limits {
        Limits {
            transfer_time: NEVER,
            idle: NEVER,
            queue_time: NEVER,
            handler: None,
            ..Limits::default()
        }
    }

    impl Slow {
        fn ask(&self, path: &str) -> TcpStream {
            let mut client = TcpStream::connect(self.server.local_addr()).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
            client.write_all(request.as_bytes()).unwrap();
            client
        }

        /// Returns a client that has received the first piece, which is read where the handler runs.
        fn ask_for_file(&self) -> TcpStream {
            let client = self.ask("/file");
            client.peek(&mut [0]).unwrap();
            client
        }

        fn assert_others_are_answered(&self) {
            for path in ["/livez", "/other", "/livez", "/other"] {
                assert!(!body(self.ask(path)).is_empty(), "{path}");
            }
        }

        fn metric(&self, name: &str) -> usize {
            let text = String::from_utf8(body(self.ask("/metrics"))).unwrap();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
            line.unwrap_or_else(|| panic!("no {name} in {text}"))
        }
    }

    /// Returns what follows the head, up to the end.
    fn body(mut client: TcpStream) -> Vec<u8> {
        let mut received = Vec::new();
        if let Err(error) = client.read_to_end(&mut received) {
            // A connection that is cut may end like this; one that does not end was not cut.
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        let head = received.windows(4).position(|window| window == b"\r\n\r\n");
        received.split_off(head.map_or(received.len(), |head| head + 4))
    }

    #[test]
    fn a_disk_that_does_not_answer_holds_up_only_those_who_read_it() {
        let slow = slow(no_deadlines());
        let clients: Vec<_> = (0..4).map(|_| slow.ask_for_file()).collect();
        // One is being read for, and the others wait: there is one place.
        slow.disk.await_begun(1);
        slow.assert_others_are_answered();
        assert_eq!(slow.disk.begun(), 1);
        slow.disk.admit(100);
        for client in clients {
            assert!(body(client) == content());
        }
    }

    #[test]
    fn who_waits_for_a_place_and_leaves_gives_it_to_others() {
        let slow = slow(no_deadlines());
        let mut clients: Vec<_> = (0..4).map(|_| slow.ask_for_file()).collect();
        slow.disk.await_begun(1);
        drop(clients.drain(1..3));
        slow.disk.admit(100);
        for client in clients {
            assert!(body(client) == content());
        }
        assert!(body(slow.ask("/file")) == content());
    }

    #[test]
    fn a_drain_waits_for_files_and_for_the_turn_of_those_that_wait() {
        let slow = slow(no_deadlines());
        let clients: Vec<_> = (0..3).map(|_| slow.ask_for_file()).collect();
        slow.disk.await_begun(1);
        slow.server.shutdown(NEVER);
        slow.disk.admit(100);
        for client in clients {
            assert!(body(client) == content());
        }
        assert_eq!(slow.server.wait().cut, 0);
    }

    #[test]
    fn the_end_cuts_those_that_wait_for_a_disk() {
        let slow = slow(no_deadlines());
        let clients: Vec<_> = (0..3).map(|_| slow.ask_for_file()).collect();
        slow.disk.await_begun(1);
        slow.server.shutdown(Duration::ZERO);
        for client in clients {
            assert!(body(client).len() <= PIECE);
        }
        slow.disk.admit(100);
        assert_eq!(slow.server.wait().cut, 3);
    }

    #[test]
    fn a_read_that_does_not_end_loses_its_thread_and_no_other_and_is_found_again() {
        let limits = Limits {
            handler: Some(Duration::from_millis(50)),
            ..no_deadlines()
        };
        let slow = slow(limits);
        let clients: Vec<_> = (0..3).map(|_| slow.ask_for_file()).collect();
        slow.disk.await_begun(1);
        for client in clients {
            assert!(body(client).len() <= PIECE, "it is broken off");
        }
        assert_eq!(slow.metric("hansel_threads_lost"), 1, "nobody else has begun to read");
        assert_eq!(slow.disk.begun(), 1);
        slow.assert_others_are_answered();
        slow.disk.admit(1000);
        while slow.metric("hansel_threads_lost") > 0 {
            std::thread::yield_now();
        }
        assert!(body(slow.ask("/file")) == content(), "its place is there again");
        while slow.metric("hansel_connections") > 1 {
            std::thread::yield_now();
        }
    }
}
