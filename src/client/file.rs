//! Files, away from the workers of the runtime.

use std::{
    fmt, fs,
    future::Future,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;

use super::failure;
use crate::{
    Error, ErrorKind, Result,
    layers::task,
    protocol::{FilePart, MAX_MEDIA_BYTES, Part, printable},
};

impl Part {
    /// The image in a file, inside the request. Its type is read from its bytes.
    ///
    /// The file is read on a thread of its own, and no further than [`MAX_MEDIA_BYTES`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] if it cannot be read; [`ErrorKind::InvalidRequest`] as
    /// [`image_bytes`](Self::image_bytes).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("cat.jpg");
    /// # client.image().generate("a cat").size(64, 64).await?.save(&path).await?;
    /// use blossom::protocol::{Message, Part};
    ///
    /// let picture = Part::image_file(&path).await?;
    /// let question = Message::user_parts([Part::text("What is this?"), picture]);
    /// println!("{}", client.text().chat([question]).await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn image_file(path: impl AsRef<Path> + Send) -> Result<Self> {
        let bytes = read(path.as_ref().to_owned(), MAX_MEDIA_BYTES).await?;
        Self::image_bytes(bytes).map_err(|invalid| failure::invalid(&invalid))
    }
}

impl FilePart {
    /// A file inside the request, with its name.
    ///
    /// It is read on a thread of its own, and no further than [`MAX_MEDIA_BYTES`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] if it cannot be read; [`ErrorKind::InvalidRequest`] as
    /// [`bytes`](Self::bytes).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("report.pdf");
    /// # std::fs::write(&path, "%PDF-1.7")?;
    /// use blossom::protocol::FilePart;
    ///
    /// let file = FilePart::open(&path).await?;
    /// assert_eq!(serde_json::to_value(&file)?["file_name"], "report.pdf");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(path: impl AsRef<Path> + Send) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let name = path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let bytes = read(path, MAX_MEDIA_BYTES).await?;
        Self::bytes(name, bytes).map_err(|invalid| failure::invalid(&invalid))
    }
}

/// The file's bytes; one more than `max_bytes` if there are more than that.
pub(crate) async fn read(path: PathBuf, max_bytes: usize) -> Result<Vec<u8>> {
    let shown = shown(&path);
    let read = move || {
        let file = fs::File::open(&path)?;
        let mut bytes = Vec::new();
        let most = (max_bytes as u64).saturating_add(1);
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    work(read)
        .await
        .map_err(|error| io_error(&format!("cannot read {shown}"), error))
}

/// A file on its way to the disk; see [`Image::save`](super::Image::save).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("cat.jpg");
/// let image = client.image().generate("a cat").size(64, 64).await?;
/// image.save(&path).await?; // or .wait(), where nothing is async
/// assert_eq!(std::fs::read(path)?, image.bytes());
/// # Ok(())
/// # }
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Save(Pin<Box<dyn Future<Output = Result<()>> + Send>>);

impl Save {
    /// Writes a file as a whole or not at all.
    pub(crate) fn new(path: PathBuf, bytes: Bytes) -> Self {
        let shown = shown(&path);
        Self(Box::pin(async move {
            work(move || write_beside(&path, &bytes))
                .await
                .map_err(|error| io_error(&format!("cannot write {shown}"), error))
        }))
    }
}

#[cfg(feature = "blocking")]
impl Save {
    /// Waits for the file on this thread, for callers without async. Needs no runtime.
    ///
    /// # Errors
    ///
    /// Those of the future.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("cat.jpg");
    /// let image = client.image().generate("a cat").size(64, 64).send()?;
    /// image.save(&path).wait()?;
    /// assert_eq!(std::fs::read(path)?, image.bytes());
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "blocking")))]
    pub fn wait(self) -> Result<()> {
        crate::blocking::park_on(self)
    }
}

impl Future for Save {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Save {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Save").finish_non_exhaustive()
    }
}

async fn work<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    task::blocking(work).await.and_then(|result| result)
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let (beside, mut file) = create_beside(path, name)?;
    // After a crash a name must not stand for bytes that never reached the disk.
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        drop(fs::remove_file(&beside));
    }
    written
}

/// A new file in the same folder, so that renaming it is one step.
fn create_beside(path: &Path, name: &std::ffi::OsStr) -> io::Result<(PathBuf, fs::File)> {
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for _ in 0..16 {
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{:016x}.part", fastrand::u64(..)));
        let beside = path.with_file_name(hidden);
        match fs::File::create_new(&beside) {
            Ok(file) => return Ok((beside, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// A path in one line.
fn shown(path: &Path) -> String {
    printable(&path.display().to_string(), MAX_SHOWN)
}

/// The most characters of a path that are shown.
const MAX_SHOWN: usize = 200;

fn io_error(what: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{what}: {error}"))
        .with_retryable(false)
        .with_suggestion("check the path, its folder, its permissions and the free space")
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cat.png");
        fs::write(&path, "old").unwrap();

        Save::new(path.clone(), Bytes::from_static(b"new"))
            .await
            .unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["cat.png"]);
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_a_typed_error_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("x"), "").unwrap();

        for path in [
            taken.clone(),
            folder.path().join("no/such/folder.png"),
            "/".into(),
        ] {
            let error = Save::new(path, Bytes::from_static(b"new"))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io);
            assert!(!error.is_retryable() && error.suggestion().is_some());
            assert!(std::error::Error::source(&error).is_some());
        }
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[tokio::test]
    async fn a_file_that_is_no_image_or_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        fs::write(&path, b"\x89PNG\r\n\x1a\n").unwrap();
        assert!(Part::image_file(&path).await.is_ok());
        let file = FilePart::open(&path).await.unwrap();
        assert!(
            serde_json::to_string(&file)
                .unwrap()
                .contains("\"file_name\":\"image\"")
        );

        fs::write(&path, "hello").unwrap();
        let error = Part::image_file(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);

        // A hole: nothing is stored for it, and nothing beyond the limit is read.
        let hole = fs::File::create(&path).unwrap();
        hole.set_len(1 << 40).unwrap();
        let error = Part::image_file(&path).await.unwrap_err();
        assert!(error.to_string().contains("20971521"), "{error}");

        let missing = folder.path().join("missing");
        let error = Part::image_file(&missing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}
