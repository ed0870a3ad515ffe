//! The work in progress on a connection: a request that arrives, and the responses to be sent.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::drop_queue::DropQueue;
use super::link::Attempt;
use crate::exchange::{Exchange, KEPT, Payload};
use crate::operations::RequestSpan;
use crate::server::net::channel::Channel;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::server::net::socket::is;
use crate::{Done, Response};

/// The number of bytes of a file that are read at once.
pub(super) const FILE_PIECE: usize = 64 * 1024;

/// The least number of bytes of a file for which it is worthwhile to avoid that they are copied.
const LARGE: u64 = FILE_PIECE as u64;

/// The permission of a thread to wait for a disk. A thread that holds a loop never may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Disk {
    Never,
    /// Only for what seems to be in memory and is not.
    Hardly,
    MayWait,
}

/// The next piece of a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Piece {
    /// It is in `out`.
    Here,
    /// Only a thread that may wait for a disk can get it.
    OnDisk,
    /// There is none.
    End,
}

/// The work in progress on a connection. It passes from connection to connection.
pub(crate) struct Work {
    pub(crate) exchange: Exchange,
    /// The bytes to send, and how many of them are sent.
    pub(crate) out: Vec<u8>,
    pub(crate) sent: usize,
    /// What is to be sent after them.
    pub(crate) payload: Option<Payload>,
    /// A response that waits for a place to be sent from.
    pub(crate) parked: Option<Box<Parked>>,
    /// Where the response begins in `out` while it is being made: complete responses come before it.
    begun_at: usize,
    /// Where values of the program go that are to be dropped, because the loop may be held here.
    drop_queue: Arc<DropQueue>,
}

/// No response is being made.
const NOT_BEGUN: usize = usize::MAX;

/// A response of a handler that a thread has to send.
pub(crate) struct Parked {
    pub(crate) response: Response,
    pub(crate) span: RequestSpan,
    /// When its request was complete.
    pub(crate) since: Instant,
}

impl Work {
    pub(crate) fn new(exchange: Exchange, drop_queue: Arc<DropQueue>) -> Work {
        Work {
            exchange,
            out: Vec::new(),
            sent: 0,
            payload: None,
            parked: None,
            begun_at: NOT_BEGUN,
            drop_queue,
        }
    }

    /// Notes that a response is about to be appended to what is to be sent.
    pub(crate) fn begin_response(&mut self) {
        self.begun_at = self.out.len();
    }

    /// Notes that the response is complete, except for a payload that needs no thread to be sent.
    pub(crate) fn end_response(&mut self) {
        self.begun_at = NOT_BEGUN;
    }

    /// Withdraws the response that is being made, if there is one and it is incomplete. Returns true if everything that
    /// has begun is, or will be, sent completely.
    pub(crate) fn withdraw_response(&mut self) -> bool {
        let begun_at = std::mem::replace(&mut self.begun_at, NOT_BEGUN);
        if begun_at == NOT_BEGUN {
            return true;
        }
        self.out.truncate(begun_at);
        self.end_payload(Done::GivenUp);
        begun_at > 0
    }

    /// Takes what is to be sent, to be sent at once.
    pub(crate) fn take_out(&mut self) -> Vec<u8> {
        if self.begun_at != NOT_BEGUN {
            self.begun_at = 0;
        }
        std::mem::take(&mut self.out)
    }

    /// Returns true if nothing is in progress.
    pub(crate) fn is_idle(&self) -> bool {
        !self.has_output() && self.exchange.is_idle()
    }

    /// Returns true if it can only continue with a place for a body that is transferred while its handler runs.
    pub(crate) fn needs_place(&self) -> bool {
        self.parked.is_some() || self.exchange.has_live_body()
    }

    /// Returns true if there is something to be sent.
    #[inline]
    pub(crate) fn has_output(&self) -> bool {
        !self.out.is_empty() || self.payload.is_some()
    }

    /// Returns what is to be sent, if nothing else is in progress.
    pub(crate) fn lone_output(&mut self) -> Option<&mut Vec<u8>> {
        let is_alone = self.sent == 0 && self.payload.is_none() && self.exchange.is_idle();
        (is_alone && !self.out.is_empty()).then_some(&mut self.out)
    }

    /// Prepares it for another connection.
    pub(crate) fn reset(&mut self) {
        self.exchange.reset();
        self.send_nothing();
        if self.out.capacity() > KEPT {
            self.out = Vec::new();
        }
    }

    #[inline]
    pub(crate) fn send_nothing(&mut self) {
        self.begun_at = NOT_BEGUN;
        self.out.clear();
        self.sent = 0;
        if self.payload.is_some() {
            self.end_payload(Done::GivenUp);
        }
        if let Some(parked) = self.parked.take() {
            self.drop_queue.push(parked);
        }
    }

