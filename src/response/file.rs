//! Parts of a file, as the body of a response.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::AsFd;
use std::vec;

/// The number of bytes for which one that is in memory speaks.
#[cfg(any(target_os = "linux", target_os = "android"))]
const PROBED: u64 = 128 * 1024;

/// A number of bytes of a file, from a position on; or several such parts, with text around them.
///
/// Each read names its position. So it does not matter who else reads from the same open file or moves its cursor.
pub(crate) struct FilePart {
    file: File,
    position: u64,
    /// The number of bytes that are left of the part at `position`.
    left: u64,
    /// The text and the other parts, if this is not only a part.
    around: Option<Box<Around>>,
    /// True if the file system may report what it has in memory.
    may_be_cached: bool,
    /// True if it is sent by copying it, however large it is.
    is_copied: bool,
    /// Simulates a slow disk, in tests.
    #[cfg(test)]
    disk: Option<Disk>,
}

/// A text, and the bytes of the file that follow it.
pub(crate) type Section = (Vec<u8>, Range<u64>);

/// The text before a part of a file, and the sections behind that part.
struct Around {
    text: Vec<u8>,
    /// The number of bytes of `text` that have been read.
    read: usize,
    later: vec::IntoIter<Section>,
    /// The number of bytes that are left of the text and of the later sections.
    left: u64,
}

/// A wait, which each read from a simulated slow disk makes.
#[cfg(test)]
pub(crate) type Disk = std::sync::Arc<dyn Fn() + Send + Sync>;

impl FilePart {
    pub(crate) fn new(file: File, position: u64, left: u64) -> FilePart {
        FilePart {
            file,
            position,
            left,
            around: None,
            may_be_cached: true,
            is_copied: false,
            #[cfg(test)]
            disk: None,
        }
    }

    /// Of several parts, one after the other. A range that ends before it starts is empty.
    pub(crate) fn of_sections(file: File, sections: impl IntoIterator<Item = Section>) -> FilePart {
        let mut sections = sections.into_iter();
        let (text, first) = sections.next().unwrap_or_default();
        let mut part = FilePart::new(file, first.start, len(&first));
        let later: Vec<Section> = sections.collect();
        if !(text.is_empty() && later.is_empty()) {
            let lens = later
                .iter()
                .map(|(text, range)| len(range).saturating_add(text.len() as u64));
            part.around = Some(Box::new(Around {
                left: lens.fold(text.len() as u64, u64::saturating_add),
                text,
                read: 0,
                later: later.into_iter(),
            }));
        }
        part
    }

    /// Simulates a disk from which nothing is in memory.
    #[cfg(test)]
    pub(crate) fn on(&mut self, disk: Disk) {
        self.disk = Some(disk);
    }

    /// Returns how many bytes have not been read.
    pub(crate) fn left(&self) -> u64 {
        let around = self.around.as_ref().map_or(0, |around| around.left);
        self.left.saturating_add(around)
    }

    /// Reads the text that comes next, if it is the turn of one.
    #[inline]
    fn read_text(&mut self, into: &mut [u8]) -> Option<usize> {
        let around = self.around.as_mut()?;
        loop {
            let text = around.text.get(around.read..).unwrap_or_default();
            if !text.is_empty() {
                let n = text.len().min(into.len());
                into[..n].copy_from_slice(&text[..n]);
                around.read += n;
                around.left = around.left.saturating_sub(n as u64);
                return Some(n).filter(|&n| n > 0);
            }
            if self.left > 0 {
                return None;
            }
            let (text, range) = around.later.next()?;
            (around.text, around.read) = (text, 0);
            (self.position, self.left) = (range.start, len(&range));
            around.left = around.left.saturating_sub(self.left);
        }
    }

