//! The only place that starts tasks.
//!
//! A layer starts a task only for work that must outlive the caller: draining an error body, ending
//! a fill in the background. Each such task has an end of its own (a byte cap and a time cap).

use std::future::Future;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn runs_the_work_on_the_current_runtime() {
        let (tx, rx) = tokio::sync::oneshot::channel();

        assert!(spawn(async move { tx.send(7).unwrap() }));
        assert_eq!(rx.await.unwrap(), 7);
    }

    #[test]
    fn abandons_the_work_outside_a_runtime() {
        assert!(!spawn(async {
            unreachable!("there is no runtime to run this")
        }));
    }
}
