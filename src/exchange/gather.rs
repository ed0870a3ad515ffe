//! Memory for a body that is gathered before the application is called.
//!
//! Up to `body_buffer` it belongs to the connection. Beyond that it comes from the pool, and grows as the body arrives.

use hansel_proto::Framing;

use super::{Exchange, ROOM, Stage};

impl Exchange {
    /// Returns the largest number of bytes of a body that are gathered before the application is called.
    pub(super) fn ahead(&self) -> usize {
        self.body_buffer.max(self.pool.largest)
    }

    /// Returns the largest number of bytes of a chunked body that are collected before the application is called.
    pub(super) fn most_collected(&self) -> usize {
        let most = self.request.body.limit.of_server_bytes();
        self.ahead().min(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// Returns true if the application is called before anything of a body of this length is gathered.
    #[cold]
    pub(super) fn is_for_handler(&self, length: u64) -> bool {
        if length > self.request.body.limit.of_server_bytes() {
            // Only some routes take it, and nothing is read for the others.
            return true;
        }
        // RFC 9110 §10.1.1: the handler may decide whether a client that waits for 100 sends the body.
        let is_awaited = self.protocol.needs_continue();
        let is_large = length > self.body_buffer as u64;
        (is_large && self.ahead() == 0) || (is_awaited && (is_large || length > self.least_body))
    }

    /// Returns true if enough of a body is gathered that the application reads the rest itself.
    pub(super) fn has_enough_ahead(&self) -> bool {
        let (Stage::Gathering { start: start @ 1.. }, Framing::Length(length)) =
            (self.stage, self.request.head.framing())
        else {
            return false;
        };
        let gathered = self.position - self.request.origin - start as usize;
        gathered >= self.ahead() && length > gathered as u64
    }

    /// Returns true if there is memory to receive more. If not, all connections together have as much as they may.
    #[inline]
    pub(crate) fn finds_room(&mut self) -> bool {
        match self.stage {
            Stage::Gathering { start: 1.. } => self.finds_room_to_gather(),
            Stage::Collecting => self.finds_room_to_collect(),
            _ => true,
        }
    }

    /// Takes memory for everything that is gathered of a request, `head` bytes and `body` more, if plenty is free.
    #[inline(never)]
    pub(super) fn lend_at_once(&mut self, head: usize, body: u64) {
        let size = self.size_with(head, body);
        if let Some(buffer) = self.pool.lend_at_once(size) {
            self.move_into(buffer, size);
        }
    }

    #[inline(never)]
    fn finds_room_to_gather(&mut self) -> bool {
        let capacity = if self.lent > 0 {
            self.usable
        } else {
            self.request.buffer.len()
        };
        let here = self.filled - self.request.origin;
        let may_grow = self.lent == 0 && here < self.request.head.len().saturating_add(self.body_buffer);
        if may_grow || capacity.saturating_sub(here) >= ROOM / 4 {
            return true;
        }
        let Framing::Length(length) = self.request.head.framing() else {
            return true;
        };
        let whole = self.size_with(self.request.head.len(), length);
        let size = capacity.saturating_mul(2).min(whole).max(here + ROOM / 2);
        let Some(buffer) = self.pool.lend(size, self.lent) else {
            return false;
        };
        self.move_into(buffer, whole);
        true
    }

    #[inline(never)]
    fn finds_room_to_collect(&mut self) -> bool {
        // The next bytes received may all be content.
        let here = self.request.body.collected.len();
        let needed = here + self.request.buffer.len();
        if here <= self.body_buffer || needed <= self.body_buffer.saturating_add(self.reserved) {
            return true;
        }
        // The memory in which content is collected doubles.
        let may = self.pool.reserve(needed);
        if may {
            self.reserved += needed;
        }
        may
    }

    /// Returns the memory for a request that is to be gathered, with a few bytes more, so that the last bytes fit as
    /// well.
    fn size_with(&self, head: usize, body: u64) -> usize {
        let body = usize::try_from(body).unwrap_or(usize::MAX).min(self.ahead());
        let here = self.filled - self.request.origin;
        here.max(head.saturating_add(body)).saturating_add(ROOM / 4)
    }

    /// Continues in a buffer of the pool, of which at most `most` bytes are for this request.
    fn move_into(&mut self, mut buffer: Vec<u8>, most: usize) {
        let here = self.request.buffer.get(self.request.origin..self.filled).unwrap_or(&[]);
        buffer[..here.len()].copy_from_slice(here);
        self.filled -= self.request.origin;
        self.position -= self.request.origin;
        self.request.origin = 0;
        self.usable = most.min(buffer.len());
        let lent = std::mem::replace(&mut self.lent, buffer.len());
        let before = std::mem::replace(&mut self.request.buffer, buffer);
        if lent > 0 {
            self.pool.take_back(before, lent);
        } else {
            self.own = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Pool, Step};
    use super::*;
    use crate::date::Date;
    use std::sync::Arc;

    const OWN: usize = 64 * 1024;
    const MANY: usize = 512 * 1024;
    /// The most memory that a connection has for itself.
    const FREE: usize = 256 * 1024;

    fn exchange(pool: &Arc<Pool>) -> Exchange {
        Exchange::new(Arc::default(), OWN, Arc::clone(pool))
    }

    /// Receives up to `most` of `bytes`, as far as there is room. Returns how many, and the last step.
    fn receive(exchange: &mut Exchange, bytes: &[u8]) -> (usize, Step) {
        let (date, mut out) = (Date::now(), Vec::new());
        let mut taken = 0;
        loop {
            let step = exchange.advance(&date, &mut out);
            let rest = &bytes[taken..];
            if step != Step::Receive || rest.is_empty() || !exchange.finds_room() {
                return (taken, step);
            }
            let room = exchange.room();
            assert!(!room.is_empty(), "a read into nothing looks like the end");
            let n = room.len().min(rest.len()).min(10_000);
            room[..n].copy_from_slice(&rest[..n]);
            exchange.received(n);
            taken += n;
        }
    }

    fn head(framing: &str) -> Vec<u8> {
        format!("POST / HTTP/1.1\r\nHost: a.test\r\n{framing}\r\n\r\n").into_bytes()
    }

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n % 251) as u8).collect()
    }

