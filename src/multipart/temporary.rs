//! Files without a name: the system deletes them when they are closed, also if the process is killed.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Creates a file that nobody else can open, and that is gone when it is closed: in `directory`, or in that of the system.
pub(super) fn unnamed(directory: Option<&Path>) -> io::Result<File> {
    let of_system;
    let directory = match directory {
        Some(directory) => directory,
        None => {
            of_system = std::env::temp_dir();
            &of_system
        }
    };
    // File systems that can't do it say so in several ways.
    without_name(directory).or_else(|_| with_name(directory))
}

/// Linux creates files that never had a name.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn without_name(directory: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;

    let flags = i32::try_from((OFlags::TMPFILE | OFlags::EXCL).bits()).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(flags);
    options.open(directory)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn without_name(_: &Path) -> io::Result<File> {
    Err(ErrorKind::Unsupported.into())
}

/// Creates a file under a name that is not there, and takes the name away.
fn with_name(directory: &Path) -> io::Result<File> {
    const ATTEMPTS: usize = 100;

    let mut options = OpenOptions::new();
    // It follows no link, and opens nothing that is there already.
    options.read(true).write(true).create_new(true);
    private(&mut options);
    for _ in 0..ATTEMPTS {
        // Names need only differ: who guesses one can at most keep it from being used.
        let number = RandomState::new().build_hasher().finish();
        let path = directory.join(format!(".hansel-upload-{number:016x}"));
        match options.open(&path) {
            Ok(file) => {
                #[cfg(not(windows))]
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

/// Nobody else opens it while it is open, and closing deletes it.
#[cfg(windows)]
fn private(options: &mut OpenOptions) {
    use std::os::windows::fs::OpenOptionsExt;

    const FILE_ATTRIBUTE_TEMPORARY: u32 = 0x100;
    const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
    options
        .share_mode(0)
        .attributes(FILE_ATTRIBUTE_TEMPORARY)
        .custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::io::{Read, Seek, Write};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn a_temporary_file_has_no_name_and_belongs_to_its_user_alone() {
        let directory = std::env::temp_dir().join(format!("hansel-temporary-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for create in [|directory: &Path| unnamed(Some(directory)), with_name] {
            let mut file = create(&directory).unwrap();
            file.write_all(b"crumbs").unwrap();
            file.rewind().unwrap();
            let mut content = String::new();
            file.read_to_string(&mut content).unwrap();
            assert_eq!(content, "crumbs");
            assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
            let metadata = file.metadata().unwrap();
            assert_eq!((metadata.nlink(), metadata.permissions().mode() & 0o777), (0, 0o600));
        }
        fs::remove_dir(&directory).unwrap();
        assert!(unnamed(Some(&directory)).is_err());
    }
}
