use std::{future::Future, io, net::IpAddr, pin::Pin};

/// Finds the addresses of a name.
///
/// The system's resolver is the default. Another one serves for tests, for a cache, or for names
/// that only an application knows. Addresses in a URI are never asked for.
///
/// ```
/// use blossom::transport::{Resolve, Resolving, Transport};
///
/// struct Fixed;
///
/// impl Resolve for Fixed {
///     fn resolve(&self, _name: &str) -> Resolving {
///         Box::pin(async { Ok(vec![[127, 0, 0, 1].into()]) })
///     }
/// }
///
/// let transport = Transport::builder().resolver(Fixed).build()?;
/// # Ok::<_, blossom::transport::InvalidBuilder>(())
/// ```
pub trait Resolve: Send + Sync + 'static {
    /// Looks `name` up.
    ///
    /// The order of the addresses is the order in which they are tried, families taken in turn.
    /// Several are tried at once, a short time apart; the first that answers is used. An empty
    /// answer is a name that does not exist. The connect timeout counts the time spent here; the
    /// future is dropped when it is over.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use blossom::transport::{Resolve, Resolving};
    ///
    /// struct Inside;
    ///
    /// impl Resolve for Inside {
    ///     fn resolve(&self, name: &str) -> Resolving {
    ///         let known = name == "ai.inside";
    ///         Box::pin(async move { Ok(known.then(|| [127, 0, 0, 1].into()).into_iter().collect()) })
    ///     }
    /// }
    ///
    /// assert_eq!(Inside.resolve("ai.inside").await?.len(), 1);
    /// assert!(Inside.resolve("elsewhere").await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    fn resolve(&self, name: &str) -> Resolving;
}

/// What [`Resolve::resolve`] gives.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// The system's resolver, on a thread that may block.
#[derive(Debug, Clone, Copy)]
pub(in crate::transport) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> Resolving {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
