//! The slow clients of `clients/crowd`: each sends one byte a second, one half of them of a head and the other half of
//! a body. It is a separate program because it must use very little: it shares a processor with the load that is
//! measured, and what it takes from the load would look like a cost of the server.
//!
//! Arguments: the server's port, and the number of clients. Prints a line when all are connected, and sends until the
//! standard input ends.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::num::NonZeroU32;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

/// Sent at once by clients whose body is slow.
const HEAD: &[u8] = b"POST /echo HTTP/1.1\r\nHost: crowd\r\nContent-Length: 60000\r\n\r\n";
/// Sent byte by byte by clients whose head is slow, followed by `x` as in a body.
const SLOW_HEAD: &[u8] = b"GET /hello HTTP/1.1\r\nHost: crowd\r\nX-Long: ";

/// How often a client sends a byte.
const PERIOD: Duration = Duration::from_secs(1);

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, count] = &arguments[..] else {
        return Err(io::Error::other("usage: slow PORT CLIENTS"));
    };
    let port = port.parse().map_err(io::Error::other)?;
    let count = count.parse::<NonZeroU32>().map_err(io::Error::other)?.get();
    let clients = (0..count)
        .map(|number| Client::connect(port, number % 2 == 0))
        .collect::<io::Result<Vec<_>>>()?;
    println!("{count}");
    io::stdout().flush()?;
    drip(&clients, PERIOD / count, &end_of_input())
}

/// Sends one byte of each client in each period, one after the other at even intervals: sending them all at once would
/// delay the load for longer.
fn drip(clients: &[Client], interval: Duration, end: &Receiver<()>) -> io::Result<()> {
    let turns = (0..).flat_map(|round| clients.iter().map(move |client| (client, round)));
    let mut due = Instant::now();
    for (client, round) in turns {
        due += interval;
        match end.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => client.send(round)?,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok(())
}

/// Returns a channel that is disconnected when the standard input ends.
fn end_of_input() -> Receiver<()> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let _sender = sender;
        // Only its end matters.
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
    });
    receiver
}

struct Client {
    stream: TcpStream,
    slow_head: bool,
}

impl Client {
    fn connect(port: u16, slow_head: bool) -> io::Result<Client> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        // The connection ends with a reset, and leaves its port to the next crowd.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        if !slow_head {
            stream.write_all(HEAD)?;
        }
        Ok(Client { stream, slow_head })
    }

    /// Sends the byte of this round.
    fn send(&self, round: usize) -> io::Result<()> {
        let byte = if self.slow_head { SLOW_HEAD.get(round) } else { None };
        match (&self.stream).write(&[*byte.unwrap_or(&b'x')])? {
            0 => Err(ErrorKind::WriteZero.into()),
            _ => Ok(()),
        }
    }
}
