//! Passing listeners to a successor: its standard input is a socket, over which they come by `SCM_RIGHTS`.
//!
//! Exactly this child gets this standard input, and descriptors in a message belong only to the receiver. So at no
//! moment is there a listener that another child could inherit, which would hold the port when every server has ended.
//!
//! The message is one record for each descriptor, each ending with NUL, then the record `end`. A record says what the
//! descriptor is for and, for a Unix socket, which path is to be removed in the end: `service 65024:1234 /run/a.sock`.
//! The first one is the predecessor's standard input, which the successor restores. The successor reports over the same
//! socket that it serves.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use crate::report;

use crate::server::net::listen::Bound;
use crate::server::net::own_path::{Inode, OwnPath};
use crate::server::net::socket::is;
use crate::start_error::cannot;

/// The variable that identifies the socket with the listeners, by device and inode. Processes that the successor starts
/// have the variable too, but not the socket, so they do not mistake their own input for it.
const SOCKET: &str = "HANSEL_LISTENERS";

/// Descriptors in one message. Linux allows 253, others less.
const AT_ONCE: usize = 64;

/// The purposes of a descriptor.
const INPUT: &str = "input";
const SERVICE: &str = "service";
const HEALTH: &str = "health";

/// The last record, and the end of the one before.
const END: &[u8] = b"\0end\0";

/// The report that the successor serves.
const SERVES: &[u8] = b"serves\n";

/// Listeners to be passed.
#[derive(Default)]
pub(crate) struct Passing {
    records: Vec<(Vec<u8>, OwnedFd)>,
}

impl Passing {
    /// Adds a listener of the application or of the health lane.
    pub(crate) fn add(&mut self, listener: &Bound, is_health: bool) -> io::Result<()> {
        let mut record = Vec::from(if is_health { HEALTH } else { SERVICE });
        if let Some(path) = listener.own_path() {
            // Writing to memory cannot fail.
            let _ = write!(record, " {}:{} ", path.inode.device, path.inode.number);
            record.extend_from_slice(path.path.as_os_str().as_bytes());
        }
        self.records.push((record, listener.descriptor()?));
        Ok(())
    }

    /// Starts `successor` with them as its standard input. Only the child has that end of the socket from then on: were
    /// it open here as well, nobody would notice that the child has closed it.
    pub(crate) fn start(self, mut successor: Command) -> io::Result<(Successor, Child)> {
        let (here, there) = UnixStream::pair()?;
        // What does not fit is an error, because nobody reads yet.
        here.set_nonblocking(true)?;
        self.send(&here)?;
        here.set_nonblocking(false)?;
        successor
            .env(SOCKET, name_of(there.as_fd())?)
            .stdin(OwnedFd::from(there));
        Ok((Successor { socket: here }, successor.spawn()?))
    }

    fn send(&self, socket: &UnixStream) -> io::Result<()> {
        let input = io::stdin();
        let input = [(INPUT.as_bytes(), input.as_fd())];
        let listeners = self.records.iter().map(|(record, fd)| (&**record, fd.as_fd()));
        let all: Vec<(&[u8], BorrowedFd<'_>)> = input.into_iter().chain(listeners).collect();
        for some in all.chunks(AT_ONCE) {
            let mut text = Vec::new();
            let mut descriptors = Vec::new();
            for (record, fd) in some {
                text.extend_from_slice(record);
                text.push(0);
                descriptors.push(*fd);
            }
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
            let sent = sendmsg(socket, &[IoSlice::new(&text)], &mut control, SendFlags::empty())?;
            (&*socket).write_all(text.get(sent..).unwrap_or(&[]))?;
        }
        (&*socket).write_all(&END[1..])
    }
}

/// A successor, as its predecessor sees it.
pub(crate) struct Successor {
    socket: UnixStream,
}

/// A report of a successor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing yet.
    Silent,
    Serves,
    /// It never will: it has ended, or closed the socket.
    Closed,
}

