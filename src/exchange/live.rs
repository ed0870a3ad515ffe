//! A request body that is decoded while its handler runs.

use std::ops::Range;
use std::sync::Arc;

use hansel_proto::{Connection, Framing, Head, Received, Refusal};

use super::{Exchange, Pool, Stage};

/// The receiving side of an exchange. The reader of a body borrows it while the handler has the rest.
pub(crate) struct LiveInput {
    protocol: Connection,
    /// Content that was gathered before the body turned out to be too large to wait for.
    gathered: Option<Gathered>,
    /// Bytes as they were received.
    input: Vec<u8>,
    position: usize,
    filled: usize,
    /// Content among them, before `position`, that has not been consumed.
    content: Range<usize>,
    is_over: bool,
    /// The announced length of the body, if there is one; and how much content has arrived.
    announced: Option<u64>,
    arrived: u64,
    /// The trailer section, once the body is over.
    pub(crate) trailers: Vec<u8>,
}

/// The beginning of a body, in memory that is given back as soon as it is read.
struct Gathered {
    bytes: Vec<u8>,
    unread: Range<usize>,
    /// The number of bytes that the pool counts for it, or 0.
    lent: usize,
    pool: Arc<Pool>,
}

impl Drop for Gathered {
    fn drop(&mut self) {
        if self.lent > 0 {
            self.pool.take_back(std::mem::take(&mut self.bytes), self.lent);
        }
    }
}

/// The next event in a body.
pub(crate) enum Coming {
    /// Content is available: [`LiveInput::content`].
    Content,
    /// Receive more into [`LiveInput::room`] first.
    Nothing,
    End,
}

/// The number of bytes that are received at once. With a quarter of it, a body of a megabyte costs a tenth more
/// processor time, because its reader waits for the client more often.
const ROOM: usize = 256 * 1024;

impl Exchange {
    /// Calls the application with a body that has not completely arrived.
    pub(crate) fn hand_live(&mut self) {
        let start = match self.stage {
            Stage::Gathering { start } => start,
            _ => 0,
        };
        self.stage = Stage::HandedLive { start };
    }

    /// Returns true if the request was handed to the application while its body is still arriving.
    pub(crate) fn has_live_body(&self) -> bool {
        matches!(self.stage, Stage::HandedLive { .. })
    }

    /// Lends out the receiving side. This exchange must not advance before [`end_live`](Exchange::end_live).
    pub(crate) fn begin_live(&mut self) -> LiveInput {
        let mut input = vec![0; ROOM];
        let here = self.request.buffer.get(self.position..self.filled).unwrap_or(&[]);
        if here.len() > input.len() {
            input.resize(here.len(), 0);
        }
        input[..here.len()].copy_from_slice(here);
        let filled = here.len();
        self.filled = self.position;
        let gathered = match self.stage {
            Stage::HandedLive { start: start @ 1.. } => self.lend_buffer(start as usize),
            _ => self.lend_collected(),
        };
        self.request.body.limit.open();
        LiveInput {
            announced: match self.request.head.framing() {
                Framing::Length(length) => Some(length),
                Framing::None | Framing::Chunked => None,
            },
            arrived: gathered.unread.len() as u64,
            protocol: std::mem::replace(&mut self.protocol, Connection::new(Arc::clone(&self.limits))),
            gathered: Some(gathered),
            input,
            position: 0,
            filled,
            content: 0..0,
            is_over: false,
            trailers: Vec::new(),
        }
    }

    /// Lends out the buffer with what was gathered after the head, which begins at `start`. The request gets another
    /// buffer for its head.
    fn lend_buffer(&mut self, start: usize) -> Gathered {
        let content = self.request.origin + start..self.position;
        let mut own = std::mem::take(&mut self.own);
        own.clear();
        own.extend_from_slice(
            self.request
                .buffer
                .get(self.request.origin..content.start)
                .unwrap_or(&[]),
        );
        self.request.origin = 0;
        (self.position, self.filled) = (own.len(), own.len());
        Gathered {
            bytes: std::mem::replace(&mut self.request.buffer, own),
            unread: content,
            lent: std::mem::take(&mut self.lent),
            pool: Arc::clone(&self.pool),
        }
    }

    fn lend_collected(&mut self) -> Gathered {
        let bytes = std::mem::take(&mut self.request.body.collected);
        Gathered {
            unread: 0..bytes.len(),
            bytes,
            lent: std::mem::take(&mut self.reserved),
            pool: Arc::clone(&self.pool),
        }
    }