    fn chunk(content: &[u8]) -> Vec<u8> {
        [format!("{:x}\r\n", content.len()).as_bytes(), content, b"\r\n"].concat()
    }

    #[test]
    fn memory_grows_with_what_has_arrived_and_not_with_what_is_announced() {
        let in_chunks = [head("Transfer-Encoding: chunked"), chunk(&content(MANY - 1))].concat();
        let in_one = [head(&format!("Content-Length: {MANY}")), content(MANY - 1)].concat();
        for request in [in_one, in_chunks] {
            // Half of it is in use, so nothing is lent at once.
            let pool = Pool::new(MANY, 8 * MANY);
            assert!(pool.reserve(4 * MANY));
            let mut exchange = exchange(&pool);
            for (n, piece) in request.chunks(10_000).enumerate() {
                assert_eq!(receive(&mut exchange, piece), (piece.len(), Step::Receive));
                let here = (n + 1) * 10_000;
                let taken = pool.in_use() - 4 * MANY;
                assert!(taken <= 2 * here + FREE, "{taken} bytes for {here}");
                assert!(here < FREE || taken > 0, "{here} bytes for nothing");
            }
        }
    }

    #[test]
    fn where_no_memory_is_left_no_more_is_received_until_there_is() {
        let in_chunks = [
            head("Transfer-Encoding: chunked"),
            chunk(&content(MANY)),
            b"0\r\n\r\n".to_vec(),
        ]
        .concat();
        let in_one = [head(&format!("Content-Length: {MANY}")), content(MANY)].concat();
        for request in [in_one, in_chunks] {
            let pool = Pool::new(MANY, 4 * MANY);
            assert!(pool.reserve(4 * MANY - 1));
            let mut exchange = exchange(&pool);
            let (taken, step) = receive(&mut exchange, &request);
            assert_eq!(step, Step::Receive);
            assert!((OWN..FREE).contains(&taken), "{taken}");
            assert_eq!(receive(&mut exchange, &request[taken..]).0, 0);
            pool.take_back(Vec::new(), 4 * MANY - 1);
            let (rest, step) = receive(&mut exchange, &request[taken..]);
            assert_eq!((taken + rest, step), (request.len(), Step::Call));
            assert_eq!(exchange.request.bytes().unwrap(), content(MANY));
            exchange.give_back();
            assert_eq!(pool.in_use(), 0);
        }
    }

