//! What images and speech have in common: bytes, their type, and what is known of their reply.

use std::{fmt, path::Path};

use bytes::Bytes;
use http::response::Parts;
use serde::{Deserialize, Serialize};

use super::{answer::Meta, failure, file::Save, text::meta_of_headers};
use crate::{
    Result,
    layers::types::Usage,
    protocol::{self, Base64, decode_media},
};

/// Bytes of a media type. `Debug` tells how many.
#[derive(Clone, Default)]
pub(super) struct Media {
    pub(super) bytes: Bytes,
    /// The type that the reply's head tells.
    declared: Option<String>,
    pub(super) meta: Meta,
}

/// As it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    content_type: Option<String>,
    data: Base64,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    request_id: Option<String>,
}

impl Media {
    /// A reply that is to be of one of these families of types, such as `image/`.
    pub(super) fn decode(head: &Parts, body: &Bytes, families: &[&str]) -> Result<Self> {
        let declared = protocol::media_type(&head.headers);
        let mut meta = meta_of_headers(head);
        if declared == "application/json" {
            if let Some(error) = failure::in_json(head, body) {
                return Err(error);
            }
            let (bytes, usage) = decode_media(body).map_err(|error| {
                failure::unexpected(head, body, "media in JSON").with_source(error)
            })?;
            meta.usage = usage.or(meta.usage);
            return Ok(Self {
                bytes: bytes.into(),
                declared: None,
                meta,
            });
        }
        let fits = |media_type: &str| families.iter().any(|family| media_type.starts_with(family));
        let told = fits(declared) || matches!(declared, "" | "application/octet-stream");
        // A page of an error may come under any name.
        let found = protocol::sniffed(body);
        if body.is_empty() || !told || !found.map_or_else(|| fits(declared), fits) {
            return Err(failure::unexpected(head, body, &families.join("* or ")));
        }
        Ok(Self {
            bytes: body.clone(),
            declared: fits(declared).then(|| declared.to_owned()),
            meta,
        })
    }

    /// What the bytes tell, else what the head told.
    pub(super) fn content_type(&self) -> &str {
        protocol::sniffed(&self.bytes)
            .or(self.declared.as_deref())
            .unwrap_or("application/octet-stream")
    }

    pub(super) fn declared_type(&self) -> Option<&str> {
        self.declared.as_deref()
    }

    pub(super) fn save(&self, path: &Path) -> Save {
        Save::new(path.to_owned(), self.bytes.clone())
    }

    pub(super) fn stored(&self) -> Stored {
        Stored {
            content_type: self.declared.clone(),
            data: Base64(self.bytes.to_vec()),
            model: self.meta.model.clone(),
            request_id: self.meta.request_id.clone(),
        }
    }

    pub(super) fn of_stored(stored: Stored) -> Self {
        Self {
            bytes: stored.data.0.into(),
            declared: stored.content_type,
            meta: Meta {
                model: stored.model,
                request_id: stored.request_id,
                ..Meta::default()
            },
        }
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        self.meta.usage
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media")
            .field("bytes", &self.bytes.len())
            .field("content_type", &self.content_type())
            .finish_non_exhaustive()
    }
}

