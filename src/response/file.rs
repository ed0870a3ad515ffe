//! A part of a file, as the body of a response.

use std::fs::File;
use std::io::{self, Read};

/// A number of bytes of a file, from a position on.
///
/// Each read names its position. So it does not matter who else reads from the same open file or moves its cursor.
pub(crate) struct FilePart {
    file: File,
    position: u64,
    left: u64,
    /// True if the file system may report what it has in memory.
    may_be_cached: bool,
    /// Simulates a slow disk, in tests.
    #[cfg(test)]
    disk: Option<Disk>,
}

/// What a read from a simulated slow disk waits for.
#[cfg(test)]
pub(crate) type Disk = std::sync::Arc<dyn Fn() + Send + Sync>;

impl FilePart {
    pub(crate) fn new(file: File, position: u64, left: u64) -> FilePart {
        FilePart {
            file,
            position,
            left,
            may_be_cached: true,
            #[cfg(test)]
            disk: None,
        }
    }

    /// Simulates a disk from which nothing is in memory.
    #[cfg(test)]
    pub(crate) fn on(&mut self, disk: Disk) {
        self.disk = Some(disk);
    }

    /// Returns how many bytes have not been read.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Reads the next bytes that the system has in memory, and never waits for a disk. If there are none, only
    /// [`read_next`](FilePart::read_next) can find out what there is, errors included.
    pub(crate) fn read_cached(&mut self, into: &mut [u8]) -> Option<usize> {
        #[cfg(test)]
        if self.disk.is_some() {
            return None;
        }
        if !self.may_be_cached {
            return None;
        }
        let n = self.read_without_waiting(into).filter(|&n| n > 0)?;
        self.advance(n);
        Some(n)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn read_without_waiting(&mut self, into: &mut [u8]) -> Option<usize> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        let room = &mut [io::IoSliceMut::new(into)];
        match preadv2(&self.file, room, self.position, ReadWriteFlags::NOWAIT) {
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
    fn read_without_waiting(&mut self, _: &mut [u8]) -> Option<usize> {
        self.may_be_cached = false;
        None
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

/// Reads up to the end of the part.
impl Read for FilePart {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.read_next(&mut into[..most])
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
