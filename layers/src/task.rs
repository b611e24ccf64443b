//! The only place that starts tasks.
//!
//! A layer starts a task only for work that must outlive the caller: draining an error body, ending
//! a fill in the background. Each such task has an end of its own (a byte cap and a time cap).

use std::{future::Future, io, thread};

use tokio::sync::oneshot;

/// Starts `work` on the current runtime, or abandons it where there is none.
///
/// Safe to call from `Drop`: outside a runtime the work is dropped and `false` is returned, never a
/// panic. The task is detached; it ends by itself or with its runtime.
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
/// # Errors
///
/// When no thread can be had, or `work` panics.
pub async fn blocking<T, F>(work: F) -> io::Result<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let thread = thread::Builder::new().name("blossom-blocking".to_owned());
    // Nobody joins it: its end is that of its work.
    drop(thread.spawn(move || drop(sender.send(work())))?);
    receiver
        .await
        .map_err(|_| io::Error::other("the work on a thread of its own panicked"))
}

#[cfg(test)]
mod tests {
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
}
