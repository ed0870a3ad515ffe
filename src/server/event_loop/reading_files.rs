//! Files that are sent and not in memory: threads read them, the loop never does.

use super::EventLoop;
use crate::server::connection::{Connection, Waits};
use crate::server::shared::Shared;

impl EventLoop {
    /// Has the next piece of a connection's file read, now or when it is its turn.
    #[inline(never)]
    pub(super) fn await_disk(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        if connection.wait.reason == Waits::Disk {
            // One of its own events has brought it here. It keeps its turn.
            return self.put(connection);
        }
        if shared.disk.acquire(self.index) {
            return self.disk_queue.grant(connection);
        }
        connection.wait_for_disk(self.now, &shared.limits);
        self.disk_queue.wait(connection.key);
        self.put(connection);
    }

    /// Has what is in memory of a large file sent by this thread, once it has released the loop: some of the file may have left
    /// the memory when it is sent. So that takes a place among those that wait for disks, and if there is none, it is copied.
    #[inline(never)]
    pub(super) fn have_sent(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        if shared.disk.try_acquire() {
            return self.disk_queue.grant_to_send(connection);
        }
        connection.copy_file();
        self.put_ready(connection);
    }

    /// Notes that a thread is about to release the loop, to send a large file on this connection.
    pub(crate) fn goes_to_send(&mut self, connection: &Connection, shared: &Shared) {
        connection.transport.link.claim.read(self.now);
        self.look_again(connection.key, shared);
    }

    /// Takes back a connection on which a large file was sent.
    pub(crate) fn take_back_sent(&mut self, mut connection: Box<Connection>) {
        connection.transport.link.claim.reset();
        connection.note(connection.transport.take_noted());
        self.put_ready(connection);
    }

    /// Uses a place among the reading threads that was granted to this loop.
    pub(super) fn begin_next_read(&mut self, shared: &Shared) {
        while let Some(key) = self.disk_queue.next_waiting() {
            let waits = self.slots.at(key).is_some_and(|here| here.wait.reason == Waits::Disk);
            if let Some(connection) = waits.then(|| self.slots.take(key)).flatten() {
                return self.disk_queue.grant(connection);
            }
        }
        // The connection for which it was meant has ended meanwhile.
        shared.release_disk();
    }

    /// Handles the end of a connection that waits for its turn.
    #[cold]
    pub(super) fn withdraw(&mut self, key: usize, shared: &Shared) {
        if self.disk_queue.withdraw(key) {
            shared.disk.withdraw(self.index);
        }
    }

    /// Notes that a connection is about to be given to a thread that reads for it.
    pub(crate) fn gives_to_read(&mut self, connection: &mut Connection, shared: &Shared) {
        connection.leave_disk(self.now);
        connection.transport.link.claim.read(self.now);
        self.look_again(connection.key, shared);
    }

