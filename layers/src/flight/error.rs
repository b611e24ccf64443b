use std::{error, fmt, time::Duration};

use crate::{
    BoxError,
    sync::Arc,
    types::{Refusal, RefusalKind},
};

/// A failure of a call that several callers shared. Its source is the failure itself.
///
/// A caller who was alone gets the failure as it is.
#[derive(Debug, Clone)]
pub struct Shared {
    error: Arc<BoxError>,
}

impl Shared {
    pub(super) fn new(error: BoxError) -> Self {
        Self {
            error: Arc::new(error),
        }
    }

    /// The failure.
    #[must_use]
    pub fn error(&self) -> &(dyn error::Error + Send + Sync + 'static) {
        &**self.error
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a call shared by equal requests failed")
    }
}

impl error::Error for Shared {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(self.error())
    }
}

/// The call panicked. The panic was reported by the panic hook; the next equal request calls anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panicked(());

impl Panicked {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call panicked")
    }
}

impl error::Error for Panicked {}

const REFUSAL: Refusal = Refusal::new(RefusalKind::Timeout);

/// This reader kept the others of a large shared reply waiting for too long, and was left behind.
/// What it had read was right, but it is not all. Its source is a [`Refusal`] of kind
/// [`RefusalKind::Timeout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged {
    after: Duration,
}

impl Lagged {
    pub(super) const fn new(after: Duration) -> Self {
        Self { after }
    }

    /// How long the others waited.
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.after;
        write!(
            f,
            "this reader of a shared response kept the others waiting for {after:?}"
        )
    }
}

impl error::Error for Lagged {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&REFUSAL)
    }
}
