//! Results in a file, so that a batch that was killed goes on where it was.
//!
//! JSON Lines: a first line that names the format, then one line for each result. A thread of its own
//! reads and writes, since files block.

use std::{
    collections::HashMap,
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use super::input::Identity;
use crate::{
    Error, ErrorKind, Result,
    layers::{BoxError, task},
};

/// The first line of every checkpoint.
const HEADER: &str = "{\"blossom_batch\":1}\n";

/// How many writes wait for the file at once.
const QUEUE: usize = 64;

/// How often, and after how long each time, a file that is in use is tried again.
const PATIENCE: u32 = 50;
const MOMENT: Duration = Duration::from_millis(10);

/// How a result stands in the file.
pub(super) struct Codec<T> {
    encode: fn(&T) -> serde_json::Result<String>,
    decode: fn(&str) -> serde_json::Result<T>,
}

impl<T> Codec<T> {
    pub(super) fn json() -> Self
    where
        T: Serialize + DeserializeOwned,
    {
        Self {
            encode: |value| serde_json::to_string(value),
            decode: |text| serde_json::from_str(text),
        }
    }
}

impl<T> Clone for Codec<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Codec<T> {}

/// One line.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    id: String,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// A checkpoint that is open. Cloning it is cheap.
pub(super) struct Checkpoint<T> {
    jobs: mpsc::Sender<Job>,
    codec: Codec<T>,
}

impl<T> Clone for Checkpoint<T> {
    fn clone(&self) -> Self {
        Self {
            jobs: self.jobs.clone(),
            codec: self.codec,
        }
    }
}

enum Job {
    Read(Identity, oneshot::Sender<Option<String>>),
    Write(Identity, String, oneshot::Sender<io::Result<()>>),
}

impl<T> Checkpoint<T> {
    /// Opens the file at `path`, or makes it.
    pub(super) async fn open(path: PathBuf, codec: Codec<T>) -> Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (opened, is_open) = oneshot::channel();
        let shown = path.display().to_string();
        let work = move || match Store::open(&path) {
            Ok(store) => {
                if opened.send(Ok(())).is_ok() {
                    store.serve(queue);
                }
            }
            Err(error) => drop(opened.send(Err(error))),
        };
        task::thread("blossom-checkpoint", work).map_err(|error| failed(&shown, error))?;
        match is_open.await {
            Ok(Ok(())) => Ok(Self { jobs, codec }),
            Ok(Err(error)) => Err(failed(&shown, error)),
            Err(_) => Err(failed(&shown, "its thread ended")),
        }
    }

    /// The result that is kept for `identity`. One that cannot be read is as if it were not there.
    pub(super) async fn get(&self, identity: Identity) -> Option<T> {
        let (reply, text) = oneshot::channel();
        self.jobs.send(Job::Read(identity, reply)).await.ok()?;
        let text = text.await.ok()??;
        (self.codec.decode)(&text).ok()
    }

    /// Keeps a result. Says whether it could.
    pub(super) fn put(
        &self,
        identity: Identity,
        value: &T,
    ) -> impl Future<Output = bool> + Send + use<T> {
        let text = (self.codec.encode)(value);
        let jobs = self.jobs.clone();
        async move {
            let Ok(text) = text else { return false };
            let (reply, written) = oneshot::channel();
            let job = Job::Write(identity, text, reply);
            jobs.send(job).await.is_ok() && matches!(written.await, Ok(Ok(())))
        }
    }
}

/// Takes the file for this batch alone, until it is closed, also by a kill.
///
/// One that has just been dropped lets go of it a moment later.
fn lock(file: &File) -> io::Result<()> {
    for _ in 0..PATIENCE {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::park_timeout(MOMENT),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other("it is in use by another batch"))
}

fn failed(path: &str, error: impl Into<BoxError>) -> Error {
    let error = error.into();
    Error::new(ErrorKind::Io, format!("the checkpoint {path}: {error}"))
        .with_suggestion("give a path that can be written, and that no other batch uses")
        .with_source(error)
}

/// The file, and where each result stands in it.
struct Store {
    file: File,
    places: HashMap<Identity, (u64, usize)>,
    end: u64,
}

