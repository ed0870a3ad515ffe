//! What is under way on a connection: a request that arrives, and the answers that leave.

use std::io::{self, Read};
use std::sync::Arc;

use crate::exchange::{Exchange, KEPT, Payload, Pool};

/// How much of a file is read at once.
const FILE_PIECE: usize = 64 * 1024;

/// What is under way on a connection. It is handed from connection to connection.
pub(super) struct Work {
    pub(super) exchange: Exchange,
    /// Bytes to send, and how many of them are sent.
    pub(super) out: Vec<u8>,
    pub(super) sent: usize,
    /// What is to be sent behind them.
    pub(super) payload: Payload,
}

impl Work {
    /// Bodies up to `body_buffer` are gathered in memory of its own, larger ones in what `pool` has.
    pub(super) fn new(protocol: Arc<hansel_proto::Limits>, body_buffer: usize, pool: &Arc<Pool>) -> Work {
        Work {
            exchange: Exchange::new(protocol, body_buffer, Arc::clone(pool)),
            out: Vec::new(),
            sent: 0,
            payload: Payload::None,
        }
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        !self.has_output() && self.exchange.is_idle()
    }

    /// Whether there is something to be sent.
    #[inline]
    pub(super) fn has_output(&self) -> bool {
        !(self.out.is_empty() && matches!(self.payload, Payload::None))
    }

    /// What is to be sent, if nothing else is under way.
    pub(super) fn lone_output(&mut self) -> Option<&mut Vec<u8>> {
        let is_alone = self.sent == 0 && matches!(self.payload, Payload::None) && self.exchange.is_idle();
        (is_alone && !self.out.is_empty()).then_some(&mut self.out)
    }

    /// Makes ready for another connection.
    pub(super) fn reset(&mut self) {
        self.exchange.reset();
        self.send_nothing();
        if self.out.capacity() > KEPT {
            self.out = Vec::new();
        }
    }

    pub(super) fn send_nothing(&mut self) {
        self.out.clear();
        self.sent = 0;
        if !matches!(self.payload, Payload::None) {
            self.payload = Payload::None;
        }
    }

    /// Puts the next piece of a file into `out`. Says whether there was one.
    pub(super) fn next_piece(&mut self) -> io::Result<bool> {
        let (file, left) = match &mut self.payload {
            Payload::None => return Ok(false),
            Payload::File { file, left } => (file, left),
            Payload::Bytes { .. } | Payload::Source(..) => {
                self.payload = Payload::None;
                return Ok(false);
            }
        };
        let most = FILE_PIECE.min(usize::try_from(*left).unwrap_or(FILE_PIECE));
        self.out.resize(most, 0);
        let n = file.read(&mut self.out)?;
        if n == 0 {
            // It has shrunk since its length was announced.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.out.truncate(n);
        *left -= n as u64;
        if *left == 0 {
            self.payload = Payload::None;
        }
        Ok(true)
    }
}
