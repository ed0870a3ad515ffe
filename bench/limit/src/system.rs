//! The two calls that the standard library lacks: `epoll` and `accept4` with a flag.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

pub(crate) struct Epoll(OwnedFd);

#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Event(libc::epoll_event);

impl Default for Event {
    fn default() -> Event {
        Event(libc::epoll_event { events: 0, u64: 0 })
    }
}

impl Event {
    pub(crate) fn token(&self) -> u64 {
        self.0.u64
    }
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Epoll> {
        // SAFETY: a call without pointers.
        let descriptor = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel has just created it, for nobody else.
        Ok(Epoll(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    pub(crate) fn add_listener(&self, descriptor: RawFd, token: u64) -> io::Result<()> {
        self.add(descriptor, token, libc::EPOLLIN)
    }

    /// A connection's token is its descriptor. Its events are edges, so that it is registered once.
    pub(crate) fn add_connection(&self, descriptor: RawFd) -> io::Result<()> {
        let interest = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;
        self.add(descriptor, descriptor as u64, interest)
    }

    fn add(&self, descriptor: RawFd, token: u64, interest: i32) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: interest as u32,
            u64: token,
        };
        // SAFETY: `event` lives for as long as the call, which only reads it.
        checked(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, descriptor, &mut event) })?;
        Ok(())
    }

    /// Waits for events; returns how many have come.
    pub(crate) fn wait(&self, events: &mut [Event]) -> io::Result<usize> {
        // SAFETY: `Event` is an `epoll_event`, and the kernel writes `events.len()` of them at most.
        let n = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr().cast(), events.len() as i32, -1) };
        match checked(n) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            outcome => outcome.map(|n| n as usize),
        }
    }
}

/// Accepts the next waiting connection, if any, without blocking.
pub(crate) fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: without an address to be filled in, there is nothing to write to.
    let descriptor = unsafe { libc::accept4(listener.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut(), flags) };
    match checked(descriptor) {
        // SAFETY: the kernel has just created it, for nobody else.
        Ok(descriptor) => Ok(Some(unsafe { TcpStream::from_raw_fd(descriptor) })),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

fn checked(returned: i32) -> io::Result<i32> {
    if returned < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(returned)
}
