//! What a connection sends, as far as its client takes it.

use crate::report;

use super::link::Attempt;
use super::work::{Disk, Piece};
use super::{Connection, Waits};
use crate::exchange::Payload;

/// What has become of sending all there is.
pub(super) enum Flush {
    Done,
    Blocked,
    /// A file must be read, and this thread may not wait for a disk.
    OnDisk,
    /// So many pieces of a file have been sent that others should have their turn.
    Enough,
    Failed,
}

/// How many pieces of a file are sent at most, in one go.
const PIECES: usize = 16;

impl Connection {
    /// Sends what there is to be sent, without waiting.
    #[inline]
    pub(crate) fn send_now(&mut self) {
        if let Flush::Failed = self.flush() {
            self.break_off();
        }
    }

    /// Reads and sends more of a file, without waiting for the client. For a thread that may wait for a disk.
    pub(crate) fn send_from_disk(&mut self) {
        if let Flush::Failed = self.flush_output(Disk::MayWait) {
            self.break_off();
        }
    }

    /// The answer that is being made can't be made whole. Those before it are sent, and one that is whole.
    pub(crate) fn fail_answer(&mut self) {
        if self.work.as_mut().is_some_and(|work| work.withdraw_answer()) {
            self.close_after_sending();
        } else {
            self.break_off();
        }
    }

    /// Sends what is there to be sent, as far as the client takes it.
    #[inline]
    pub(super) fn flush(&mut self) -> Flush {
        match &self.work {
            Some(work) if work.has_output() => self.flush_output(Disk::Never),
            _ => Flush::Done,
        }
    }

    fn flush_output(&mut self, disk: Disk) -> Flush {
        let Some(work) = &mut self.work else { return Flush::Done };
        let mut pieces = 0;
        loop {
            let rest = work.out.get(work.sent..).unwrap_or(&[]);
            let behind = match &work.payload {
                Payload::Bytes { bytes, sent } => (**bytes).as_ref().get(*sent..).unwrap_or(&[]),
                _ => &[],
            };
            if rest.is_empty() && behind.is_empty() {
                work.out.clear();
                work.sent = 0;
                if let Payload::None = work.payload {
                    return Flush::Done;
                }
                if self.waits_for == Waits::Disk {
                    return Flush::OnDisk;
                }
                if pieces == PIECES {
                    return Flush::Enough;
                }
                pieces += 1;
                match work.next_piece(disk) {
                    Ok(Piece::Here) => continue,
                    Ok(Piece::OnDisk) => return Flush::OnDisk,
                    Ok(Piece::End) => return Flush::Done,
                    Err(error) => {
                        report::error!("a file that is being sent can't be read: {error}");
                        return Flush::Failed;
                    }
                }
            }
            if !self.writable {
                return Flush::Blocked;
            }
            let attempt = if behind.is_empty() {
                self.transport.try_write(rest)
            } else {
                self.transport.try_write_both(rest, behind)
            };
            match attempt {
                Attempt::Done(n) => {
                    let of_rest = n.min(rest.len());
                    work.sent += of_rest;
                    if let Payload::Bytes { sent, .. } = &mut work.payload {
                        *sent += n - of_rest;
                    }
                    self.passed += n as u64;
                }
                Attempt::TooEarly => self.writable = false,
                Attempt::Failed => return Flush::Failed,
            }
        }
    }
}
