use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::Extensions;

/// Whether a request is held back in a queue further in, so that it has not left yet.
///
/// A layer that keeps account of what was sent [places](Self::place) it in the extensions of the
/// request; a layer that makes requests wait marks it for as long as it does. So a request that is dropped in that
/// queue is known never to have left.
///
/// ```
/// use blossom_layers::types::Held;
///
/// let mut request = http::Request::new(());
/// let held = Held::place(request.extensions_mut());
/// let inside = Held::place(request.extensions_mut());
/// inside.hold();
/// assert!(held.is_held());
/// inside.let_go();
/// assert!(!held.is_held());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Held(Arc<AtomicBool>);

impl Held {
    /// The one of the request with these extensions; a new one is placed there if it has none, so that
    /// several who keep account look at the same.
    ///
    /// ```
    /// use blossom_layers::types::Held;
    ///
    /// let mut request = http::Request::new(());
    /// let outside = Held::place(request.extensions_mut());
    /// Held::place(request.extensions_mut()).hold();
    /// assert!(outside.is_held());
    /// ```
    #[must_use]
    pub fn place(extensions: &mut Extensions) -> Self {
        extensions.get_or_insert_default::<Self>().clone()
    }

    /// The request waits.
    ///
    /// ```
    /// use blossom_layers::types::Held;
    ///
    /// let held = Held::default();
    /// held.hold();
    /// assert!(held.is_held());
    /// ```
    pub fn hold(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// The request goes on.
    ///
    /// ```
    /// use blossom_layers::types::Held;
    ///
    /// let held = Held::default();
    /// held.hold();
    /// held.let_go();
    /// assert!(!held.is_held());
    /// ```
    pub fn let_go(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether it waits.
    ///
    /// ```
    /// use blossom_layers::types::Held;
    ///
    /// // Nobody holds a request back until a queue does.
    /// assert!(!Held::default().is_held());
    /// ```
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
