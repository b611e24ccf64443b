use std::fmt;

use super::{CacheKey, Owner};

/// An [`Owner`] as 32 bytes of a cryptographic hash, so that it can be stored and compared without
/// telling who it is.
///
/// The same owner has the same digest in every process and on every machine.
///
/// ```
/// use blossom_layers::types::{CacheKey, Owner, ScopeDigest};
///
/// let (ours, theirs) = (ScopeDigest::of(Owner::Tenant("a")), ScopeDigest::of(Owner::Tenant("b")));
/// let key = CacheKey::new([7; 32]);
/// assert_ne!(ours.scoped(&key), theirs.scoped(&key));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeDigest([u8; 32]);

impl ScopeDigest {
    /// The digest of `owner`.
    ///
    /// ```
    /// use blossom_layers::types::{Owner, ScopeDigest};
    ///
    /// let team = ScopeDigest::of(Owner::Tenant("team-a"));
    /// assert_eq!(team, ScopeDigest::of(Owner::Tenant("team-a")));
    /// assert_ne!(team, ScopeDigest::of(Owner::Fixed("team-a")));
    /// ```
    #[must_use]
    pub fn of(owner: Owner<'_>) -> Self {
        let (kind, bytes) = match owner {
            Owner::Shared => (0, &[][..]),
            Owner::Fixed(id) => (1, id.as_bytes()),
            Owner::Tenant(id) => (2, id.as_bytes()),
            Owner::Header(value) => (3, value),
        };
        let mut hasher = blake3::Hasher::new_keyed(CONTEXT);
        hasher.update(&[kind]).update(bytes);
        Self(*hasher.finalize().as_bytes())
    }

    /// A digest from its bytes, as a store gives them back.
    ///
    /// ```
    /// use blossom_layers::types::{Owner, ScopeDigest};
    ///
    /// let digest = ScopeDigest::of(Owner::Shared);
    /// assert_eq!(ScopeDigest::from_bytes(*digest.as_bytes()), digest);
    /// ```
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    ///
    /// ```
    /// use blossom_layers::types::{Owner, ScopeDigest};
    ///
    /// // Nothing of the owner stands in it.
    /// let digest = ScopeDigest::of(Owner::Header(b"secret"));
    /// assert!(!digest.as_bytes().starts_with(b"secret"));
    /// ```
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key of this owner's answer to the request that `key` identifies.
    ///
    /// Whoever does not know the owner cannot guess it, even if the request is known.
    ///
    /// ```
    /// use blossom_layers::types::{CacheKey, Owner, ScopeDigest};
    ///
    /// let key = CacheKey::new([7; 32]).with_check([1; 16]);
    /// let scoped = ScopeDigest::of(Owner::Tenant("team-a")).scoped(&key);
    /// assert_ne!(scoped.as_bytes(), key.as_bytes());
    /// assert_eq!(scoped.check(), key.check());
    /// ```
    #[must_use]
    pub fn scoped(&self, key: &CacheKey) -> CacheKey {
        let mut input = [0; 48];
        let (bytes, check) = input.split_at_mut(32);
        bytes.copy_from_slice(key.as_bytes());
        check.copy_from_slice(key.check());
        let bytes = *blake3::keyed_hash(&self.0, &input).as_bytes();
        CacheKey::new(bytes).with_check(*key.check())
    }
}

impl fmt::Debug for ScopeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScopeDigest(")?;
        let [first, second, third, fourth, ..] = self.0;
        write!(f, "{first:02x}{second:02x}{third:02x}{fourth:02x}..)")
    }
}

// Never to be changed: it is part of every stored key.
const CONTEXT: &[u8; 32] = b"blossom-layers owner of an entry";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_of_different_kinds_have_different_digests() {
        let digests = [
            ScopeDigest::of(Owner::Shared),
            ScopeDigest::of(Owner::Fixed("")),
            ScopeDigest::of(Owner::Tenant("")),
            ScopeDigest::of(Owner::Header(b"")),
        ];

        for (i, one) in digests.iter().enumerate() {
            assert!(!digests.iter().skip(i + 1).any(|other| one == other));
        }
    }

    #[test]
    fn a_scoped_key_keeps_its_check() {
        let key = CacheKey::new([0; 32]).with_check([3; 16]);
        let scoped = ScopeDigest::of(Owner::Shared).scoped(&key);

        assert_eq!(scoped.check(), &[3; 16]);
        assert_ne!(scoped.as_bytes(), key.as_bytes());
    }

    #[test]
    fn debug_shows_only_the_beginning() {
        let shown = format!("{:?}", ScopeDigest::of(Owner::Header(b"secret")));

        assert!(shown.len() < 30 && !shown.contains("secret"));
    }
}
