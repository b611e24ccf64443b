use std::{
    convert::Infallible,
    mem,
    pin::Pin,
    slice,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// The frames and trailers of a body, as they came.
///
/// The bytes are shared, not copied: a clone of a recording clones one reference count per frame.
///
/// ```
/// use blossom_layers::body::Recording;
///
/// let mut recording = Recording::default();
/// recording.push("hel".into());
/// recording.push("lo".into());
/// assert_eq!(recording.frames(), ["hel", "lo"]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    frames: Frames,
    len_bytes: usize,
    // Boxed, as few have them.
    trailers: Option<Box<HeaderMap>>,
}

/// Most replies are one frame, which needs no list.
#[derive(Debug, Clone, Default)]
enum Frames {
    #[default]
    None,
    One(Bytes),
    Many(Vec<Bytes>),
}

impl Frames {
    fn push(&mut self, frame: Bytes) {
        match self {
            Self::None => *self = Self::One(frame),
            Self::One(first) => *self = Self::Many(vec![mem::take(first), frame]),
            Self::Many(frames) => frames.push(frame),
        }
    }

    const fn as_slice(&self) -> &[Bytes] {
        match self {
            Self::None => &[],
            Self::One(only) => slice::from_ref(only),
            Self::Many(frames) => frames.as_slice(),
        }
    }
}

impl PartialEq for Frames {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Frames {}

impl Recording {
    /// An empty recording with room for so many frames.
    ///
    /// ```
    /// # use blossom_layers::body::Recording;
    /// let recording = Recording::with_capacity(64);
    /// assert_eq!(recording, Recording::default(), "it has room, and nothing in it");
    /// ```
    #[must_use]
    pub fn with_capacity(frames: usize) -> Self {
        let frames = match frames {
            0 | 1 => Frames::None,
            many => Frames::Many(Vec::with_capacity(many)),
        };
        Self {
            frames,
            ..Self::default()
        }
    }

    /// Adds a frame of data.
    ///
    /// ```
    /// # use blossom_layers::body::Recording;
    /// let mut recording = Recording::default();
    /// recording.push("hello".into());
    /// assert_eq!(recording.len_bytes(), 5);
    /// ```
    pub fn push(&mut self, frame: Bytes) {
        self.len_bytes = self.len_bytes.saturating_add(frame.len());
        self.frames.push(frame);
    }

    /// Sets the trailers.
    ///
    /// ```
    /// # use blossom_layers::body::Recording;
    /// # use http::{HeaderMap, HeaderValue};
    /// let mut trailers = HeaderMap::new();
    /// trailers.insert("grpc-status", HeaderValue::from_static("0"));
    /// let mut recording = Recording::default();
    /// recording.set_trailers(trailers.clone());
    /// assert_eq!(recording.trailers(), Some(&trailers));
    /// ```
    pub fn set_trailers(&mut self, trailers: HeaderMap) {
        self.trailers = Some(Box::new(trailers));
    }

    /// The frames of data.
    ///
    /// ```
    /// # use blossom_layers::body::Recording;
    /// let mut recording = Recording::default();
    /// recording.push("hello".into());
    /// assert_eq!(recording.frames(), ["hello"]);
    /// ```
    #[must_use]
    pub const fn frames(&self) -> &[Bytes] {
        self.frames.as_slice()
    }

    /// The trailers, if there were any.
    ///
    /// ```
    /// # use blossom_layers::body::Recording;
    /// assert_eq!(Recording::default().trailers(), None);
    /// ```
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref()
    }

    /// The sum of the frames' lengths.
    ///
    /// ```
    /// # use blossom_layers::body::Recording;
    /// let mut recording = Recording::default();
    /// recording.push("hel".into());
    /// recording.push("lo".into());
    /// assert_eq!(recording.len_bytes(), 5);
    /// ```
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Copies the frames into a buffer that holds nothing else, if that is worth it. They usually are
    /// parts of larger ones, which they keep alive.
    #[cfg(feature = "_flight")]
    pub(crate) fn compact(&mut self) {
        if self.len_bytes > COMPACT_UP_TO {
            return;
        }
        match &mut self.frames {
            Frames::None => {}
            Frames::One(only) => *only = Bytes::copy_from_slice(only),
            Frames::Many(frames) => {
                let mut all = Bytes::from(frames.concat());
                for frame in &mut *frames {
                    *frame = all.split_to(frame.len());
                }
                frames.shrink_to_fit();
            }
        }
    }
}

#[cfg(feature = "_flight")]
const COMPACT_UP_TO: usize = 64 * 1024;

/// A body that plays a [`Recording`]: the same frames, the same trailers.
///
/// Many replays share one recording.
///
/// ```
/// use std::sync::Arc;
///
/// use blossom_layers::body::{Recording, Replay};
/// use http_body_util::BodyExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut recording = Recording::default();
/// recording.push("hello".into());
/// let recording = Arc::new(recording);
///
/// for _ in 0..2 {
///     let body = Replay::new(recording.clone());
///     assert_eq!(body.collect().await.unwrap().to_bytes(), "hello");
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Replay {
    recording: Arc<Recording>,
    next: usize,
    left_bytes: usize,
    trailers_sent: bool,
}

impl Replay {
    /// Plays `recording` from its beginning.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use blossom_layers::body::{Recording, Replay};
    /// # use http_body::Body;
    /// let mut recording = Recording::default();
    /// recording.push("hello".into());
    /// let body = Replay::new(Arc::new(recording));
    /// assert_eq!(body.size_hint().exact(), Some(5));
    /// ```
    #[must_use]
    pub fn new(recording: Arc<Recording>) -> Self {
        Self {
            next: 0,
            left_bytes: recording.len_bytes,
            trailers_sent: recording.trailers.is_none(),
            recording,
        }
    }
}

impl Body for Replay {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if let Some(frame) = this.recording.frames().get(this.next) {
            this.next += 1;
            this.left_bytes = this.left_bytes.saturating_sub(frame.len());
            return Poll::Ready(Some(Ok(Frame::data(frame.clone()))));
        }
        if this.trailers_sent {
            return Poll::Ready(None);
        }
        this.trailers_sent = true;
        let trailers = this.recording.trailers().cloned();
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.recording.frames().len() && self.trailers_sent
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn recording() -> Arc<Recording> {
        let mut recording = Recording::default();
        recording.push("ab".into());
        recording.push("c".into());
        Arc::new(recording)
    }

    #[tokio::test]
    async fn keeps_the_boundaries_of_frames() {
        let mut body = Replay::new(recording());

        assert_eq!(body.size_hint().exact(), Some(3));
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "ab"
        );
        assert_eq!(body.size_hint().exact(), Some(1));
        assert!(!body.is_end_stream());
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "c"
        );
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn plays_the_trailers_last_and_is_not_at_its_end_before() {
        let mut with_trailers = Recording::clone(&recording());
        with_trailers.set_trailers(HeaderMap::new());
        let mut body = Replay::new(Arc::new(with_trailers));

        body.frame().await.unwrap().unwrap();
        body.frame().await.unwrap().unwrap();
        assert!(!body.is_end_stream());
        assert!(body.frame().await.unwrap().unwrap().is_trailers());
        assert!(body.is_end_stream());
    }

    #[test]
    fn an_empty_recording_is_at_its_end() {
        assert!(Replay::new(Arc::default()).is_end_stream());
    }
}
