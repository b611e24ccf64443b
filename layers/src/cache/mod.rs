//! What a cache consists of: identity, entries, and the tiers that keep them.
//!
//! | module | what |
//! | --- | --- |
//! | [`tier`] | the [`Tier`] trait and the tiers |
//!
//! An [`Entry`] is a reply that was proven whole: its head, its frames as they came, what was learnt
//! from it, and how long it may be used. It says itself which key and which owner it belongs to, and
//! is checked against them whenever a tier gives it back.

mod entry;
pub mod tier;

pub use self::{
    entry::{Entry, Freshness, Lifetime},
    tier::{Found, Generation, Invalidation, Lookup, Tier, TierStats},
};