    /// Takes back a connection for which a file was read.
    pub(crate) fn take_back_read(&mut self, mut connection: Box<Connection>) {
        connection.transport.link.claim.reset();
        connection.note(connection.transport.take_noted());
        connection.leave_disk(self.now);
        self.put_ready(connection);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::Limits;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    use crate::exchange::Payload;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    use crate::response::FilePart;
    use crate::server::connection::claim::Overdue;
    use crate::server::connection::link::READABLE;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    use crate::server::connection::link::WRITABLE;
    use crate::server::event_loop::fixture::{clients, event_loop, shared, shared_with, taken};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    /// Returns a loop whose clients at 0, 1 and 2 need a file: the first has a place and its file is read, and the
    /// others wait.
    fn three_who_need_a_disk(shared: &Shared) -> (EventLoop, Vec<(usize, UnixStream)>) {
        let mut event_loop = event_loop();
        let clients = clients(&mut event_loop, shared, 3);
        for key in 0..3 {
            need_disk(&mut event_loop, key, shared);
        }
        assert_eq!(next_key(&mut event_loop), Some(0));
        assert_eq!(event_loop.disk_queue.waiting(), [1, 2]);
        (event_loop, clients)
    }

    fn need_disk(event_loop: &mut EventLoop, key: usize, shared: &Shared) {
        let connection = taken(event_loop, key);
        event_loop.await_disk(connection, shared);
    }

    fn next_key(event_loop: &mut EventLoop) -> Option<usize> {
        event_loop.disk_queue.next().map(|connection| connection.key)
    }

    fn end(event_loop: &mut EventLoop, key: usize, shared: &Shared) {
        let connection = taken(event_loop, key);
        event_loop.close(connection, shared);
    }

    /// Plays a thread that has read. Returns for whom the next one reads.
    fn read(event_loop: &mut EventLoop, shared: &Shared) -> Option<usize> {
        shared.release_disk();
        event_loop.collect(shared);
        next_key(event_loop)
    }

    /// Asserts that all have left: the one place is free, no other exists, and nobody is on the way to it.
    fn assert_one_place_is_free(shared: &Shared) {
        assert!(shared.loops[0].inbox.is_empty());
        assert!(shared.disk.acquire(0), "no place is lost");
        assert!(!shared.disk.acquire(0), "none is there twice");
    }

    /// Returns a loop with a client that is sent a large file, which is in memory.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn with_large_file(shared: &Shared, name: &str) -> (EventLoop, Vec<(usize, UnixStream)>, Box<Connection>) {
        let path = std::env::temp_dir().join(format!("hansel-{name}-{}", std::process::id()));
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        let part = FilePart::new(std::fs::File::open(&path).unwrap(), 0, 1 << 20);
        std::fs::remove_file(&path).unwrap();
        let mut event_loop = event_loop();
        let clients = clients(&mut event_loop, shared, 1);
        event_loop.ready.take_all();
        let mut connection = taken(&mut event_loop, 0);
        event_loop.equip(&mut connection, shared);
        connection.work.as_mut().unwrap().payload = Some(Payload::File(part, None));
        connection.note(WRITABLE);
        (event_loop, clients, connection)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn a_large_file_is_sent_when_the_loop_is_released_and_its_client_earns_no_time_by_that() {
        let shared = shared();
        let (mut event_loop, _clients, connection) = with_large_file(&shared, "large");
        assert!(event_loop.advance(connection, &shared).is_none());
        let mut connection = event_loop.disk_queue.next_to_send().expect("it has a place");
        assert!(!shared.disk.acquire(0), "the one there is");
        event_loop.goes_to_send(&connection, &shared);
        connection.send_large_file();
        assert!(connection.transport.link.claim.is_reading());
        event_loop.take_back_sent(connection);
        let connection = event_loop
            .ready
            .take_all()
            .first()
            .and_then(|&key| event_loop.slots.take(key));
        assert!(event_loop.advance(connection.unwrap(), &shared).is_none());
        let before = event_loop.slots.at(0).expect("its client is waited for").wait.deadline;
        event_loop.now += Duration::from_secs(1);
        let connection = taken(&mut event_loop, 0);
        event_loop.goes_to_send(&connection, &shared);
        event_loop.take_back_sent(connection);
        let connection = taken(&mut event_loop, 0);
        assert!(event_loop.advance(connection, &shared).is_none());
        assert_eq!(event_loop.slots.at(0).unwrap().wait.deadline, before);
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn a_large_file_is_copied_by_the_loop_while_too_many_wait_for_disks() {
        let shared = shared();
        let (mut event_loop, _clients, connection) = with_large_file(&shared, "copied");
        assert!(shared.disk.acquire(0), "a disk hangs");
        assert!(event_loop.advance(connection, &shared).is_none());
        assert!(!event_loop.disk_queue.has_next());
        assert_eq!(event_loop.ready.take_all(), [0]);
        let connection = taken(&mut event_loop, 0);
        assert!(event_loop.advance(connection, &shared).is_none());
        let connection = event_loop.slots.at(0).expect("it does not wait for a place");
        assert_eq!(connection.wait.reason, Waits::Client);
    }

    #[test]
    fn files_are_read_for_those_who_wait_in_turn() {
        let shared = shared();
        let (mut event_loop, _clients) = three_who_need_a_disk(&shared);
        let granted = [(); 3].map(|()| read(&mut event_loop, &shared));
        assert_eq!(granted, [Some(1), Some(2), None]);
        assert_one_place_is_free(&shared);
    }

    #[test]
    fn who_waits_for_a_disk_keeps_his_turn_and_his_time_whatever_event_comes() {
        let shared = shared();
        let (mut event_loop, _clients) = three_who_need_a_disk(&shared);
        let deadline = |event_loop: &EventLoop| event_loop.slots.at(1).unwrap().wait.deadline;
        let before = deadline(&event_loop);
        event_loop.now += Duration::from_secs(1);
        need_disk(&mut event_loop, 1, &shared);
        assert_eq!(deadline(&event_loop), before);
        assert_eq!(event_loop.disk_queue.waiting(), [1, 2]);
        let granted = [(); 3].map(|()| read(&mut event_loop, &shared));
        assert_eq!(granted, [Some(1), Some(2), None]);
        assert_one_place_is_free(&shared);
    }

    #[test]
    fn who_waits_for_a_disk_has_the_time_of_a_handler_for_it() {
        let shared = shared();
        let (mut event_loop, _clients) = three_who_need_a_disk(&shared);
        event_loop.now += shared.limits.handler.unwrap() - Duration::from_nanos(1);
        event_loop.expire(&shared);
        assert_eq!(event_loop.disk_queue.waiting(), [1, 2]);
        event_loop.now += Duration::from_nanos(1);
        event_loop.expire(&shared);
        assert_eq!(event_loop.disk_queue.waiting(), [0; 0]);
        assert!(event_loop.slots.at(1).is_none() && event_loop.slots.at(2).is_none());
    }

    #[test]
    fn who_waits_for_a_disk_where_handlers_have_no_limit_has_none_either() {
        let limits = Limits::default().handler(None);
        let shared = shared_with(1, limits);
        let (mut event_loop, _clients) = three_who_need_a_disk(&shared);
        event_loop.now += Duration::from_secs(24 * 3600);
        event_loop.expire(&shared);
        assert_eq!(event_loop.disk_queue.waiting(), [1, 2]);
    }

    #[test]
    fn who_ends_while_he_waits_for_a_disk_gives_back_his_place_in_the_line() {
        let shared = shared();
        let (mut event_loop, _clients) = three_who_need_a_disk(&shared);
        end(&mut event_loop, 1, &shared);
        assert_eq!(event_loop.disk_queue.waiting(), [2]);
        assert_eq!(read(&mut event_loop, &shared), Some(2));
        shared.release_disk();
        assert_one_place_is_free(&shared);
    }

    #[test]
    fn a_place_that_was_meant_for_one_who_has_ended_meanwhile_is_for_the_next() {
        let shared = shared();
        let (mut event_loop, _clients) = three_who_need_a_disk(&shared);
        shared.release_disk();
        end(&mut event_loop, 1, &shared);
        event_loop.collect(&shared);
        assert_eq!(next_key(&mut event_loop), Some(2));
        assert_eq!(read(&mut event_loop, &shared), None);
        assert_one_place_is_free(&shared);
    }

    #[test]
    fn a_place_that_was_meant_for_those_who_have_all_ended_meanwhile_is_not_lost() {
        let shared = shared();
        let (mut event_loop, _clients) = three_who_need_a_disk(&shared);
        shared.release_disk();
        end(&mut event_loop, 1, &shared);
        end(&mut event_loop, 2, &shared);
        event_loop.collect(&shared);
        assert_eq!(next_key(&mut event_loop), None);
        assert_one_place_is_free(&shared);
    }

    #[test]
    fn nothing_is_read_for_a_connection_that_does_not_wait_for_it() {
        let shared = shared();
        let (mut event_loop, _clients) = three_who_need_a_disk(&shared);
        let other = event_loop.slots.at_mut(1).unwrap();
        other.wait.reason = Waits::Idle;
        assert_eq!(read(&mut event_loop, &shared), Some(2));
        assert!(event_loop.slots.at(1).is_some(), "it stays where it is");
    }

    #[test]
    fn a_connection_that_was_read_for_goes_on_as_its_own_with_what_has_come_meanwhile() {
        let shared = shared();
        let mut event_loop = event_loop();
        let _clients = clients(&mut event_loop, &shared, 1);
        event_loop.ready.take_all();
        let mut connection = taken(&mut event_loop, 0);
        assert!(!connection.is_ready());
        connection.wait_for_disk(event_loop.now, &shared.limits);
        event_loop.gives_to_read(&mut connection, &shared);
        let link = connection.transport.link.clone();
        assert!(link.claim.is_reading());
        assert_eq!(connection.wait.reason, Waits::Client, "its turn has come");
        link.note(READABLE);
        let _ = link.claim.claim();
        event_loop.now += Duration::from_secs(1);
        event_loop.take_back_read(connection);
        assert_eq!(event_loop.ready.take_all(), [0]);
        let connection = taken(&mut event_loop, 0);
        assert!(connection.is_ready(), "it has been told what was noted");
        assert_eq!(connection.transport.take_noted(), 0);
        assert_eq!(connection.wait.deadline, event_loop.now, "its client's time begins now");
        assert_eq!(
            link.claim.overrule(false),
            Overdue::Respond,
            "nobody has claimed the next"
        );
    }
}
