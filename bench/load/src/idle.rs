//! Connections that were used once and are idle now.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::options::Options;

/// How many connections come from the same address: there are 28,000 ports for each.
const FROM_ONE_ADDRESS: usize = 5000;
/// How long a response is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Idle(Vec<TcpStream>);

impl Idle {
    /// Opens them, one after the other, with one request each.
    ///
    /// # Errors
    /// Returns an error if one gets no response; the message says how many had one.
    pub(crate) fn open(options: &Options) -> io::Result<Idle> {
        let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", options.address);
        let mut idle = Idle(Vec::with_capacity(options.idle));
        for index in 0..options.idle {
            let used = used_once(options.address, index, request.as_bytes());
            let named = |error: io::Error| io::Error::other(format!("idle connection {index}: {error}"));
            idle.0.push(used.map_err(named)?);
        }
        Ok(idle)
    }

    /// Returns how many the server has not closed.
    pub(crate) fn count_open(&self) -> usize {
        self.0.iter().filter(|stream| is_open(stream)).count()
    }
}

fn used_once(address: SocketAddr, index: usize, request: &[u8]) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // They end with a reset. Otherwise their ports would be in use for a minute, and others need them before.
    socket.set_linger(Some(Duration::ZERO))?;
    let from = Ipv4Addr::new(127, 0, 1, 1 + (index / FROM_ONE_ADDRESS) as u8);
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&address.into(), PATIENCE)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut response = Vec::with_capacity(1024);
    while !response.ends_with(work::HELLO.as_bytes()) {
        let mut piece = [0; 1024];
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => response.extend_from_slice(&piece[..n]),
        }
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}

fn is_open(stream: &TcpStream) -> bool {
    let outcome = stream.peek(&mut [0]);
    outcome.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}
