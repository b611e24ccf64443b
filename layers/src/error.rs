use std::error::Error;

/// A boxed error, as in `tower`.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Finds the first error of type `E` in `error` or its sources.
///
/// Layers that can refuse have [`BoxError`] as their error and one small struct per cause; this is
/// how the struct is found again, however many layers have wrapped it since.
///
/// ```
/// # use std::{fmt, io};
/// use blossom_layers::cause_ref;
///
/// let refused = io::Error::new(io::ErrorKind::Other, io::Error::from(io::ErrorKind::NotFound));
/// assert!(cause_ref::<io::Error>(&refused).is_some());
/// assert!(cause_ref::<fmt::Error>(&refused).is_none());
/// ```
#[must_use]
pub fn cause_ref<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(cause) = error.downcast_ref() {
            return Some(cause);
        }
        next = error.source();
    }
    None
}

/// The error in `error`, where a layer is generic over it and only wants to look: what is boxed, as
/// errors of stacks are, can be looked into.
#[cfg(any(feature = "metrics", feature = "trace"))]
pub(crate) fn boxed_ref<E: 'static>(error: &E) -> Option<&(dyn Error + 'static)> {
    let error: &dyn std::any::Any = error;
    let boxed: &BoxError = error.downcast_ref()?;
    Some(&**boxed)
}