impl Successor {
    /// Waits up to `moment` for its report.
    pub(crate) fn hear(&self, moment: Duration) -> io::Result<Heard> {
        self.socket.set_read_timeout(Some(moment))?;
        match (&self.socket).read(&mut [0; SERVES.len()]) {
            Ok(0) => Ok(Heard::Closed),
            Ok(_) => Ok(Heard::Serves),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Ok(Heard::Silent)
            }
            Err(error) if is(&error, io::ErrorKind::Interrupted) => Ok(Heard::Silent),
            // It has left what was sent unread.
            Err(error) if is(&error, io::ErrorKind::ConnectionReset) => Ok(Heard::Closed),
            Err(error) => Err(error),
        }
    }
}

/// The listeners and the channel that a predecessor has passed.
pub(crate) struct Inheritance {
    /// Each listener, and whether it belongs to the health lane.
    pub(crate) listeners: Vec<(Bound, bool)>,
    pub(crate) predecessor: Predecessor,
}

/// A predecessor, as its successor sees it.
#[derive(Debug)]
pub(crate) struct Predecessor {
    socket: UnixStream,
}

impl Predecessor {
    /// Reports that this process serves.
    pub(crate) fn tell(mut self) {
        // If the predecessor is gone, nobody needs the report.
        if let Err(error) = self.socket.write_all(SERVES) {
            report::warn!(
                "can't tell the predecessor that this process serves: {error}; the predecessor may keep serving"
            );
        }
    }
}

/// Takes what a predecessor has passed to this process, if there is one.
pub(crate) fn receive() -> io::Result<Option<Inheritance>> {
    let input = io::stdin();
    match env::var(SOCKET) {
        Ok(name) if name_of(input.as_fd()).is_ok_and(|here| here == name) => {}
        _ => return Ok(None),
    }
    let receive = || {
        let socket = UnixStream::from(input.as_fd().try_clone_to_owned()?);
        let (input, listeners) = receive_from(&socket)?;
        rustix::stdio::dup2_stdin(&input)?;
        Ok((socket, listeners))
    };
    let (socket, listeners) =
        receive().map_err(|error: io::Error| cannot("take the listeners of the predecessor", &error, ""))?;
    Ok(Some(Inheritance {
        listeners,
        predecessor: Predecessor { socket },
    }))
}

/// Returns the standard input of the predecessor, and its listeners.
fn receive_from(socket: &UnixStream) -> io::Result<(OwnedFd, Vec<(Bound, bool)>)> {
    let (text, descriptors) = receive_all(socket)?;
    let text = text.strip_suffix(END).unwrap_or(&[]);
    let records: Vec<_> = text.split(|octet| *octet == 0).collect();
    if records.len() != descriptors.len() {
        let text = format!(
            "{} descriptors were announced, and {} arrived",
            records.len(),
            descriptors.len()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut input = None;
    let mut listeners = Vec::new();
    for (record, descriptor) in records.into_iter().zip(descriptors) {
        let mut parts = record.splitn(3, |octet| *octet == b' ');
        let use_of_it = parts.next().unwrap_or(&[]);
        let path = parts.next().zip(parts.next());
        if use_of_it == INPUT.as_bytes() {
            input = Some(descriptor);
        } else if use_of_it == SERVICE.as_bytes() || use_of_it == HEALTH.as_bytes() {
            let path = path.map(|(inode, path)| own_path(inode, path)).transpose()?;
            listeners.push((Bound::inherited(descriptor, path)?, use_of_it == HEALTH.as_bytes()));
        } else {
            return Err(unknown(record));
        }
    }
    Ok((input.ok_or_else(|| unknown(text))?, listeners))
}

fn receive_all(socket: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let (mut text, mut descriptors) = (Vec::new(), Vec::new());
    let mut piece = [0; 4096];
    while !text.ends_with(END) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = match recvmsg(socket, &mut [IoSliceMut::new(&mut piece)], &mut control, FLAGS) {
            Err(rustix::io::Errno::INTR) => continue,
            outcome => outcome?,
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                descriptors.extend(some);
            }
        }
        // unix(7): "the excess file descriptors are automatically closed".
        if message.flags.contains(ReturnFlags::CTRUNC) {
            let text = "some descriptors were lost, because the limit of open files (ulimit -n) is too low";
            return Err(io::Error::other(text));
        }
        if message.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        text.extend_from_slice(piece.get(..message.bytes).unwrap_or(&[]));
    }
    never_inherited(&descriptors)?;
    Ok((text, descriptors))
}