    /// Returns how much of `into` the part at `position` can fill.
    fn room<'b>(&self, into: &'b mut [u8]) -> &'b mut [u8] {
        let most = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        &mut into[..most]
    }

    /// Reads the next bytes that the system has in memory, and never waits for a disk. If there are none, only
    /// [`read_next`](FilePart::read_next) can find out what there is, errors included.
    pub(crate) fn read_cached(&mut self, into: &mut [u8]) -> Option<usize> {
        #[cfg(test)]
        if self.disk.is_some() {
            return None;
        }
        if let Some(n) = self.read_text(into) {
            return Some(n);
        }
        if !self.may_be_cached {
            return None;
        }
        let n = self
            .read_without_waiting(self.position, self.room(into))
            .filter(|&n| n > 0)?;
        self.advance(n);
        Some(n)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn read_without_waiting(&mut self, position: u64, into: &mut [u8]) -> Option<usize> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        let room = &mut [io::IoSliceMut::new(into)];
        match preadv2(&self.file, room, position, ReadWriteFlags::NOWAIT) {
            Ok(n) => Some(n),
            Err(Errno::AGAIN | Errno::INTR) => None,
            Err(_) => {
                // preadv2(2): EOPNOTSUPP if the file system has no such reads; older kernels, and emulations, return
                // EINVAL or ENOSYS. In any case trying again is useless.
                self.may_be_cached = false;
                None
            }
        }
    }

    /// Other systems have no such read.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn read_without_waiting(&mut self, _: u64, _: &mut [u8]) -> Option<usize> {
        self.may_be_cached = false;
        None
    }

    /// Has it sent by copying it from here on.
    pub(crate) fn copy(&mut self) {
        self.is_copied = true;
    }

    /// Returns how many bytes come next that need not be copied: up to a text, and none if it is all copied.
    pub(crate) fn left_uncopied(&self) -> u64 {
        let is_text = |around: &Around| around.read < around.text.len();
        if self.is_copied || self.around.as_deref().is_some_and(is_text) {
            0
        } else {
            self.left
        }
    }

    /// Returns how much of the part at its position, up to `most` bytes, seems to be in memory. To find that out it
    /// reads a byte here and there, without waiting. What was read or written lately is in memory as a whole.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn cached(&mut self, most: u64) -> u64 {
        #[cfg(test)]
        if self.disk.is_some() {
            return 0;
        }
        let most = self.left.min(most);
        let mut at = 0;
        while self.may_be_cached && at < most {
            let next = most.min(at.saturating_add(PROBED));
            if self.read_without_waiting(self.position + next - 1, &mut [0]) != Some(1) {
                break;
            }
            at = next;
        }
        at
    }

    /// Sends up to `most` of the next bytes to a socket that does not block, and waits for the disk if needed. They are not
    /// copied: if somebody writes to the file meanwhile, the client may get what is written. Returns how many; 0 at the end of
    /// the file.
    ///
    /// # Errors
    /// Returns an error if sending or reading fails, or the file or the socket can do neither in this way.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn send_to(&mut self, socket: impl AsFd, most: u64) -> io::Result<usize> {
        #[cfg(test)]
        if self.disk.is_some() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut position = self.position;
        let most = usize::try_from(most.min(self.left)).unwrap_or(usize::MAX);
        let n = rustix::fs::sendfile(socket, &self.file, Some(&mut position), most)?;
        self.advance(n);
        Ok(n)
    }

    /// Reads the next bytes, waiting for the disk if needed.
    ///
    /// # Errors
    /// Returns an error if reading fails, or the file ends before all promised bytes were read.
    pub(crate) fn read_next(&mut self, into: &mut [u8]) -> io::Result<usize> {
        #[cfg(test)]
        if let Some(disk) = &self.disk {
            disk();
        }
        if let Some(n) = self.read_text(into) {
            return Ok(n);
        }
        let into = self.room(into);
        loop {
            match self.read_here(into) {
                Ok(0) if self.left > 0 && !into.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    self.advance(n);
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    #[cfg(unix)]
    fn read_here(&self, into: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.file, into, self.position)
    }

    #[cfg(windows)]
    fn read_here(&self, into: &mut [u8]) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.file, into, self.position)
    }

    #[cfg(not(any(unix, windows)))]
    fn read_here(&mut self, into: &mut [u8]) -> io::Result<usize> {
        io::Seek::seek(&mut self.file, io::SeekFrom::Start(self.position))?;
        self.file.read(into)
    }

    fn advance(&mut self, n: usize) {
        self.position += n as u64;
        self.left = self.left.saturating_sub(n as u64);
    }
}

