//! What the builders of calls and their futures have in common.

/// Writes the settings that a call passes on to its request.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident($($value:ident: $type:ty),*) { $($example:tt)* })*) => {$(
        $(#[$doc])*
        ///
        #[doc = example!(awaited $($example)*)]
        pub fn $name(mut self, $($value: $type),*) -> Self {
            self.request = self.request.$name($($value),*);
            self
        }
    )*};
}

/// Writes the settings that concern the call and not its request.
macro_rules! options {
    () => {
        /// Adds a header to the request. One that is not legal is refused when the call is made.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
        /// client.text().generate("Hi").header("x-team", "blue").await?;
        /// assert_eq!(sandbox.requests()[0].header("x-team"), Some("blue"));
        /// # Ok(())
        /// # }
        /// ```
        pub fn header(mut self, name: &str, value: &str) -> Self {
            self.options.header(name, value);
            self
        }

        /// Gives this call `timeout` in all, to the end of its body. The client's own
        /// `total_timeout` holds if it is shorter.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
        /// use std::time::Duration;
        ///
        /// let call = client.text().generate("Hi").timeout(Duration::from_secs(30));
        /// println!("{}", call.await?);
        /// # Ok(())
        /// # }
        /// ```
        pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
            self.options.timeout(timeout);
            self
        }

        /// Asks the service whatever the client's cache holds, and keeps the answer. The service has
        /// a cache of its own: for another answer, change the seed.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
        /// let ask = client.text().generate("What is Rust?");
        /// ask.clone().await?;
        /// ask.fresh().await?;
        /// assert_eq!(sandbox.count(), 2);
        /// # Ok(())
        /// # }
        /// ```
        pub fn fresh(mut self) -> Self {
            self.options.cache(|cache| cache.fresh());
            self
        }

        /// Passes the client's cache by: it neither answers, nor keeps the answer.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
        /// let ask = client.text().generate("What is Rust?");
        /// ask.clone().no_store().await?;
        /// ask.no_store().await?;
        /// assert_eq!(sandbox.count(), 2);
        /// # Ok(())
        /// # }
        /// ```
        pub fn no_store(mut self) -> Self {
            self.options.cache(|cache| cache.no_store());
            self
        }

        /// How long the answer is kept, instead of the client's `cache_ttl`.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
        /// use std::time::Duration;
        ///
        /// let day = Duration::from_secs(24 * 3600);
        /// client.text().generate("When are you open?").cache_ttl(day).await?;
        /// # Ok(())
        /// # }
        /// ```
        pub fn cache_ttl(mut self, cache_ttl: std::time::Duration) -> Self {
            self.options.cache(|cache| cache.time_to_live(cache_ttl));
            self
        }

        /// A key of your own in the client's cache: calls with equal keys are equal, whatever else
        /// is in them, for the same owner. A stream and a whole answer are still two.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
        /// client.text().generate("When are you open?").cache_key("hours").await?;
        /// client.text().generate("Your opening hours?").cache_key("hours").await?;
        /// assert_eq!(sandbox.count(), 1);
        /// # Ok(())
        /// # }
        /// ```
        pub fn cache_key(mut self, key: &str) -> Self {
            self.options.cache_key(key);
            self
        }

        /// Adds a tag by which the answer can be made forgotten.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
        /// let ask = client.text().generate("When are you open?").cache_tag("faq");
        /// ask.clone().await?;
        /// client.cache().invalidate_tag("faq");
        /// ask.await?;
        /// assert_eq!(sandbox.count(), 2);
        /// # Ok(())
        /// # }
        /// ```
        pub fn cache_tag(mut self, tag: &str) -> Self {
            self.options.cache(|cache| cache.tag(tag));
            self
        }
    };
}

/// Writes the futures of calls, which have a name so that they can be stored.
macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($decode:ty) -> $output:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        #[must_use = "futures do nothing unless polled"]
        pub struct $name($crate::client::exchange::Exchange<$decode>);

        impl std::future::Future for $name {
            type Output = $crate::Result<$output>;

            fn poll(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Self::Output> {
                std::pin::Pin::new(&mut self.0).poll(cx)
            }
        }
    )*};
}

/// Writes a `Debug` that shows nothing, least of all the prompt.
macro_rules! opaque {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

pub(super) use {calls, opaque, options, settings};