    /// Takes the receiving side back, with what was received and not used.
    pub(crate) fn end_live(&mut self, mut live: LiveInput) {
        if live.skip_what_is_here() {
            self.stage = Stage::Handed;
        }
        self.protocol = live.protocol;
        let rest = live.input.get(live.position..live.filled).unwrap_or(&[]);
        let end = self.filled + rest.len();
        if self.request.buffer.len() < end {
            self.request.buffer.resize(end, 0);
        }
        self.request.buffer[self.filled..end].copy_from_slice(rest);
        self.filled = end;
    }
}

impl LiveInput {
    /// Finds the next event.
    pub(crate) fn advance(&mut self) -> Result<Coming, Refusal> {
        if !self.content().is_empty() {
            return Ok(Coming::Content);
        }
        self.gathered = None;
        if self.is_over {
            return Ok(Coming::End);
        }
        let input = self.input.get(self.position..self.filled).unwrap_or(&[]);
        Ok(match self.protocol.receive(input, &mut Head::new())? {
            Received::Content { start, end } => {
                self.content = self.position + start..self.position + end;
                self.position += end;
                self.arrived = self.arrived.saturating_add((end - start) as u64);
                Coming::Content
            }
            Received::End { len, trailers } => {
                self.trailers = trailers.of(input).to_vec();
                self.position += len;
                self.is_over = true;
                Coming::End
            }
            Received::Partial | Received::Head { .. } => Coming::Nothing,
        })
    }

    /// Returns how many bytes the body has at least.
    pub(crate) fn len_at_least(&self) -> u64 {
        self.announced.unwrap_or(self.arrived)
    }

    /// Returns the content that is available.
    pub(crate) fn content(&self) -> &[u8] {
        let gathered = self
            .gathered
            .as_ref()
            .and_then(|gathered| gathered.bytes.get(gathered.unread.clone()));
        match gathered {
            Some(gathered) if !gathered.is_empty() => gathered,
            _ => self.input.get(self.content.clone()).unwrap_or(&[]),
        }
    }

    /// Consumes that many bytes of the available content.
    pub(crate) fn consume(&mut self, amount: usize) {
        let range = match &mut self.gathered {
            Some(gathered) if !gathered.unread.is_empty() => &mut gathered.unread,
            _ => &mut self.content,
        };
        range.start = range.start.saturating_add(amount).min(range.end);
    }

    /// Discards what the handler has left of the body, as far as it has arrived. Returns true if that was the rest of
    /// it.
    fn skip_what_is_here(&mut self) -> bool {
        loop {
            match self.advance() {
                Ok(Coming::Content) => self.consume(self.content().len()),
                Ok(Coming::End) => return true,
                Ok(Coming::Nothing) | Err(_) => return false,
            }
        }
    }

    /// Returns the buffer into which bytes are received.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.position == self.filled {
            self.position = 0;
            self.filled = 0;
        } else if self.filled == self.input.len() {
            self.input.copy_within(self.position..self.filled, 0);
            self.filled -= self.position;
            self.position = 0;
        }
        if self.filled == self.input.len() {
            // The protocol's own limits refuse chunk framing that is longer than the buffer.
            self.input.resize(self.input.len() * 2, 0);
        }
        &mut self.input[self.filled..]
    }

    /// Notes how many bytes were received into [`room`](LiveInput::room).
    pub(crate) fn received(&mut self, n: usize) {
        self.filled = (self.filled + n).min(self.input.len());
    }

    /// Returns the interim response that makes a waiting client send its body, if one is due.
    pub(crate) fn interim(&mut self) -> Option<Vec<u8>> {
        self.protocol.needs_continue().then(|| {
            let mut out = Vec::new();
            self.protocol.send_continue(&mut out);
            out
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::date::Date;
    use crate::exchange::Step;

    #[test]
    fn framing_that_is_cut_by_the_end_of_the_room_makes_it_no_larger() {
        let mut exchange = Exchange::new(Arc::default(), 0, Pool::new(0, 0));
        exchange.receive_copy(b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
        assert_eq!(exchange.advance(&Date::now(), &mut Vec::new()), Step::CallLive);
        let mut live = exchange.begin_live();
        let mut sent = b"0000000000000001\r\nx\r\n".iter().copied().cycle();
        let mut content = 0;
        while content < ROOM {
            match live.advance() {
                Ok(Coming::Content) => {
                    content += live.content().len();
                    live.consume(live.content().len());
                }
                Ok(Coming::Nothing) => {
                    let room = live.room();
                    let n = room.len();
                    assert!(n > 0, "a read into nothing looks like the end");
                    room.fill_with(|| sent.next().unwrap_or_default());
                    live.received(n);
                    assert_eq!(live.input.len(), ROOM);
                }
                Ok(Coming::End) | Err(_) => panic!("it has no end"),
            }
        }
    }
}
