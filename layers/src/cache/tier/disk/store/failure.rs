use std::{fmt, io};

/// Why something could not be done.
#[derive(Debug)]
pub(in crate::cache::tier::disk) enum Failure {
    /// The disk says no.
    Io(io::Error),
    /// The index is not what was written: it has to be made anew.
    Corrupt(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Corrupt(says) => f.write_str(says),
        }
    }
}

impl From<redb::Error> for Failure {
    fn from(error: redb::Error) -> Self {
        match error {
            // A file that is cut is no fault of the disk.
            redb::Error::Io(error)
                if !matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                Self::Io(error)
            }
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
                Self::Io(io::Error::other("an earlier operation failed"))
            }
            other => Self::Corrupt(other.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
