//! The only place that starts tasks and threads.
//!
//! A layer starts a task only for work that must outlive the caller: draining an error body, ending
//! a fill in the background. Each such task has an end of its own (a byte cap and a time cap).
//!
//! # Example
//!
//! ```
//! use blossom_layers::task;
//!
//! // Where there is no runtime, as in a `Drop` at the end of a program.
//! assert!(!task::spawn(async {}));
//! ```

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    future::Future,
    io,
    task::{Context, Poll, ready},
    thread,
};

use tokio::{
    sync::oneshot,
    task::{Id, JoinSet},
};

/// Starts `work` on the current runtime, or abandons it where there is none.
///
/// Safe to call from `Drop`: outside a runtime the work is dropped and `false` is returned, never a
/// panic. The task is detached; it ends by itself or with its runtime.
///
/// ```
/// # use tokio::sync::oneshot;
/// use blossom_layers::task;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let (done, result) = oneshot::channel();
/// assert!(task::spawn(async { drop(done.send("drained")) }));
/// assert_eq!(result.await?, "drained");
/// # Ok(())
/// # }
/// ```
pub fn spawn<F>(work: F) -> bool
where
    F: Future<Output = ()> + Send + 'static,
{
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => {
            drop(runtime.spawn(work));
            true
        }
        Err(_) => false,
    }
}

/// Does `work`, which may block, on a thread of its own, and gives its result.
///
/// For the few calls that touch files: a worker of the runtime must not wait for a disk, nor must a
/// shared pool that a disk which hangs would fill. The thread starts when the future is first polled;
/// a future that is dropped leaves it to finish. Needs no runtime.
///
/// ```
/// use blossom_layers::task;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let manifest = task::blocking(|| std::fs::exists("Cargo.toml")).await??;
/// assert!(manifest);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When no thread can be had, or `work` panics.
pub async fn blocking<T, F>(work: F) -> io::Result<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    thread("blossom-blocking", move || drop(sender.send(work())))?;
    receiver
        .await
        .map_err(|_| io::Error::other("the work on a thread of its own panicked"))
}

/// Starts a thread that ends when `work` does. It is detached.
///
/// For work that blocks: a file, a callback of somebody else's.
///
/// ```
/// use std::{sync::mpsc, thread};
///
/// use blossom_layers::task;
///
/// # fn main() -> Result<(), blossom_layers::BoxError> {
/// let (sender, name) = mpsc::channel();
/// task::thread("flusher", move || {
///     drop(sender.send(thread::current().name().map(str::to_owned)));
/// })?;
/// assert_eq!(name.recv()?.as_deref(), Some("flusher"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The system has no thread to give.
pub fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder.spawn(work).map(drop)
}

/// Tasks that end with their owner, whose results come in order of completion.
///
/// A task that panics ends itself alone.
///
/// ```
/// use std::{future::poll_fn, time::Duration};
///
/// use blossom_layers::task::Tasks;
/// use tokio::time::sleep;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let mut tasks = Tasks::default();
/// for key in [2, 1] {
///     tasks.spawn(key, async move { sleep(Duration::from_secs(key)).await });
/// }
/// assert_eq!(poll_fn(|cx| tasks.poll_next(cx)).await, Some((1, Ok(()))));
/// assert_eq!(poll_fn(|cx| tasks.poll_next(cx)).await, Some((2, Ok(()))));
/// assert_eq!(poll_fn(|cx| tasks.poll_next(cx)).await, None);
/// # Ok(())
/// # }
/// ```
pub struct Tasks<T> {
    running: JoinSet<T>,
    keys: HashMap<Id, u64>,
}

/// Why a task has no result.
///
/// ```
/// use std::future::poll_fn;
///
/// use blossom_layers::task::{Died, Tasks};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let mut tasks: Tasks<()> = Tasks::default();
/// tasks.spawn(7, async { panic!("out of flowers") });
/// let died = Died::Panicked("out of flowers".to_owned());
/// assert_eq!(poll_fn(|cx| tasks.poll_next(cx)).await, Some((7, Err(died))));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Died {
    /// It panicked with this message.
    Panicked(String),
    /// It was aborted.
    Aborted,
}

