//! What a batch can make calls of, and what comes of it.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
};

use http::Request;

use crate::{
    Blossom, Image, Result, Speech, Text,
    client::{Chat, Draw, Generate, Speak},
    layers::{
        body::{Known, ReqBody},
        types::{CacheStatus, Nanos, Usage},
    },
    protocol::Message,
};

/// What a batch can make a call of: a prompt, messages, a call.
///
/// ```
/// use blossom::{Blossom, Text, batch::{BatchInput, Prepared}};
///
/// /// A city, of which the batch asks for a description.
/// struct City(&'static str);
///
/// impl BatchInput for City {
///     type Output = Text;
///
///     fn prepare(self, client: &Blossom) -> Prepared<Text> {
///         client.text().generate(format!("Describe {}", self.0)).prepare(client)
///     }
/// }
/// ```
pub trait BatchInput: Send + 'static {
    /// What a call gives.
    type Output: BatchOutput;

    /// The call, not made yet. `client` is that of the batch; a call keeps its own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::{Blossom, Text, batch::{BatchInput, Prepared}};
    ///
    /// struct Loud(&'static str);
    ///
    /// impl BatchInput for Loud {
    ///     type Output = Text;
    ///
    ///     fn prepare(self, client: &Blossom) -> Prepared<Text> {
    ///         self.0.to_uppercase().prepare(client)
    ///     }
    /// }
    ///
    /// client.batch([Loud("hi")]).run().await;
    /// assert_eq!(sandbox.requests()[0].prompt(), Some("HI"));
    /// # Ok(())
    /// # }
    /// ```
    fn prepare(self, client: &Blossom) -> Prepared<Self::Output>;
}

/// What a call of a batch gives. Cloned for inputs that are equal.
///
/// ```
/// use blossom::{batch::BatchOutput, layers::types::Usage};
///
/// /// A summary, and what it took.
/// #[derive(Clone)]
/// struct Summary {
///     text: String,
///     usage: Option<Usage>,
/// }
///
/// impl BatchOutput for Summary {
///     fn usage(&self) -> Option<Usage> {
///         self.usage
///     }
///
///     fn weight_bytes(&self) -> usize {
///         size_of::<Self>() + self.text.len()
///     }
/// }
/// ```
pub trait BatchOutput: Clone + Send + 'static {
    /// The tokens that it took, if they are known.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut batch = client.batch([client.text().chat(["Hi"])]).start();
    /// let answer = batch.next().await.ok_or("it has one")?.result?;
    /// let tokens = answer.usage().map(|usage| usage.total_tokens);
    /// assert_eq!(tokens, Some(batch.progress().tokens)); // of all so far
    /// # Ok(())
    /// # }
    /// ```
    fn usage(&self) -> Option<Usage> {
        None
    }

    /// What it cost, if that is known.
    ///
    /// ```
    /// use blossom::{batch::BatchOutput, layers::types::Nanos};
    ///
    /// #[derive(Clone)]
    /// struct Bill(Nanos);
    ///
    /// impl BatchOutput for Bill {
    ///     fn cost(&self) -> Option<Nanos> {
    ///         Some(self.0)
    ///     }
    /// }
    /// assert_eq!(Bill(Nanos(5)).cost(), Some(Nanos(5)));
    /// ```
    fn cost(&self) -> Option<Nanos> {
        None
    }

    /// Whether it came from a cache.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::batch::BatchOutput as _;
    ///
    /// let ask = client.text().generate("Hi");
    /// assert!(!ask.clone().await?.cached());
    /// assert!(ask.await?.cached());
    /// # Ok(())
    /// # }
    /// ```
    fn cached(&self) -> bool {
        false
    }

    /// About how much memory it takes, in bytes.
    ///
    /// ```
    /// use blossom::batch::BatchOutput;
    ///
    /// #[derive(Clone)]
    /// struct Score(u64);
    ///
    /// impl BatchOutput for Score {} // all of it stands in itself
    /// assert_eq!(Score(7).weight_bytes(), 8);
    /// ```
    fn weight_bytes(&self) -> usize {
        size_of::<Self>()
    }

    /// A copy to be kept for equal inputs to come. One that shares a larger buffer, as parts of what was
    /// read from a connection do, is copied out of it, so that it takes what it weighs.
    ///
    /// ```
    /// use blossom::batch::BatchOutput;
    /// use bytes::Bytes;
    ///
    /// #[derive(Clone)]
    /// struct Line(Bytes);
    ///
    /// impl BatchOutput for Line {
    ///     fn to_kept(&self) -> Self {
    ///         Self(Bytes::copy_from_slice(&self.0))
    ///     }
    /// }
    /// let page = Bytes::from_static(b"a line\nand many more");
    /// let line = Line(page.slice(..6));
    /// assert_ne!(line.to_kept().0.as_ptr(), line.0.as_ptr(), "no part of the page any more");
    /// ```
    #[must_use]
    fn to_kept(&self) -> Self {
        self.clone()
    }
}

