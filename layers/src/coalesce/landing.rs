use http::{header::SET_COOKIE, response::Parts};

use crate::{
    body::Recording,
    directives::Directives,
    flight::{Landing, Share},
    sync::Arc,
};

/// Decides at the head who may have the reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Courtesy {
    // Strangers share: what is private is for one.
    pub(super) strangers: bool,
}

impl Landing for Courtesy {
    const KEEPS: bool = false;

    type Note = ();
    type Cargo = ();

    fn note(&self) {}

    fn head(&mut self, head: &mut Parts, (): ()) -> Share {
        let private = || {
            let directives = Directives::of(&head.headers);
            directives.private || directives.no_store || head.headers.contains_key(SET_COOKIE)
        };
        if self.strangers && private() {
            Share::Creator
        } else {
            Share::All
        }
    }

    fn landed(self, _head: &Parts, _recording: Arc<Recording>) {}
}
