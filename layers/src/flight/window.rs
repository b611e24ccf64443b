use std::collections::VecDeque;

use bytes::Bytes;

/// The frames of a reply that is too large to be kept: each until all have read it.
#[derive(Debug, Default)]
pub(super) struct Window {
    // The number of the first frame that is kept.
    base: usize,
    frames: VecDeque<Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    data: Bytes,
    // How many are still to read it.
    left: usize,
}

impl Window {
    /// Takes over the frames of a reply that was kept whole; `readers` are the numbers of the frames
    /// that each reader reads next.
    pub(super) fn new(frames: &[Bytes], readers: impl Iterator<Item = usize>) -> Self {
        let mut begin = vec![0_usize; frames.len() + 1];
        for next in readers {
            if let Some(begin) = begin.get_mut(next) {
                *begin += 1;
            }
        }
        let mut left = 0;
        let mut window = Self::default();
        for (data, begin) in frames.iter().zip(begin) {
            left += begin;
            window.push(data.clone(), left);
        }
        window.trim();
        window
    }

    /// The number of the next frame.
    pub(super) fn end(&self) -> usize {
        self.base + self.frames.len()
    }

    /// The bytes that are kept.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, data: Bytes, readers: usize) {
        self.bytes += data.len();
        self.frames.push_back(Kept {
            data,
            left: readers,
        });
    }

    /// The frame `number`, which one reader has now read.
    pub(super) fn read(&mut self, number: usize) -> Option<Bytes> {
        let kept = self.frames.get_mut(number.checked_sub(self.base)?)?;
        kept.left = kept.left.saturating_sub(1);
        let data = kept.data.clone();
        self.trim();
        Some(data)
    }

    /// A reader that was to read from `next` on will not.
    pub(super) fn leave(&mut self, next: usize) {
        for kept in self.frames.iter_mut().skip(next.saturating_sub(self.base)) {
            kept.left = kept.left.saturating_sub(1);
        }
        self.trim();
    }

    /// The first frame that a reader must have come to so that no more than `limit` bytes are kept.
    pub(super) fn within(&self, limit: usize) -> usize {
        let mut bytes = self.bytes;
        let mut first = self.base;
        for kept in &self.frames {
            if bytes <= limit {
                break;
            }
            bytes -= kept.data.len();
            first += 1;
        }
        first
    }

    fn trim(&mut self) {
        while self.frames.front().is_some_and(|kept| kept.left == 0) {
            if let Some(kept) = self.frames.pop_front() {
                self.bytes -= kept.data.len();
                self.base += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_kept_until_the_last_has_read_it() {
        let frames = ["ab", "c", "de"].map(Bytes::from);
        let mut window = Window::new(&frames, [1, 2].into_iter());
        assert_eq!((window.bytes(), window.end()), (3, 3));
        assert_eq!(window.within(2), 2);

        assert_eq!(window.read(0), None);
        assert_eq!(window.read(2).unwrap(), "de");
        assert_eq!(window.read(1).unwrap(), "c");
        assert_eq!(window.bytes(), 2);
        window.leave(2);
        assert_eq!((window.bytes(), window.end()), (0, 3));
        window.push(Bytes::from("f"), 1);
        assert_eq!(window.read(3).unwrap(), "f");
        assert_eq!(window.bytes(), 0);
    }
}