/// A call that has not been made yet, and what identifies it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::batch::{BatchInput, BatchOutput, Prepared};
///
/// #[derive(Clone)]
/// struct Length(usize);
///
/// impl BatchOutput for Length {}
///
/// /// A prompt, of whose answer only the length is of interest.
/// struct Measure(&'static str);
///
/// impl BatchInput for Measure {
///     type Output = Length;
///
///     fn prepare(self, client: &blossom::Blossom) -> Prepared<Length> {
///         let call = client.text().generate(self.0);
///         Prepared::new(async move { Ok(Length(call.await?.content().len())) })
///     }
/// }
///
/// let lengths = client.batch(["one", "two"].map(Measure)).run().await;
/// assert!(lengths.into_iter().all(|length| length.is_ok_and(|length| length.0 > 0)));
/// # Ok(())
/// # }
/// ```
pub struct Prepared<T> {
    pub(super) identity: Option<Identity>,
    pub(super) call: Pin<Box<dyn Future<Output = Result<T>> + Send>>,
}

/// A cryptographic hash of a whole request.
pub(super) type Identity = [u8; 32];

impl<T> Prepared<T> {
    /// A call of any kind. It is never one with another.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = blossom::Blossom::builder().base_url("http://127.0.0.1:8080").build()?;
    /// use blossom::{Blossom, batch::{BatchInput, BatchOutput, Prepared}};
    ///
    /// #[derive(Clone, Debug)]
    /// struct Square(u64);
    /// # impl BatchOutput for Square {}
    /// struct Number(u64);
    ///
    /// impl BatchInput for Number {
    ///     type Output = Square;
    ///
    ///     fn prepare(self, _: &Blossom) -> Prepared<Square> {
    ///         Prepared::new(async move { Ok(Square(self.0 * self.0)) }) // any future
    ///     }
    /// }
    /// let squares = client.batch([2, 3].map(Number)).run().await;
    /// assert!(matches!(squares[..], [Ok(Square(4)), Ok(Square(9))]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn new<F>(call: F) -> Self
    where
        F: IntoFuture<Output = Result<T>>,
        F::IntoFuture: Send + 'static,
    {
        Self {
            identity: None,
            call: Box::pin(call.into_future()),
        }
    }

    /// A call that is one with every other for the same request.
    pub(crate) fn of_request<F>(
        request: Result<Request<ReqBody>>,
        call: impl FnOnce(Result<Request<ReqBody>>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<T>> + Send,
    {
        Self {
            identity: request.as_ref().ok().and_then(identity),
            // Nothing is sent before somebody polls.
            call: Box::pin(async move { call(request).await }),
        }
    }
}

impl<T> fmt::Debug for Prepared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").finish_non_exhaustive()
    }
}

/// What two requests must share to be one: all that is sent.
fn identity(request: &Request<ReqBody>) -> Option<Identity> {
    let body = request.body().bytes()?;
    let mut hash = blake3::Hasher::new_derive_key("blossom batch identity v1");
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(request.method().as_str().as_bytes());
    part(request.uri().to_string().as_bytes());
    for (name, value) in request.headers() {
        part(name.as_str().as_bytes());
        part(value.as_bytes());
    }
    part(body);
    Some(*hash.finalize().as_bytes())
}

impl BatchInput for Generate {
    type Output = Text;

    fn prepare(self, _: &Blossom) -> Prepared<Text> {
        self.into_prepared()
    }
}

impl BatchInput for Chat {
    type Output = Text;

    fn prepare(self, _: &Blossom) -> Prepared<Text> {
        self.into_prepared()
    }
}

impl BatchInput for Draw {
    type Output = Image;

    fn prepare(self, _: &Blossom) -> Prepared<Image> {
        self.into_prepared()
    }
}

impl BatchInput for Speak {
    type Output = Speech;

    fn prepare(self, _: &Blossom) -> Prepared<Speech> {
        self.into_prepared()
    }
}

impl BatchInput for String {
    type Output = Text;

    fn prepare(self, client: &Blossom) -> Prepared<Text> {
        client.text().generate(self).into_prepared()
    }
}

impl BatchInput for &'static str {
    type Output = Text;

    fn prepare(self, client: &Blossom) -> Prepared<Text> {
        client.text().generate(self).into_prepared()
    }
}

impl BatchInput for Vec<Message> {
    type Output = Text;

    fn prepare(self, client: &Blossom) -> Prepared<Text> {
        client.text().chat(self).into_prepared()
    }
}

/// Writes the same for an image and for speech.
macro_rules! media_output {
    ($($name:ident),*) => {$(
        impl BatchOutput for $name {
            fn usage(&self) -> Option<Usage> {
                Self::usage(self)
            }

            fn cost(&self) -> Option<Nanos> {
                Self::cost(self)
            }

            fn cached(&self) -> bool {
                is_cached(self.cache_status())
            }

            fn weight_bytes(&self) -> usize {
                size_of::<Self>() + self.bytes().len()
            }

            fn to_kept(&self) -> Self {
                self.in_memory_of_its_own()
            }
        }
    )*};
}

media_output!(Image, Speech);

const fn is_cached(status: Option<CacheStatus>) -> bool {
    matches!(
        status,
        Some(CacheStatus::Hit | CacheStatus::Stale | CacheStatus::Coalesced)
    )
}

impl BatchOutput for Text {
    fn usage(&self) -> Option<Usage> {
        Self::usage(self)
    }

    fn cost(&self) -> Option<Nanos> {
        Self::cost(self)
    }

    fn cached(&self) -> bool {
        is_cached(self.cache_status())
    }

    fn weight_bytes(&self) -> usize {
        let calls = self.tool_calls().iter();
        let calls: usize = calls.map(|call| call.arguments().len() + 128).sum();
        size_of::<Self>() + self.content().len() + self.reasoning().map_or(0, str::len) + calls
    }
}
