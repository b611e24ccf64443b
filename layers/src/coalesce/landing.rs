use http::{header::SET_COOKIE, response::Parts};
use http_body::SizeHint;

use crate::{
    directives::Directives,
    flight::{Landed, Landing, Share},
};

/// Decides at the head who may have the reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Courtesy {
    // Strangers share: what is private is for one.
    pub(super) strangers: bool,
}

impl Landing for Courtesy {
    fn head(&mut self, head: &mut Parts, _hint: &SizeHint) -> Share {
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

    fn landed(self, _landed: Landed<'_>) {}
}
