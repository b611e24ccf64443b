use std::{error, fmt, io, path::PathBuf};

/// Why a [`DiskTier`](super::DiskTier) could not be opened.
#[derive(Debug)]
pub struct DiskError {
    kind: DiskErrorKind,
    path: PathBuf,
    says: &'static str,
    source: Option<io::Error>,
}

/// What kind of error a [`DiskError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiskErrorKind {
    /// Another process, or another tier of this one, has the directory.
    Locked,
    /// The directory is not safe to use: it or a part of its path is a symbolic link, somebody else
    /// owns it, or others may read or write it.
    Refused,
    /// The file system says no.
    Io,
}

impl DiskError {
    pub(super) fn new(kind: DiskErrorKind, says: &'static str) -> Self {
        Self {
            kind,
            path: PathBuf::new(),
            says,
            source: None,
        }
    }

    pub(super) fn at(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = path.into();
        self
    }

    /// What kind of error it is.
    #[must_use]
    pub const fn kind(&self) -> DiskErrorKind {
        self.kind
    }
}

impl From<io::Error> for DiskError {
    fn from(error: io::Error) -> Self {
        Self {
            source: Some(error),
            ..Self::new(DiskErrorKind::Io, "cannot be used")
        }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the cache directory {} {}",
            self.path.display(),
            self.says
        )
    }
}

impl error::Error for DiskError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