impl<T: Send + 'static> Tasks<T> {
    /// How many have not been taken yet.
    ///
    /// ```
    /// use blossom_layers::task::Tasks;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut tasks = Tasks::default();
    /// tasks.spawn(1, async {});
    /// tasks.spawn(2, async {});
    /// assert_eq!(tasks.len(), 2); // until each is taken
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether there are none.
    ///
    /// ```
    /// use blossom_layers::task::Tasks;
    ///
    /// assert!(Tasks::<()>::default().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Starts a task on the current runtime; its result comes with `key`. Outside a runtime it is
    /// dropped, and `false` returned.
    ///
    /// ```
    /// use blossom_layers::task::Tasks;
    ///
    /// // Outside a runtime.
    /// let mut tasks = Tasks::default();
    /// assert!(!tasks.spawn(1, async {}));
    /// assert!(tasks.is_empty());
    /// ```
    pub fn spawn(&mut self, key: u64, work: impl Future<Output = T> + Send + 'static) -> bool {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return false;
        };
        let task = self.running.spawn_on(work, &runtime);
        self.keys.insert(task.id(), key);
        true
    }

    /// The next one that is done; `None` when there is none left.
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// use blossom_layers::task::Tasks;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut tasks = Tasks::default();
    /// tasks.spawn(7, async { "done" });
    /// assert_eq!(poll_fn(|cx| tasks.poll_next(cx)).await, Some((7, Ok("done"))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(u64, Result<T, Died>)>> {
        let Some(joined) = ready!(self.running.poll_join_next_with_id(cx)) else {
            return Poll::Ready(None);
        };
        let (id, result) = match joined {
            Ok((id, result)) => (id, Ok(result)),
            Err(error) => (
                error.id(),
                Err(match error.try_into_panic() {
                    Ok(panic) => Died::Panicked(panic_text(&*panic)),
                    Err(_) => Died::Aborted,
                }),
            ),
        };
        let key = self.keys.remove(&id).unwrap_or_default();
        Poll::Ready(Some((key, result)))
    }

    /// Aborts all that run. Each of them still comes, as [`Died::Aborted`].
    ///
    /// ```
    /// use std::future::{pending, poll_fn};
    ///
    /// use blossom_layers::task::{Died, Tasks};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut tasks: Tasks<()> = Tasks::default();
    /// tasks.spawn(7, pending());
    /// tasks.abort_all();
    /// assert_eq!(poll_fn(|cx| tasks.poll_next(cx)).await, Some((7, Err(Died::Aborted))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn abort_all(&mut self) {
        self.running.abort_all();
    }
}

impl<T> Default for Tasks<T> {
    fn default() -> Self {
        Self {
            running: JoinSet::new(),
            keys: HashMap::new(),
        }
    }
}

impl<T> fmt::Debug for Tasks<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks")
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}

/// What a panic says.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn runs_the_work_on_the_current_runtime() {
        let (tx, rx) = oneshot::channel();

        assert!(spawn(async move { tx.send(7).unwrap() }));
        assert_eq!(rx.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn blocking_work_does_not_hold_up_the_runtime() {
        let (go, wait) = std::sync::mpsc::channel();
        let work = blocking(move || wait.recv().map(|()| thread::current().id()));
        let other = async {
            tokio::task::yield_now().await;
            go.send(()).unwrap();
        };

        // On the one thread of this runtime, the work would wait for what comes after it.
        let (id, ()) = tokio::join!(work, other);
        assert_ne!(id.unwrap().unwrap(), thread::current().id());
    }

    #[test]
    fn abandons_the_work_outside_a_runtime() {
        assert!(!spawn(async {
            unreachable!("there is no runtime to run this")
        }));
    }

    #[tokio::test]
    async fn a_task_that_panics_ends_alone_and_says_why() {
        let mut tasks = Tasks::default();
        assert!(tasks.spawn(1, async { panic!("the cause") }));
        assert!(tasks.spawn(2, async { 7 }));

        let mut done = HashMap::new();
        while let Some((key, result)) = poll_fn(|cx| tasks.poll_next(cx)).await {
            done.insert(key, result);
        }

        assert_eq!(done[&1], Err(Died::Panicked("the cause".to_owned())));
        assert_eq!(done[&2], Ok(7));
    }

    #[tokio::test]
    async fn tasks_end_with_their_owner() {
        let (tx, rx) = oneshot::channel::<()>();
        let mut tasks = Tasks::default();
        tasks.spawn(1, async move {
            std::future::pending::<()>().await;
            drop(tx);
        });
        tokio::task::yield_now().await;
        drop(tasks);

        assert!(rx.await.is_err());
    }
}