impl Store {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        lock(&file)?;
        let mut store = Self {
            file,
            places: HashMap::new(),
            end: 0,
        };
        store.load()?;
        Ok(store)
    }

    /// Reads what is there, and cuts off a last line that was not finished.
    fn load(&mut self) -> io::Result<()> {
        let mut reader = BufReader::new(&self.file);
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 && line.ends_with('\n') {
            if self.end == 0 && line != HEADER {
                return Err(io::Error::other("the file there is no checkpoint"));
            }
            if let Ok(entry) = serde_json::from_str::<Line<'_>>(&line)
                && let Some(identity) = unhex(&entry.id)
            {
                let value = entry.value.get();
                let at = value.as_ptr().addr() - line.as_ptr().addr();
                self.places
                    .insert(identity, (self.end + at as u64, value.len()));
            }
            self.end += line.len() as u64;
            line.clear();
        }
        if self.end == 0 && !line.is_empty() && !HEADER.starts_with(&line) {
            return Err(io::Error::other("the file there is no checkpoint"));
        }
        self.file.set_len(self.end)?;
        if self.end == 0 {
            self.append(HEADER.as_bytes())?;
        }
        Ok(())
    }

    /// Reads and writes until nobody asks any more.
    fn serve(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(job) = queue.blocking_recv() {
            match job {
                Job::Read(identity, reply) => drop(reply.send(self.read(&identity))),
                Job::Write(identity, value, reply) => {
                    drop(reply.send(self.write(identity, &value)));
                }
            }
        }
    }

    fn read(&mut self, identity: &Identity) -> Option<String> {
        let (at, length) = self.places.get(identity).copied()?;
        self.file.seek(SeekFrom::Start(at)).ok()?;
        let mut text = String::with_capacity(length);
        let part = Read::by_ref(&mut self.file).take(length as u64);
        BufReader::new(part).read_to_string(&mut text).ok()?;
        Some(text)
    }

    fn write(&mut self, identity: Identity, value: &str) -> io::Result<()> {
        let start = format!("{{\"id\":\"{}\",\"value\":", hex(&identity));
        let at = self.end + start.len() as u64;
        self.append(format!("{start}{value}}}\n").as_bytes())?;
        self.places.insert(identity, (at, value.len()));
        Ok(())
    }

    /// Adds a line. One that could not be written whole is cut off again.
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        if let Err(error) = self.file.write_all(line) {
            self.file.set_len(self.end)?;
            return Err(error);
        }
        self.end += line.len() as u64;
        Ok(())
    }
}

fn hex(identity: &Identity) -> String {
    blake3::Hash::from_bytes(*identity).to_hex().to_string()
}

fn unhex(text: &str) -> Option<Identity> {
    blake3::Hash::from_hex(text).ok().map(Into::into)
}

impl<T> fmt::Debug for Codec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open(path: &Path) -> Result<Checkpoint<String>> {
        Checkpoint::open(path.to_owned(), Codec::json()).await
    }

    #[tokio::test]
    async fn keeps_results_and_drops_a_line_that_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.jsonl");
        let checkpoint = open(&path).await.unwrap();
        for n in 0..3_u8 {
            assert!(checkpoint.put([n; 32], &format!("answer \"{n}\"\n")).await);
        }
        assert_eq!(checkpoint.get([1; 32]).await.unwrap(), "answer \"1\"\n");
        drop(checkpoint);

        let all = std::fs::read(&path).unwrap();
        for cut in 1..40 {
            let checkpoint = open(&path).await.unwrap();
            drop(checkpoint);
            std::fs::write(&path, &all[..all.len() - cut]).unwrap();
            let checkpoint = open(&path).await.unwrap();
            assert_eq!(checkpoint.get([1; 32]).await.unwrap(), "answer \"1\"\n");
            assert_eq!(checkpoint.get([2; 32]).await, None, "cut by {cut}");
            assert!(checkpoint.put([2; 32], &"again".to_owned()).await);
            drop(checkpoint);
            let checkpoint = open(&path).await.unwrap();
            assert_eq!(checkpoint.get([2; 32]).await.unwrap(), "again");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_no_checkpoint_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        for text in ["my notes", "my notes\n", "{\"blossom_batch\":2}\n"] {
            std::fs::write(&path, text).unwrap();
            let error = open(&path).await.err().unwrap();

            assert_eq!(error.kind(), ErrorKind::Io);
            assert!(error.to_string().contains("no checkpoint"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[tokio::test]
    async fn a_file_in_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.jsonl");
        let first = open(&path).await.unwrap();

        let error = open(&path).await.err().unwrap();

        assert!(error.to_string().contains("in use"), "{error}");
        drop(first);
    }
}
