//! The encryption of one connection, between the server's reads and writes and the socket's.
//!
//! It never waits in a state of its own: a handshake advances when somebody reads, which the loop does from the
//! beginning of a connection, and it has the time of a head.

use std::io::{self, IoSlice, Read, Write};

use rustls::ServerConnection;

use crate::report;

use super::socket::Stream;

/// The number of bytes encrypted at once: four records. It bounds what waits for a client that does not read.
const PIECE: usize = 64 * 1024;

/// An outgoing buffer that has grown beyond this is freed when it is empty.
const KEPT: usize = 4 * 1024;

pub(crate) struct TlsSession {
    tls: ServerConnection,
    /// Encrypted bytes to send, and how many of them are sent.
    outgoing: Vec<u8>,
    sent: usize,
    /// Bytes that are encrypted, and not yet reported to the writer as sent.
    untold: usize,
}

impl TlsSession {
    pub(crate) fn new(tls: ServerConnection) -> TlsSession {
        TlsSession {
            tls,
            outgoing: Vec::new(),
            sent: 0,
            untold: 0,
        }
    }

    /// Reads decrypted bytes; 0 is the end.
    pub(crate) fn read(&mut self, stream: &Stream, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The client has closed without announcing it. RFC 9112 §9.8: "Servers SHOULD be prepared to receive an
                // incomplete close from the client"; if a message is incomplete, its framing shows that.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                outcome => return outcome,
            }
            match self.tls.read_tls(&mut Incoming(stream)) {
                Ok(_) => self.process(stream)?,
                Err(error) => {
                    if error.kind() == io::ErrorKind::WouldBlock {
                        self.send_own(stream)?;
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Accepts encrypted bytes that were read elsewhere.
    pub(crate) fn receive(&mut self, stream: &Stream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.tls.read_tls(&mut bytes)?;
            self.process(stream)?;
        }
        Ok(())
    }

    /// Decrypts what has come in, and responds to TLS's own messages.
    fn process(&mut self, stream: &Stream) -> io::Result<()> {
        let outcome = self.tls.process_new_packets();
        // If it was refused, the alert says why.
        let sent = self.send_own(stream);
        match outcome {
            Ok(_) => sent,
            Err(error) => {
                report::debug!("TLS failed on a connection, which is closed: {error}");
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }

    /// Sends the beginning of `parts`, and returns how much is sent. What was encrypted and not sent is reported once
    /// it is: so a client that does not read holds the writer back, and the writer's clock follows what has really
    /// left.
    pub(crate) fn write(&mut self, stream: &Stream, parts: [&[u8]; 2]) -> io::Result<usize> {
        if self.untold == 0 {
            if self.tls.is_handshaking() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let [first, second] = parts;
            let first = first.get(..PIECE).unwrap_or(first);
            let second = second.get(..PIECE - first.len()).unwrap_or(second);
            let parts = [IoSlice::new(first), IoSlice::new(second)];
            self.untold = self.tls.writer().write_vectored(&parts)?;
            self.collect()?;
        }
        self.send(stream)?;
        // Encryption only adds bytes, so no more of the writer's bytes can be unsent than there are bytes.
        let unsent = self.untold.min(self.outgoing.len() - self.sent);
        let told = self.untold - unsent;
        self.untold = unsent;
        if told == 0 && !(parts[0].is_empty() && parts[1].is_empty()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(told)
    }

    /// Announces that nothing more will come. RFC 8446 §6.1: "Each party MUST send a "close_notify" alert before
    /// closing its write side of the connection".
    pub(crate) fn finish(&mut self, stream: &Stream) -> io::Result<()> {
        self.tls.send_close_notify();
        self.send_own(stream)
    }

    /// Returns true if something waits to be sent.
    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.outgoing.len()
    }

    fn send_own(&mut self, stream: &Stream) -> io::Result<()> {
        self.collect()?;
        self.send(stream)
    }

    /// Takes what TLS wants to send.
    fn collect(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.outgoing)?;
        }
        Ok(())
    }

    /// Sends as much as the socket accepts.
    fn send(&mut self, stream: &Stream) -> io::Result<()> {
        while let Some(rest) = self.outgoing.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        if self.outgoing.capacity() > KEPT {
            self.outgoing = Vec::new();
        }
        Ok(())
    }
}

/// A socket as TLS reads it.
struct Incoming<'s>(&'s Stream);

impl Read for Incoming<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}
