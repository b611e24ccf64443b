use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, Request};

/// On whose behalf a request is made; placed in the extensions of the request by the edge, after
/// authentication.
///
/// ```
/// use blossom_layers::types::Tenant;
/// use http::Request;
///
/// // Set at the edge, by who knows the caller.
/// let mut request = Request::new(());
/// request.extensions_mut().insert(Tenant::new("team-a"));
/// assert_eq!(request.extensions().get().map(Tenant::as_str), Some("team-a"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// A tenant by its id, which may appear in logs: never a key.
    ///
    /// ```
    /// use blossom_layers::types::Tenant;
    ///
    /// assert_eq!(Tenant::new("team-a"), Tenant::new("team-a"));
    /// ```
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id.
    ///
    /// ```
    /// use blossom_layers::types::Tenant;
    ///
    /// assert_eq!(Tenant::new("team-a").as_str(), "team-a");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tenant({:?})", &*self.0)
    }
}

/// Whose answer a stored answer is.
///
/// Part of every cache key, and required by every constructor that makes one: two tenants never
/// share by accident.
///
/// ```
/// use blossom_layers::types::{Owner, Scope, Tenant};
/// use http::Request;
///
/// let mut request = Request::new(());
/// assert_eq!(Scope::tenant().owner(&request), None);
/// request.extensions_mut().insert(Tenant::new("team-a"));
/// assert_eq!(Scope::tenant().owner(&request), Some(Owner::Tenant("team-a")));
/// ```
#[derive(Clone)]
pub struct Scope(Kind);

#[derive(Clone)]
enum Kind {
    Shared,
    Fixed(Arc<str>),
    Tenant,
    Header(HeaderName),
}

impl Scope {
    /// All callers share. Only for answers that are nobody's secret.
    ///
    /// ```
    /// use blossom_layers::types::{Owner, Scope};
    ///
    /// assert_eq!(Scope::shared().constant(), Some(Owner::Shared));
    /// ```
    #[must_use]
    pub const fn shared() -> Self {
        Self(Kind::Shared)
    }

    /// One owner for all requests, by an id that is not a secret.
    ///
    /// ```
    /// use blossom_layers::types::{Owner, Scope};
    ///
    /// assert_eq!(Scope::fixed("our-bot").constant(), Some(Owner::Fixed("our-bot")));
    /// ```
    #[must_use]
    pub fn fixed(id: &str) -> Self {
        Self(Kind::Fixed(id.into()))
    }

    /// The [`Tenant`] in the extensions of the request. A request without one has no owner.
    ///
    /// ```
    /// use blossom_layers::types::{Owner, Scope, Tenant};
    ///
    /// let mut request = http::Request::new(());
    /// request.extensions_mut().insert(Tenant::new("team-a"));
    /// assert_eq!(Scope::tenant().owner(&request), Some(Owner::Tenant("team-a")));
    /// ```
    #[must_use]
    pub const fn tenant() -> Self {
        Self(Kind::Tenant)
    }

    /// The value of a header, such as `Authorization`. A request without it has no owner, and
    /// neither has one that bears it twice.
    ///
    /// ```
    /// # fn main() -> Result<(), http::Error> {
    /// use blossom_layers::types::{Owner, Scope};
    /// use http::{Request, header::AUTHORIZATION};
    ///
    /// let scope = Scope::header(AUTHORIZATION);
    /// let request = Request::builder().header(AUTHORIZATION, "Bearer key").body(())?;
    /// assert_eq!(scope.owner(&request), Some(Owner::Header(b"Bearer key")));
    /// assert_eq!(scope.owner(&Request::new(())), None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn header(name: HeaderName) -> Self {
        Self(Kind::Header(name))
    }

    /// The owner of every answer, if it does not depend on the request.
    ///
    /// ```
    /// use blossom_layers::types::{Owner, Scope};
    ///
    /// assert_eq!(Scope::fixed("our-bot").constant(), Some(Owner::Fixed("our-bot")));
    /// assert_eq!(Scope::tenant().constant(), None);
    /// ```
    #[must_use]
    pub fn constant(&self) -> Option<Owner<'_>> {
        match &self.0 {
            Kind::Shared => Some(Owner::Shared),
            Kind::Fixed(id) => Some(Owner::Fixed(id)),
            Kind::Tenant | Kind::Header(_) => None,
        }
    }

    /// The owner of the answer to `request`, or `None` if it has none: its answer is never shared.
    ///
    /// ```
    /// use blossom_layers::types::{Owner, Scope};
    /// use http::Request;
    ///
    /// let request = Request::new(());
    /// assert_eq!(Scope::shared().owner(&request), Some(Owner::Shared));
    /// assert_eq!(Scope::tenant().owner(&request), None); // never shared
    /// ```
    #[must_use]
    pub fn owner<'a, B>(&'a self, request: &'a Request<B>) -> Option<Owner<'a>> {
        match &self.0 {
            Kind::Shared => Some(Owner::Shared),
            Kind::Fixed(id) => Some(Owner::Fixed(id)),
            Kind::Tenant => request
                .extensions()
                .get()
                .map(|Tenant(id)| Owner::Tenant(id)),
            Kind::Header(name) => only(request.headers(), name).map(Owner::Header),
        }
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes())
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Shared => f.write_str("Scope::Shared"),
            Kind::Fixed(_) => f.write_str("Scope::Fixed"),
            Kind::Tenant => f.write_str("Scope::Tenant"),
            Kind::Header(name) => write!(f, "Scope::Header({name})"),
        }
    }
}

/// The owner that a [`Scope`] found.
///
/// Owners of different kinds are never equal, whatever their bytes. `Debug` does not show a header's
/// value.
///
/// ```
/// use blossom_layers::types::Owner;
///
/// assert_ne!(Owner::Fixed("a"), Owner::Tenant("a"));
/// assert_eq!(format!("{:?}", Owner::Header(b"Bearer key")), "Header(..)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Owner<'a> {
    /// Everybody.
    Shared,
    /// The id given to [`Scope::fixed`].
    Fixed(&'a str),
    /// The id of the [`Tenant`].
    Tenant(&'a str),
    /// The value of the header: a secret, only to be hashed.
    Header(&'a [u8]),
}

impl fmt::Debug for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => f.write_str("Shared"),
            Self::Fixed(id) => write!(f, "Fixed({id:?})"),
            Self::Tenant(id) => write!(f, "Tenant({id:?})"),
            Self::Header(_) => f.write_str("Header(..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;

    #[test]
    fn a_request_without_the_header_has_no_owner() {
        assert_eq!(Scope::header(AUTHORIZATION).owner(&Request::new(())), None);
    }

    #[test]
    fn a_header_that_comes_twice_has_no_owner() {
        let request = Request::builder()
            .header(AUTHORIZATION, "a")
            .header(AUTHORIZATION, "b")
            .body(())
            .unwrap();

        assert_eq!(Scope::header(AUTHORIZATION).owner(&request), None);
    }

    #[test]
    fn owners_of_different_kinds_differ() {
        assert_ne!(Owner::Fixed("a"), Owner::Tenant("a"));
        assert_ne!(Owner::Header(b"a"), Owner::Fixed("a"));
    }

    #[test]
    fn debug_shows_no_header_value() {
        assert!(!format!("{:?}", Owner::Header(b"secret")).contains("secret"));
    }
}