    /// Notes that nothing more of the payload is sent.
    fn end_payload(&mut self, outcome: Done) {
        if let Some(mut payload) = self.payload.take() {
            if payload.end(outcome) {
                self.drop_queue.push(Box::new(payload));
            }
        }
    }

    /// Puts the first piece of a file after its head.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub(crate) fn first_piece(&mut self) -> io::Result<()> {
        if let Some(Payload::File(..)) = self.payload {
            self.next_piece(Disk::MayWait)?;
        }
        Ok(())
    }

    /// Returns true if so much of a file comes next that it should be sent without copying it.
    pub(crate) fn has_large_file(&self) -> bool {
        matches!(&self.payload, Some(Payload::File(part, _)) if part.left_uncopied() >= LARGE)
    }

    /// Returns true if so much of a file comes next, its beginning is in memory, and the connection could send it without
    /// copying it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn has_large_file_in_memory(&mut self, channel: &Channel) -> bool {
        match &mut self.payload {
            Some(Payload::File(part, _)) if part.left_uncopied() >= LARGE => {
                channel.plain_socket().is_some() && part.cached(1) > 0
            }
            _ => false,
        }
    }

    /// Other systems copy.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn has_large_file_in_memory(&mut self, _: &Channel) -> bool {
        false
    }

    /// Has the file sent by copying it, however large it is.
    pub(super) fn copy_file(&mut self) {
        if let Some(Payload::File(part, _)) = &mut self.payload {
            part.copy();
        }
    }

    /// Sends up to `most` of the next bytes of a file without copying them. Returns `None` if they must be copied, or read
    /// by another thread.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn send_file(&mut self, channel: &Channel, disk: Disk, most: usize) -> Option<Attempt> {
        // A thread that waits for a disk copies: whatever the file system does while it reads, it holds up nobody else.
        if disk != Disk::Hardly || !self.has_large_file() {
            return None;
        }
        let (Some(Payload::File(part, _)), Some(socket)) = (&mut self.payload, channel.plain_socket()) else {
            return None;
        };
        let most = part.cached(most as u64);
        if most == 0 {
            return None;
        }
        let attempt = match part.send_to(socket, most) {
            Ok(n @ 1..) => Attempt::Done(n),
            Err(error) if is(&error, io::ErrorKind::WouldBlock) => Attempt::TooEarly,
            // Reading or writing tells why.
            Ok(0) | Err(_) => return None,
        };
        if part.left() == 0 {
            self.end_payload(Done::Sent);
        }
        Some(attempt)
    }

    /// Other systems copy.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn send_file(&mut self, _: &Channel, _: Disk, _: usize) -> Option<Attempt> {
        None
    }

    /// Puts the next piece of what is to be sent after the content of `out`, which then has up to [`FILE_PIECE`].
    ///
    /// # Errors
    /// Returns an error if a file can no longer be read.
    pub(crate) fn next_piece(&mut self, disk: Disk) -> io::Result<Piece> {
        let part = match &mut self.payload {
            None => return Ok(Piece::End),
            Some(Payload::File(part, _)) => part,
            Some(Payload::Bytes { .. } | Payload::Source(..) | Payload::Pushed(..)) => {
                self.end_payload(Done::Sent);
                return Ok(Piece::End);
            }
            #[cfg(feature = "websocket")]
            Some(Payload::Socket(..)) => return Ok(Piece::End),
            #[cfg(feature = "upgrade")]
            Some(Payload::Takeover(..)) => return Ok(Piece::End),
        };
        let begin = self.out.len();
        let room = FILE_PIECE.saturating_sub(begin);
        let most = room.min(usize::try_from(part.left()).unwrap_or(room));
        self.out.resize(begin + most, 0);
        let read = match disk {
            Disk::Never | Disk::Hardly => Ok(part.read_cached(&mut self.out[begin..])),
            Disk::MayWait => part.read_next(&mut self.out[begin..]).map(Some),
        };
        self.out.truncate(begin + read.as_ref().map_or(0, |n| n.unwrap_or(0)));
        if part.left() == 0 {
            self.end_payload(Done::Sent);
        }
        Ok(read?.map_or(Piece::OnDisk, |_| Piece::Here))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.send_nothing();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Body;
    use crate::exchange::Pool;
    use crate::response::FilePart;
    use std::sync::Arc;

    fn work() -> Work {
        Work::new(Exchange::new(Arc::default(), 1024, Pool::new(0, 0)), Arc::default())
    }

    #[test]
    fn a_withdrawn_answer_leaves_those_that_are_whole_and_nothing_of_itself() {
        let mut work = work();
        work.out.extend(b"whole");
        work.begin_response();
        work.out.extend(b"a part");
        work.payload = Some(Payload::Bytes {
            bytes: Box::new("the rest"),
            sent: 0,
            are_owned: false,
            on_done: None,
        });
        assert!(work.withdraw_response(), "what stands before it is sent");
        assert_eq!(work.out, b"whole");
        assert!(work.payload.is_none());

        work.send_nothing();
        work.begin_response();
        work.out.extend(b"a part");
        assert!(!work.withdraw_response(), "nothing stands before it");
        assert!(!work.has_output());
    }

    #[test]
    fn an_answer_that_is_whole_is_not_withdrawn() {
        let mut work = work();
        work.begin_response();
        work.out.extend(b"whole");
        work.end_response();
        assert!(work.withdraw_response());
        assert_eq!(work.out, b"whole");
    }

    #[test]
    fn an_answer_of_which_some_is_sent_can_not_be_taken_back() {
        let mut work = work();
        work.out.extend(b"whole");
        work.begin_response();
        work.out.extend(b"a part");
        assert_eq!(work.take_out(), b"wholea part");
        assert!(!work.withdraw_response(), "what has been sent of it is not all");
    }

    #[test]
    fn a_response_that_is_not_sent_any_more_is_dropped_by_another_thread() {
        struct Bomb(std::sync::mpsc::Sender<std::thread::ThreadId>);
        impl Drop for Bomb {
            fn drop(&mut self) {
                self.0.send(std::thread::current().id()).unwrap();
            }
        }
        for is_reset in [true, false] {
            let mut work = work();
            let (sender, dropped_by) = std::sync::mpsc::channel();
            let bomb = Bomb(sender);
            work.parked = Some(Box::new(Parked {
                response: Response::new(Body::stream(move |_| {
                    let _ = &bomb;
                    Ok(())
                })),
                span: RequestSpan::none(),
                since: Instant::now(),
            }));
            assert!(work.needs_place());
            if is_reset {
                work.send_nothing();
                assert!(!work.needs_place(), "whose connection is next has no part in it");
            } else {
                drop(work);
            }
            assert_ne!(dropped_by.recv().unwrap(), std::thread::current().id());
        }
    }

    /// Returns this many bytes of a file, each of which says where it is.
    fn file(name: &str, len: usize) -> (FilePart, Vec<u8>) {
        let content: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        let path = std::env::temp_dir().join(format!("hansel-work-{name}-{}", std::process::id()));
        std::fs::write(&path, &content).unwrap();
        let part = FilePart::new(std::fs::File::open(&path).unwrap(), 0, len as u64);
        std::fs::remove_file(&path).unwrap();
        (part, content)
    }

    fn bytes() -> Payload {
        Payload::Bytes {
            bytes: Box::new("the rest"),
            sent: 0,
            are_owned: false,
            on_done: None,
        }
    }

    #[test]
    fn what_is_to_be_sent_is_alone_if_nothing_of_it_is_sent_and_nothing_else_is_there() {
        let with = |change: fn(&mut Work)| {
            let mut work = work();
            work.out.extend(b"response");
            change(&mut work);
            work.lone_output().cloned()
        };
        assert_eq!(with(|_| ()), Some(b"response".to_vec()));
        assert_eq!(with(|work| work.sent = 1), None);
        assert_eq!(with(|work| work.payload = Some(bytes())), None);
        assert_eq!(with(|work| work.exchange.receive_copy(b"GET")), None);
        assert_eq!(with(|work| work.out.clear()), None);
    }

    #[test]
    fn who_is_next_has_nothing_of_the_last_one_and_no_large_buffer() {
        for (size, is_kept) in [(KEPT, true), (KEPT + 1, false)] {
            let mut work = work();
            work.out = Vec::with_capacity(size);
            work.out.extend(b"response");
            work.sent = 3;
            work.payload = Some(bytes());
            work.exchange.receive_copy(b"GET");
            assert!(!work.is_idle());
            work.reset();
            assert!(work.is_idle() && !work.has_output());
            assert_eq!((work.sent, work.out.capacity() > 0), (0, is_kept));
        }
    }

    #[test]
    fn what_is_taken_between_two_responses_has_nothing_to_do_with_the_next() {
        let mut work = work();
        work.out.extend(b"whole");
        assert_eq!(work.take_out(), b"whole");
        work.out.extend(b"next");
        assert!(work.withdraw_response(), "none is being made");
        assert_eq!(work.out, b"next");
    }

    #[test]
    fn a_file_follows_its_head_piece_by_piece() {
        let mut work = work();
        let (part, content) = file("pieces", FILE_PIECE + 10);
        work.payload = Some(Payload::File(part, None));
        work.out.extend(b"head");
        work.first_piece().unwrap();
        assert_eq!(work.out.len(), FILE_PIECE);
        assert!(work.out.starts_with(b"head") && work.has_output());
        let mut sent = work.out.split_off(4);
        work.out.clear();
        assert!(work.has_output(), "there is more");
        assert_eq!(work.next_piece(Disk::MayWait).unwrap(), Piece::Here);
        sent.extend_from_slice(&work.out);
        assert!(sent == content);
        assert!(work.payload.is_none());
        assert_eq!(work.next_piece(Disk::MayWait).unwrap(), Piece::End);
    }

    #[test]
    fn a_file_that_is_not_in_memory_needs_a_thread_that_may_wait() {
        let mut work = work();
        let (mut part, content) = file("disk", 10);
        part.on(Arc::new(|| ()));
        work.payload = Some(Payload::File(part, None));
        for disk in [Disk::Never, Disk::Hardly] {
            assert_eq!(work.next_piece(disk).unwrap(), Piece::OnDisk);
            assert!(work.out.is_empty() && work.payload.is_some());
        }
        assert_eq!(work.next_piece(Disk::MayWait).unwrap(), Piece::Here);
        assert_eq!(work.out, content);
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    mod large {
        use super::*;
        use crate::server::net::socket::Stream;
        use std::io::Read;
        use std::os::unix::net::UnixStream;

        fn channel() -> (UnixStream, Channel) {
            let (client, stream) = UnixStream::pair().unwrap();
            client.set_nonblocking(true).unwrap();
            stream.set_nonblocking(true).unwrap();
            (
                client,
                Channel::plain(Stream::Unix(mio::net::UnixStream::from_std(stream))),
            )
        }

        fn work_with(part: FilePart) -> Work {
            let mut work = work();
            work.payload = Some(Payload::File(part, None));
            work
        }

        #[test]
        fn only_a_large_file_that_is_in_memory_and_not_to_be_copied_is_sent_from_there() {
            const LEAST: usize = LARGE as usize;
            let (_client, channel) = channel();
            let is_large = |work: &mut Work| (work.has_large_file(), work.has_large_file_in_memory(&channel));
            assert_eq!(is_large(&mut work()), (false, false));
            assert_eq!(is_large(&mut work_with(file("small", LEAST - 1).0)), (false, false));
            let mut large = work_with(file("large", LEAST).0);
            assert_eq!(is_large(&mut large), (true, true));
            large.copy_file();
            assert_eq!(is_large(&mut large), (false, false));
            let mut part = file("far", LEAST).0;
            part.on(Arc::new(|| ()));
            assert_eq!(is_large(&mut work_with(part)), (true, false));
        }

        #[test]
        fn a_large_file_is_sent_without_copying_only_by_a_thread_that_hardly_waits() {
            let (mut client, channel) = channel();
            let (part, content) = file("sent", 1 << 20);
            let mut work = work_with(part);
            for disk in [Disk::Never, Disk::MayWait] {
                assert!(work.send_file(&channel, disk, usize::MAX).is_none());
            }
            let mut arrived = Vec::new();
            let mut has_waited = false;
            while work.payload.is_some() {
                match work.send_file(&channel, Disk::Hardly, usize::MAX) {
                    Some(Attempt::Done(_)) => {}
                    Some(Attempt::TooEarly) => {
                        has_waited = true;
                        let _ = client.read_to_end(&mut arrived);
                    }
                    // Less than is worthwhile is left.
                    Some(Attempt::Failed) | None => break,
                }
            }
            let _ = client.read_to_end(&mut arrived);
            assert!(has_waited && content.starts_with(&arrived));
            assert!(content.len() - arrived.len() < FILE_PIECE);
            assert_eq!(work.payload.is_none(), arrived.len() == content.len());

            let mut small = work_with(file("short", FILE_PIECE - 1).0);
            assert!(small.send_file(&channel, Disk::Hardly, usize::MAX).is_none());
            let mut large = work_with(file("whole", FILE_PIECE).0);
            let sent = large.send_file(&channel, Disk::Hardly, usize::MAX);
            assert!(matches!(sent, Some(Attempt::Done(FILE_PIECE))));
            assert!(large.payload.is_none(), "that was all");
        }

        #[test]
        fn what_keeps_a_large_file_from_being_sent_is_found_out_by_copying_it() {
            let (client, channel) = channel();
            let mut part = file("slow", 1 << 20).0;
            part.on(Arc::new(|| ()));
            assert!(work_with(part).send_file(&channel, Disk::Hardly, 1).is_none());
            drop(client);
            let mut work = work_with(file("lost", 1 << 20).0);
            assert!(work.send_file(&channel, Disk::Hardly, usize::MAX).is_none());
        }
    }
}
