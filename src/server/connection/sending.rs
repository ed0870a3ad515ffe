//! Sending on a connection, as far as its client accepts it.

use crate::report;

use super::link::{Attempt, Transport};
use super::readiness::Readiness;
use super::wait::{Wait, Waits};
use super::work::{Disk, FILE_PIECE, Piece, Work};
use crate::exchange::Payload;

/// The result of sending.
pub(super) enum Flush {
    Done,
    Blocked,
    /// A file must be read, and this thread may not wait for a disk.
    OnDisk,
    /// Much of a file is in memory, and a thread without a loop could send it without copying it.
    Large,
    /// Enough pieces of a file were sent that others should have their turn.
    Enough,
    /// Everything is sent but what a topic is still to bring, or the head of a socket is sent.
    Subscribed,
    Failed,
}

/// The most pieces of a file that are sent at once.
const PIECES: usize = 16;

/// Sends what a connection has to send, as far as its client accepts it.
pub(super) fn flush(
    work: &mut Work,
    transport: &mut Transport,
    readiness: &mut Readiness,
    wait: &mut Wait,
    disk: Disk,
) -> Flush {
    let mut pieces = 0;
    loop {
        let rest = work.out.get(work.sent..).unwrap_or(&[]);
        let behind = match &work.payload {
            Some(Payload::Bytes { bytes, sent, .. }) => (**bytes).as_ref().get(*sent..).unwrap_or(&[]),
            _ => &[],
        };
        if rest.is_empty() && behind.is_empty() {
            work.out.clear();
            work.sent = 0;
            if work.payload.is_none() {
                return Flush::Done;
            }
            if let Some(Payload::Pushed(..)) = work.payload {
                return Flush::Subscribed;
            }
            #[cfg(feature = "websocket")]
            if let Some(Payload::Socket(..)) = work.payload {
                return Flush::Subscribed;
            }
            if wait.reason == Waits::Disk {
                return Flush::OnDisk;
            }
            if pieces >= PIECES {
                return Flush::Enough;
            }
            if readiness.writable {
                if disk == Disk::Never && work.has_large_file_in_memory(transport.channel()) {
                    return Flush::Large;
                }
                let most = (PIECES - pieces) * FILE_PIECE;
                match work.send_file(transport.channel(), disk, most) {
                    Some(Attempt::Done(n)) => {
                        pieces += n.div_ceil(FILE_PIECE);
                        wait.passed(n);
                        continue;
                    }
                    Some(Attempt::TooEarly) => {
                        readiness.writable = false;
                        return Flush::Blocked;
                    }
                    Some(Attempt::Failed) | None => {}
                }
            }
            pieces += 1;
            match work.next_piece(disk) {
                Ok(Piece::Here) => continue,
                Ok(Piece::OnDisk) => return Flush::OnDisk,
                Ok(Piece::End) => return Flush::Done,
                Err(error) => {
                    report::error!("can't read a file that is being sent: {error}; its connection is cut");
                    return Flush::Failed;
                }
            }
        }
        if !readiness.writable {
            return Flush::Blocked;
        }
        let attempt = if behind.is_empty() {
            transport.try_write(rest)
        } else {
            transport.try_write_both(rest, behind)
        };
        match attempt {
            Attempt::Done(n) => {
                let of_rest = n.min(rest.len());
                work.sent += of_rest;
                if let Some(Payload::Bytes { sent, .. }) = &mut work.payload {
                    *sent += n - of_rest;
                }
                wait.passed(n);
            }
            Attempt::TooEarly => readiness.writable = false,
            Attempt::Failed => return Flush::Failed,
        }
    }
}