/// They are not inheritable from the moment they arrive.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FLAGS: RecvFlags = RecvFlags::CMSG_CLOEXEC;

/// On other systems that is set right afterwards; `activated` is called before a program starts others.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FLAGS: RecvFlags = RecvFlags::empty();

fn never_inherited(descriptors: &[OwnedFd]) -> io::Result<()> {
    for descriptor in descriptors {
        rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok(())
}

fn own_path(inode: &[u8], path: &[u8]) -> io::Result<OwnPath> {
    let number = |text: &str| text.parse::<u64>().ok();
    let inode = std::str::from_utf8(inode).ok().and_then(|text| text.split_once(':'));
    match inode.and_then(|(device, inode)| number(device).zip(number(inode))) {
        Some((device, number)) => Ok(OwnPath::passed(
            OsStr::from_bytes(path).into(),
            Inode { device, number },
        )),
        None => Err(unknown(path)),
    }
}

fn unknown(record: &[u8]) -> io::Error {
    let text = format!(
        "unknown record {:?}; predecessor and successor may use different versions of hansel",
        String::from_utf8_lossy(record)
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Returns what distinguishes an open socket from all others.
fn name_of(socket: BorrowedFd<'_>) -> io::Result<String> {
    let status = rustix::fs::fstat(socket)?;
    Ok(format!("{}:{}", status.st_dev, status.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn passed(passing: &Passing) -> io::Result<(OwnedFd, Vec<(Bound, bool)>)> {
        let (here, there) = UnixStream::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        passing.send(&here)?;
        drop(here);
        receive_from(&there)
    }

    fn is_inherited(descriptor: impl AsFd) -> bool {
        !rustix::io::fcntl_getfd(descriptor)
            .unwrap()
            .contains(rustix::io::FdFlags::CLOEXEC)
    }

    #[test]
    fn listeners_arrive_in_order_with_what_they_are_for_however_many_there_are() {
        for count in [1, AT_ONCE - 2, AT_ONCE - 1, AT_ONCE, 3 * AT_ONCE] {
            let bound: Vec<_> = (0..count).map(|_| Bound::tcp("127.0.0.1:0").unwrap()).collect();
            let mut passing = Passing::default();
            for (index, bound) in bound.iter().enumerate() {
                passing.add(bound, index % 3 == 2).unwrap();
            }
            let (input, listeners) = passed(&passing).unwrap();
            assert_eq!(name_of(input.as_fd()).unwrap(), name_of(io::stdin().as_fd()).unwrap());
            assert_eq!(listeners.len(), count);
            for (index, ((listener, is_health), bound)) in listeners.iter().zip(&bound).enumerate() {
                assert_eq!(listener.address(), bound.address());
                assert_eq!(*is_health, index % 3 == 2);
            }
        }
    }

    #[test]
    fn no_listener_is_inherited_by_others_at_either_end() {
        let bound = Bound::tcp("127.0.0.1:0").unwrap();
        let mut passing = Passing::default();
        passing.add(&bound, false).unwrap();
        assert!(!is_inherited(&passing.records[0].1));
        let (here, there) = UnixStream::pair().unwrap();
        passing.send(&here).unwrap();
        let (_, descriptors) = receive_all(&there).unwrap();
        assert_eq!(descriptors.len(), 2);
        assert!(descriptors.iter().all(|descriptor| !is_inherited(descriptor)));
        let (successor, mut child) = passing.start(Command::new("true")).unwrap();
        assert!(!is_inherited(&successor.socket));
        child.wait().unwrap();
    }

    #[test]
    fn a_successor_that_closes_its_end_is_noticed_while_it_runs() {
        let mut successor = Command::new("sh");
        successor.args(["-c", "read word; exec sleep 60 0</dev/null"]);
        let (successor, mut child) = Passing::default().start(successor).unwrap();
        assert_eq!(successor.hear(Duration::from_millis(1)).unwrap(), Heard::Silent);
        (&successor.socket).write_all(b"\n").unwrap();
        assert_eq!(successor.hear(Duration::from_secs(60)).unwrap(), Heard::Closed);
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn the_path_of_a_unix_socket_goes_with_it_and_is_removed_by_whom_it_was_given_to() {
        // A name that ends as the message does.
        let path = env::temp_dir().join(format!("hansel {} end", std::process::id()));
        let bound = Bound::unix(&path, 0o600).unwrap();
        let mut passing = Passing::default();
        passing.add(&bound, false).unwrap();
        let (_, mut listeners) = passed(&passing).unwrap();
        let (mut passed_on, _) = listeners.pop().unwrap();
        assert!(passed_on.own_path().is_none(), "as long as the predecessor has it");
        drop(passed_on);
        assert!(path.exists(), "a successor that fails leaves it");
        let (_, mut listeners) = passed(&passing).unwrap();
        (passed_on, _) = listeners.pop().unwrap();
        drop(passing);
        let mut bound = bound;
        bound.leave_path();
        passed_on.take_path();
        drop(bound);
        assert!(path.exists());
        assert_eq!(passed_on.own_path().map(|own| &*own.path), Some(&*path));
        drop(passed_on);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_not_understood_is_an_error_and_not_half_a_server() {
        let bound = Bound::tcp("127.0.0.1:0").unwrap();
        for record in ["", "other", "service 1:x /path", "service 1 /path"] {
            let passing = Passing {
                records: vec![(record.into(), bound.descriptor().unwrap())],
            };
            let error = passed(&passing).err().unwrap_or_else(|| panic!("{record:?}"));
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        let passing = Passing {
            records: vec![(b"service\0service".into(), bound.descriptor().unwrap())],
        };
        assert!(passed(&passing).is_err(), "one more is announced than comes");
        let file = std::fs::File::open(Path::new("/dev/null")).unwrap();
        let passing = Passing {
            records: vec![(SERVICE.into(), file.into())],
        };
        assert!(passed(&passing).is_err(), "no socket");
        let (connection, _other) = UnixStream::pair().unwrap();
        let passing = Passing {
            records: vec![(SERVICE.into(), connection.into())],
        };
        assert!(passed(&passing).is_err(), "no listener");
        let (here, there) = UnixStream::pair().unwrap();
        (&here).write_all(b"input\0service\0").unwrap();
        drop(here);
        assert!(receive_from(&there).is_err(), "it ends too early");
    }

    #[test]
    fn a_successor_says_that_it_serves_or_hangs_up() {
        for (tells, expected) in [(true, Heard::Serves), (false, Heard::Closed)] {
            let (here, there) = UnixStream::pair().unwrap();
            let successor = Successor { socket: here };
            assert_eq!(successor.hear(Duration::from_millis(1)).unwrap(), Heard::Silent);
            let predecessor = Predecessor { socket: there };
            if tells {
                predecessor.tell();
            } else {
                drop(predecessor);
            }
            assert_eq!(successor.hear(Duration::from_secs(60)).unwrap(), expected);
        }
    }

    #[test]
    fn whoever_is_started_as_usual_has_no_predecessor() {
        assert!(receive().unwrap().is_none());
    }

    #[test]
    #[ignore = "the test below starts it, as a process of its own"]
    fn a_process_with_the_name_of_a_socket_that_it_has_not() {
        assert!(receive().unwrap().is_none());
    }

    #[test]
    fn a_grandchild_that_has_the_name_of_the_socket_and_not_the_socket_has_no_predecessor() {
        let (input, other) = UnixStream::pair().unwrap();
        let name = name_of(other.as_fd()).unwrap();
        let test = "server::process::passing::tests::a_process_with_the_name_of_a_socket_that_it_has_not";
        let mut process = Command::new(env::current_exe().unwrap());
        process.args(["--ignored", "--exact", test]).env(SOCKET, name);
        // If it took that for its predecessor, it would hear that there are no listeners.
        drop(other);
        let done = process.stdin(OwnedFd::from(input)).output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && text.contains("1 passed"), "{text}");
    }
}