fn len(range: &Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

/// Reads up to the end of the part, or of the last one.
impl Read for FilePart {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.read_next(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom};

    const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

    #[test]
    fn it_is_read_from_its_position_whoever_else_moves_the_file() {
        let whole = std::fs::read(MANIFEST).unwrap();
        let file = File::open(MANIFEST).unwrap();
        let mut other = file.try_clone().unwrap();
        let mut part = FilePart::new(file, 10, 20);
        let mut read = Vec::new();
        let mut piece = [0; 3];
        while part.left() > 0 {
            other.seek(SeekFrom::Start(100)).unwrap();
            let n = part.read(&mut piece).unwrap();
            read.extend_from_slice(&piece[..n]);
        }
        assert_eq!(read, whole[10..30]);
        assert_eq!(
            part.read(&mut piece).unwrap(),
            0,
            "the part has ended, though the file has not"
        );
    }

    #[test]
    fn what_is_in_memory_is_read_and_what_is_not_is_left_to_others() {
        let whole = std::fs::read(MANIFEST).unwrap();
        let mut part = FilePart::new(File::open(MANIFEST).unwrap(), 5, 10);
        let mut into = [0; 10];
        // Whether something is in memory is up to the system; the bytes that are read must be the file's.
        let n = part
            .read_cached(&mut into[..4])
            .unwrap_or_else(|| part.read_next(&mut into[..4]).unwrap());
        assert_eq!((&into[..n], part.left()), (&whole[5..5 + n], 10 - n as u64));
        part.on(std::sync::Arc::new(|| ()));
        assert_eq!(part.read_cached(&mut into), None);
        assert_eq!(part.left(), 10 - n as u64, "nothing is skipped");
    }

    #[test]
    fn sections_are_read_one_after_the_other_in_pieces_of_any_size() {
        let whole = std::fs::read(MANIFEST).unwrap();
        // As a range that is turned around may come out of a computation.
        let (late, early) = (9, 3);
        let sections = || {
            vec![
                (b"begin ".to_vec(), 3..9),
                (Vec::new(), 20..21),
                (b"between".to_vec(), 5..5),
                (Vec::new(), late..early),
                (b" ".to_vec(), 0..4),
                (b" end".to_vec(), 0..0),
            ]
        };
        let mut expected = Vec::new();
        for (text, range) in sections() {
            expected.extend_from_slice(&text);
            expected.extend_from_slice(whole.get(range.start as usize..range.end as usize).unwrap_or_default());
        }
        for size in [1, 2, 3, 7, 1000] {
            for waits in [true, false] {
                let mut part = FilePart::of_sections(File::open(MANIFEST).unwrap(), sections());
                assert_eq!(part.left(), expected.len() as u64);
                let (mut read, mut piece) = (Vec::new(), vec![0; size]);
                while part.left() > 0 {
                    let cached = if waits { None } else { part.read_cached(&mut piece) };
                    let n = cached.unwrap_or_else(|| part.read_next(&mut piece).unwrap());
                    read.extend_from_slice(&piece[..n]);
                    assert_eq!(part.left(), (expected.len() - read.len()) as u64);
                }
                assert_eq!(read, expected);
                assert_eq!(part.read(&mut piece).unwrap(), 0);
            }
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn a_part_is_sent_as_far_as_the_socket_takes_it_and_never_beyond_its_end() {
        use std::os::unix::net::UnixStream;
        let whole = std::fs::read(MANIFEST).unwrap();
        let (socket, mut peer) = UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut part = FilePart::new(File::open(MANIFEST).unwrap(), 5, 20);
        assert_eq!(part.send_to(&socket, 7).unwrap(), 7);
        assert_eq!(part.left(), 13);
        assert_eq!(part.send_to(&socket, 1000).unwrap(), 13);
        let mut received = [0; 20];
        peer.read_exact(&mut received).unwrap();
        assert_eq!(received, whole[5..25]);
        let mut beyond = FilePart::new(File::open(MANIFEST).unwrap(), whole.len() as u64, 1);
        assert_eq!(beyond.send_to(&socket, 1).unwrap(), 0, "the file has ended");
        // Until the socket is full.
        let mut sent = 0;
        let outcome = loop {
            let mut part = FilePart::new(File::open(MANIFEST).unwrap(), 0, whole.len() as u64);
            match part.send_to(&socket, whole.len() as u64) {
                Ok(n) => sent += n,
                Err(error) => break error,
            }
        };
        assert_eq!((outcome.kind(), sent > 0), (io::ErrorKind::WouldBlock, true));
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn what_seems_to_be_in_memory_is_within_the_part_and_nothing_is_on_a_slow_disk() {
        let content = vec![b'x'; 3 * PROBED as usize];
        let path = std::env::temp_dir().join(format!("hansel-cached-{}", std::process::id()));
        std::fs::write(&path, &content).unwrap();
        let mut part = FilePart::new(File::open(&path).unwrap(), 10, PROBED + 100);
        std::fs::remove_file(&path).unwrap();
        // What was just written is in memory, where the file system tells.
        let cached = part.cached(u64::MAX);
        assert!([0, PROBED + 100].contains(&cached), "{cached}");
        assert!(part.cached(7) <= 7);
        assert_eq!(part.left(), PROBED + 100, "nothing is read");
        let mut short = FilePart::new(File::open(MANIFEST).unwrap(), 0, 1 << 30);
        assert_eq!(
            short.cached(1 << 30),
            0,
            "the file ends before the first byte that is looked at"
        );
        part.on(std::sync::Arc::new(|| ()));
        assert_eq!(part.cached(u64::MAX), 0);
    }

    #[test]
    fn a_text_comes_before_its_part() {
        let mut part = FilePart::of_sections(
            File::open(MANIFEST).unwrap(),
            [(b"ab".to_vec(), 0..9), (b"c".to_vec(), 0..4)],
        );
        for (read, expected) in [(1, 0), (1, 9), (3, 6), (6, 0), (1, 4)] {
            part.read_exact(&mut vec![0; read]).unwrap();
            assert_eq!(part.left_uncopied(), expected);
        }
    }

    #[test]
    fn no_section_is_nothing_and_one_without_text_is_a_part() {
        let open = || File::open(MANIFEST).unwrap();
        assert_eq!(FilePart::of_sections(open(), []).left(), 0);
        let part = FilePart::of_sections(open(), [(Vec::new(), 1..4)]);
        assert!(part.around.is_none());
        assert_eq!(part.left(), 3);
    }

    #[test]
    fn what_ends_too_early_is_an_error_which_only_the_read_that_waits_tells() {
        let len = std::fs::metadata(MANIFEST).unwrap().len();
        let mut part = FilePart::new(File::open(MANIFEST).unwrap(), len, 1);
        assert_eq!(part.read_cached(&mut [0]), None);
        assert_eq!(
            part.read_next(&mut [0]).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
        let mut part = FilePart::new(File::open("/").unwrap(), 0, 1);
        assert_eq!(part.read_cached(&mut [0]), None);
        assert!(part.read_next(&mut [0]).is_err(), "a directory");
    }
}