    #[test]
    fn a_larger_body_is_handed_over_when_so_much_is_here_and_gives_its_memory_back_as_it_is_read() {
        let (first, last) = (MANY + 5000, 100);
        let all = content(first + last);
        let in_chunks = [head("Transfer-Encoding: chunked"), chunk(&all[..first])].concat();
        let in_one = [head(&format!("Content-Length: {}", all.len())), all[..first].to_vec()].concat();
        for request in [in_one, in_chunks] {
            let pool = Pool::new(MANY, 8 * MANY);
            let mut exchange = exchange(&pool);
            let (taken, step) = receive(&mut exchange, &request);
            assert_eq!(step, Step::CallLive);
            assert!(taken >= MANY);
            let mut live = exchange.begin_live();
            assert_eq!(exchange.request.header("Host"), Some("a.test"));
            assert!(pool.in_use() > 0);
            let mut read = Vec::new();
            while let Ok(super::super::Coming::Content) = live.advance() {
                read.extend_from_slice(live.content());
                live.consume(live.content().len());
            }
            assert!(read.len() >= MANY && all.starts_with(&read), "{}", read.len());
            assert_eq!(pool.in_use(), 0);
            exchange.end_live(live);
        }
    }

    /// An exchange of which nothing is lent before its body arrives, in a pool that has room for `most` bytes.
    fn lent_as_it_arrives(most: usize) -> (Arc<Pool>, Exchange) {
        let pool = Pool::new(MANY, 2 * most);
        assert!(pool.reserve(most));
        let exchange = exchange(&pool);
        (pool, exchange)
    }

    #[test]
    fn a_body_has_no_more_memory_than_all_of_it_takes() {
        let (pool, mut exchange) = lent_as_it_arrives(100 * MANY);
        let head = head(&format!("Content-Length: {MANY}"));
        let request = [head.clone(), content(MANY)].concat();
        let (taken, step) = receive(&mut exchange, &request[..request.len() - 1]);
        assert_eq!((taken, step), (request.len() - 1, Step::Receive));
        let whole = (request.len() + ROOM / 4).next_multiple_of(crate::exchange::KEPT);
        assert_eq!(pool.in_use() - 100 * MANY, whole);
        assert!(
            exchange.room().len() <= 1 + ROOM / 4,
            "what the pool has beyond that is not for what follows"
        );
    }

    #[test]
    fn of_a_body_that_is_too_large_to_be_gathered_only_so_much_is_as_may_be() {
        let (pool, mut exchange) = lent_as_it_arrives(100 * MANY);
        let request = [head(&format!("Content-Length: {}", 2 * MANY - 1)), content(MANY)].concat();
        let (taken, step) = receive(&mut exchange, &request);
        assert_eq!((taken, step), (request.len(), Step::CallLive), "to the byte");
        let most = (request.len() + ROOM / 4).next_multiple_of(crate::exchange::KEPT);
        assert!(pool.in_use() - 100 * MANY <= most, "{}", pool.in_use() - 100 * MANY);
    }

    #[test]
    fn a_body_is_gathered_where_there_is_room_for_it_and_not_for_what_it_has_grown_out_of() {
        let request = [head(&format!("Content-Length: {MANY}")), content(MANY)].concat();
        let whole = (request.len() + ROOM / 4).next_multiple_of(crate::exchange::KEPT);
        let (pool, mut exchange) = lent_as_it_arrives(whole);
        assert_eq!(receive(&mut exchange, &request), (request.len(), Step::Call));
        assert_eq!(pool.in_use(), 2 * whole);
        assert_eq!(exchange.request.bytes().unwrap(), content(MANY));
    }

    #[test]
    fn a_connection_gets_its_own_buffer_back() {
        let pool = Pool::new(MANY, 8 * MANY);
        let mut exchange = exchange(&pool);
        let own = exchange.room().as_ptr();
        let request = [head(&format!("Content-Length: {MANY}")), content(MANY)].concat();
        assert_eq!(receive(&mut exchange, &request), (request.len(), Step::Call));
        assert_ne!(exchange.request.buffer.as_ptr(), own, "it is gathered elsewhere");
        exchange.give_back();
        assert_eq!(exchange.request.buffer.as_ptr(), own);
    }
}
