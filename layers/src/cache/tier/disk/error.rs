use std::{error, fmt, io, path::PathBuf};

/// Why a [`DiskTier`](super::DiskTier) could not be opened.
///
/// ```
/// use blossom_layers::cache::tier::{DiskError, DiskTier};
///
/// # fn main() -> Result<(), blossom_layers::BoxError> {
/// # let root = tempfile::tempdir()?;
/// # let directory = root.path().join("cache");
/// let first = DiskTier::open(&directory)?;
/// let error: DiskError = DiskTier::open(&directory).unwrap_err();
/// assert!(error.to_string().starts_with("the cache directory "));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DiskError {
    kind: DiskErrorKind,
    path: PathBuf,
    says: &'static str,
    source: Option<io::Error>,
}

/// What kind of error a [`DiskError`] is.
///
/// ```
/// use blossom_layers::cache::tier::{DiskErrorKind, DiskTier};
///
/// # fn main() -> Result<(), blossom_layers::BoxError> {
/// # let root = tempfile::tempdir()?;
/// # let directory = root.path().join("cache");
/// let first = DiskTier::open(&directory)?;
/// let error = DiskTier::open(&directory).unwrap_err();
/// assert_eq!(error.kind(), DiskErrorKind::Locked, "one has it at a time");
/// # Ok(())
/// # }
/// ```
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
    ///
    /// ```
    /// # use blossom_layers::cache::tier::{DiskErrorKind, DiskTier};
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let root = tempfile::tempdir()?;
    /// let link = root.path().join("link");
    /// std::os::unix::fs::symlink(root.path(), &link)?;
    /// let error = DiskTier::open(&link).unwrap_err();
    /// assert_eq!(error.kind(), DiskErrorKind::Refused);
    /// # Ok(())
    /// # }
    /// ```
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