/// Writes what an image and a sound can both be asked, over their field `media`.
macro_rules! media {
    ($name:ident) => {
        impl $name {
            /// The bytes, as they came.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let sandbox = blossom::sandbox::Sandbox::start()?;
            /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
            /// let image = client.image().generate("a cat").size(64, 64).await?;
            /// assert!(image.bytes().starts_with(&[0xff, 0xd8]));
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn bytes(&self) -> &[u8] {
                &self.media.bytes
            }

            /// A copy whose bytes are no part of a larger buffer.
            pub(crate) fn in_memory_of_its_own(&self) -> Self {
                let mut copy = self.clone();
                copy.media.bytes = bytes::Bytes::copy_from_slice(self.bytes());
                copy
            }

            /// The bytes, taken out; they are not copied.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let sandbox = blossom::sandbox::Sandbox::start()?;
            /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
            /// let image = client.image().generate("a cat").size(64, 64).await?;
            /// let length = image.bytes().len();
            /// assert_eq!(image.into_bytes().len(), length);
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn into_bytes(self) -> bytes::Bytes {
                self.media.bytes
            }

            /// The media type that the first bytes tell, where they do, else the one of the reply's
            /// head: what a service says is not always what it sends.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let sandbox = blossom::sandbox::Sandbox::start()?;
            /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
            /// let image = client.image().generate("a cat").size(64, 64).await?;
            /// assert_eq!(image.content_type(), "image/jpeg");
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn content_type(&self) -> &str {
                self.media.content_type()
            }

            /// The media type that the head of the reply told, if it told a fitting one.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let sandbox = blossom::sandbox::Sandbox::start()?;
            /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
            /// let image = client.image().generate("a cat").size(64, 64).await?;
            /// assert_eq!(image.declared_type(), Some("image/jpeg"));
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn declared_type(&self) -> Option<&str> {
                self.media.declared_type()
            }

            /// Writes the bytes to a file, which is replaced if it exists.
            ///
            /// They are written beside it and renamed, so that there is never half a file. The work is
            /// done on a thread of its own, and goes on if the future is dropped once it was polled.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::Io`](crate::ErrorKind::Io); its source is the operating system's error.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let sandbox = blossom::sandbox::Sandbox::start()?;
            /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
            /// # let folder = tempfile::tempdir()?;
            /// # let path = folder.path().join("cat.jpg");
            /// let image = client.image().generate("a cat").size(64, 64).await?;
            /// image.save(&path).await?;
            /// assert_eq!(std::fs::read(path)?, image.bytes());
            /// # Ok(())
            /// # }
            /// ```
            pub fn save(&self, path: impl AsRef<std::path::Path>) -> $crate::client::Save {
                self.media.save(path.as_ref())
            }

            /// What was counted, if the service says so.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let sandbox = blossom::sandbox::Sandbox::start()?;
            /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
            /// let image = client.image().generate("a cat").size(64, 64).await?;
            /// assert_eq!(image.usage().map(|usage| usage.completion_tokens), Some(1));
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn usage(&self) -> Option<crate::layers::types::Usage> {
                self.media.usage()
            }

            /// The model that made it, which may be another than was asked for.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let sandbox = blossom::sandbox::Sandbox::start()?;
            /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
            /// let image = client.image().generate("a cat").size(64, 64).model("turbo").await?;
            /// assert_eq!(image.model(), Some("turbo"));
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn model(&self) -> Option<&str> {
                self.media.meta.model.as_deref()
            }

            /// The upstream's name for the request.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let sandbox = blossom::sandbox::Sandbox::start()?;
            /// let builder = blossom::Blossom::builder().base_url(sandbox.base_url());
            /// let client = builder.request_ids(true).build()?;
            /// let image = client.image().generate("a cat").size(64, 64).await?;
            /// assert_eq!(image.request_id(), sandbox.requests()[0].header("x-request-id"));
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn request_id(&self) -> Option<&str> {
                self.media.meta.request_id.as_deref()
            }

            /// Where it came from; `None` without a cache in the stack.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let sandbox = blossom::sandbox::Sandbox::start()?;
            /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
            /// use blossom::layers::types::CacheStatus;
            ///
            /// let draw = client.image().generate("a cat").size(64, 64);
            /// assert_eq!(draw.clone().await?.cache_status(), Some(CacheStatus::Miss));
            /// assert_eq!(draw.await?.cache_status(), Some(CacheStatus::Hit));
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub const fn cache_status(&self) -> Option<crate::layers::types::CacheStatus> {
                self.media.meta.cache_status
            }

            /// When the parts of the reply arrived; `None` without `observe` in the stack.
            ///
            /// Of one from a cache they are the times of the reply when it was made, and nothing is known
            /// of a queue.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let sandbox = blossom::sandbox::Sandbox::start()?;
            /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
            /// let draw = client.image().generate("a cat").size(64, 64);
            /// let made = draw.clone().await?.timing().ok_or("the client measures it")?;
            /// let kept = draw.await?.timing().ok_or("and keeps it")?;
            /// assert!(made.sent.is_some() && kept.sent.is_none(), "nothing was sent for it");
            /// assert_eq!(made.head, kept.head);
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn timing(&self) -> Option<crate::layers::types::Timing> {
                self.media.meta.timing()
            }

            /// What it cost, in billionths of the service's currency. One from a cache costs nothing.
            /// `None` without [`prices`](crate::Builder::prices), or where that of the model is not
            /// among them.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let sandbox = blossom::sandbox::Sandbox::start()?;
            /// # let models = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
            /// # let models = models.image().models().await?;
            /// use blossom::{Blossom, layers::types::Nanos, policy::Prices};
            ///
            /// let prices = Prices::from_models(&models); // of the models that draw
            /// let builder = Blossom::builder().base_url(sandbox.base_url());
            /// let client = builder.prices(prices).build()?;
            /// let draw = client.image().generate("a cat").size(64, 64).model("flux");
            /// assert!(draw.clone().await?.cost() > Some(Nanos::ZERO));
            /// assert_eq!(draw.await?.cost(), Some(Nanos::ZERO), "from the cache");
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn cost(&self) -> Option<crate::layers::types::Nanos> {
                self.media.meta.cost()
            }

            /// What you should know of this call, though it stopped nothing.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let sandbox = blossom::sandbox::Sandbox::start()?;
            /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
            /// let image = client.image().generate("a cat").size(64, 64).await?;
            /// assert!(image.warnings().is_empty());
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn warnings(&self) -> &[crate::layers::types::Warning] {
                self.media.meta.warnings()
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.media.bytes
            }
        }
    };
}

pub(super) use media;
