//! The span in which a flight was begun.

/// The `tracing` span of whoever begins or joins a flight. One who joins has it linked to that of the
/// one who began: the work that it waits for is done there.
///
/// Without the feature `trace` nothing is known of spans, and it is nothing.
#[cfg(feature = "trace")]
pub(super) struct Origin(Option<crate::sync::Arc<tracing::Span>>);

#[cfg(not(feature = "trace"))]
#[derive(Clone)]
pub(super) struct Origin(());

#[cfg(feature = "trace")]
impl Origin {
    /// That of the caller. It runs a subscriber, so not under a lock.
    pub(super) fn here() -> Self {
        let span = crate::types::quietly(tracing::Span::current);
        let span = span.filter(|span| !span.is_none());
        Self(span.map(crate::sync::Arc::new))
    }

    /// Links this span to that of the one who began. Not under a lock either.
    pub(super) fn follow(&self, first: &Self) {
        if let (Some(here), Some(first)) = (&self.0, &first.0) {
            crate::types::quietly(|| {
                if here.id() != first.id() {
                    here.follows_from(first.id());
                }
            });
        }
    }
}

#[cfg(feature = "trace")]
impl Clone for Origin {
    /// Runs no subscriber.
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(feature = "trace")]
impl Drop for Origin {
    fn drop(&mut self) {
        let span = self.0.take();
        crate::types::quietly(|| drop(span));
    }
}

#[cfg(not(feature = "trace"))]
impl Origin {
    pub(super) const fn here() -> Self {
        Self(())
    }

    #[expect(clippy::unused_self, reason = "there are no spans")]
    pub(super) const fn follow(&self, _first: &Self) {}
}
