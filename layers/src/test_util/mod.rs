//! Inner services and bodies that check how a layer drives them.
//!
//! Semver does not cover this module.

mod body;
mod probe;
mod service;

pub use self::{
    body::{BodyLog, ScriptedBody},
    probe::ReadyProbe,
    service::{ScriptedService, Step},
};
