use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Component, Path},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, Stat},
    io::Errno,
};

use super::error::{DiskError, DiskErrorKind};

/// A directory of our own, held open and locked.
///
/// Everything is done relative to it and without following symbolic links, so that nothing that is put
/// in its place afterwards is touched.
#[derive(Debug)]
pub(super) struct Directory {
    fd: OwnedFd,
    // Held while the directory is: the system gives the lock back when the process ends, however it
    // ends.
    lock: OwnedFd,
}

impl Directory {
    /// Opens the directory, makes it if it is not there, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, DiskError> {
        Self::open_here(path).map_err(|error| error.at(path))
    }

    fn open_here(path: &Path) -> Result<Self, DiskError> {
        let fd = walk(path)?;
        let stat = rustix::fs::fstat(&fd).map_err(io::Error::from)?;
        if !ours(&stat) {
            return Err(refused("belongs to somebody else"));
        }
        if !private(&stat) {
            return Err(refused(
                "can be read or written by others; take that away with chmod 700",
            ));
        }
        let lock = match open_at(&fd, "lock", OFlags::RDWR | OFlags::CREATE) {
            Err(Errno::LOOP) => return Err(refused("holds a symbolic link")),
            other => other.map_err(io::Error::from)?,
        };
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { fd, lock }),
            Err(Errno::WOULDBLOCK) => Err(DiskError::new(
                DiskErrorKind::Locked,
                "is used by another process",
            )),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    /// Opens a file to read it. Refuses what is not a regular file of ours.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        checked(open_at(&self.fd, name, OFlags::RDONLY)?)
    }

    /// Opens a file to read and write it, and makes it if it is not there.
    pub(super) fn open_or_create(&self, name: &str) -> io::Result<File> {
        checked(open_at(&self.fd, name, OFlags::RDWR | OFlags::CREATE)?)
    }

    /// Makes a file that must not be there yet.
    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        checked(open_at(
            &self.fd,
            name,
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL,
        )?)
    }

    /// Makes a directory, if it is not there.
    pub(super) fn make(&self, name: &str) -> io::Result<()> {
        match rustix::fs::mkdirat(&self.fd, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The names in a directory below this one; none if it is not there.
    pub(super) fn list(&self, name: &str) -> io::Result<Vec<String>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let fd = match open_at(&self.fd, name, flags) {
            Err(Errno::NOENT) => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            // Names of ours are plain; what is not is none of ours.
            if let Ok(name) = entry.file_name().to_str()
                && !name.starts_with('.')
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Whether it has not been deleted, or emptied.
    pub(super) fn is_linked(&self) -> bool {
        rustix::fs::fstat(&self.lock).is_ok_and(|stat| stat.st_nlink > 0)
    }
}

/// Opens the directory at `path`, one component after the other, without following a link; makes those
/// that are not there.
fn walk(path: &Path) -> Result<OwnedFd, DiskError> {
    let start = if path.is_absolute() { "/" } else { "." };
    let mut fd = rustix::fs::open(start, passing(), Mode::empty()).map_err(io::Error::from)?;
    let mut components = path.components().peekable();
    let mut any = false;
    while let Some(component) = components.next() {
        let name = match component {
            Component::Normal(name) => name.as_bytes(),
            Component::ParentDir => return Err(refused("has .. in its path")),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => continue,
        };
        any = true;
        let flags = if components.peek().is_some() {
            passing()
        } else {
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
        };
        let mut opened = rustix::fs::openat(&fd, name, flags, Mode::empty());
        if matches!(opened, Err(Errno::NOENT)) {
            match rustix::fs::mkdirat(&fd, name, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
            opened = rustix::fs::openat(&fd, name, flags, Mode::empty());
        }
        fd = match opened {
            Ok(next) => next,
            Err(Errno::LOOP | Errno::NOTDIR) => {
                return Err(refused(
                    "is no directory, or has a symbolic link in its path; give the path that it leads to",
                ));
            }
            Err(error) => return Err(io::Error::from(error).into()),
        };
    }
    if any {
        Ok(fd)
    } else {
        Err(refused("is not a directory of its own"))
    }
}

/// How to open a directory only to go on from it.
fn passing() -> OFlags {
    #[cfg(target_os = "linux")]
    let access = OFlags::PATH;
    #[cfg(not(target_os = "linux"))]
    let access = OFlags::RDONLY;
    access | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn open_at(fd: &OwnedFd, name: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::openat(fd, name, flags, Mode::RUSR | Mode::WUSR)
}

/// A regular file that is ours alone.
fn checked(fd: OwnedFd) -> io::Result<File> {
    let stat = rustix::fs::fstat(&fd)?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if regular && ours(&stat) && private(&stat) {
        Ok(File::from(fd))
    } else {
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "not a file that is ours alone",
        ))
    }
}

fn ours(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw()
}

fn private(stat: &Stat) -> bool {
    stat.st_mode & 0o077 == 0
}

fn refused(says: &'static str) -> DiskError {
    DiskError::new(DiskErrorKind::Refused, says)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    };

    use super::*;

    fn kind(path: &Path) -> Option<DiskErrorKind> {
        Directory::open(path).err().map(|error| error.kind())
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn c5_makes_directories_and_files_that_are_ours_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");

        let directory = Directory::open(&path).unwrap();
        directory.create("file").unwrap();
        directory.make("inside").unwrap();

        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&root.path().join("a")), 0o700);
        assert_eq!(mode(&path.join("inside")), 0o700);
        for name in ["file", "lock"] {
            assert_eq!(mode(&path.join(name)), 0o600);
        }
    }

    #[test]
    fn c5_refuses_a_directory_that_others_may_use() {
        let root = tempfile::tempdir().unwrap();
        for mode in [0o750, 0o707, 0o777, 0o701] {
            fs::set_permissions(root.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(kind(root.path()), Some(DiskErrorKind::Refused), "{mode:o}");
        }
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(kind(root.path()), None);
    }

    #[test]
    fn c5_refuses_links_and_ways_up_in_the_path() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().join("real");
        drop(Directory::open(&real.join("inside")).unwrap());
        let link = root.path().join("link");
        symlink(&real, &link).unwrap();

        for path in [
            &link,
            &link.join("inside"),
            &link.join("new"),
            &real.join("../real"),
        ] {
            assert_eq!(
                kind(path),
                Some(DiskErrorKind::Refused),
                "{}",
                path.display()
            );
        }
        assert!(!real.join("new").exists());
        for path in ["/", ".", ""] {
            assert_eq!(
                kind(Path::new(path)),
                Some(DiskErrorKind::Refused),
                "{path:?}"
            );
        }
    }

    #[test]
    fn c5_follows_no_link_that_was_put_inside() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = root.path().join("elsewhere");
        fs::write(&elsewhere, "precious").unwrap();
        let path = root.path().join("cache");
        let directory = Directory::open(&path).unwrap();
        symlink(&elsewhere, path.join("file")).unwrap();

        assert!(directory.read("file").is_err());
        assert!(directory.open_or_create("file").is_err());
        assert!(directory.create("file").is_err());
        directory.remove("file").unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "precious");

        drop(directory);
        fs::remove_file(path.join("lock")).unwrap();
        symlink(&elsewhere, path.join("lock")).unwrap();
        assert_eq!(kind(&path), Some(DiskErrorKind::Refused));
    }

    #[test]
    fn c5_a_directory_put_in_its_place_is_not_touched() {
        let root = tempfile::tempdir().unwrap();
        let (path, moved) = (root.path().join("cache"), root.path().join("moved"));
        let directory = Directory::open(&path).unwrap();
        fs::rename(&path, &moved).unwrap();
        fs::create_dir(&path).unwrap();

        directory.create("file").unwrap();

        assert!(moved.join("file").exists());
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    }

    #[test]
    fn c4_the_second_who_opens_it_is_told_that_it_is_locked() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("cache");
        let first = Directory::open(&path).unwrap();

        assert_eq!(kind(&path), Some(DiskErrorKind::Locked));
        drop(first);
        assert_eq!(kind(&path), None);
    }

    #[test]
    fn c8_knows_when_it_was_deleted() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("cache");
        let directory = Directory::open(&path).unwrap();
        assert!(directory.is_linked());

        fs::remove_dir_all(&path).unwrap();
        assert!(!directory.is_linked());
    }
}
