//! What the heuristic sees of a text: a symbol for each character, and the contexts that it stands in.
//!
//! Shared with the program that measures the weights, so it uses nothing but the standard library.

/// How many characters before the present one a context may hold.
const MOST: usize = 3;

/// How many kinds of characters there are; see [`class`].
pub(super) const CLASSES: usize = 64;

const SPACE: u32 = 0x11_0000;
const DIGIT: u32 = 0x11_0010;
const REPEAT: u32 = 0x11_0100;
const BEGIN: u32 = 0x11_1000;

/// Follows a text character by character. Holds the last four symbols, so a text may come in parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Symbols {
    last: char,
    run: u32,
    // The newest first.
    recent: [u32; MOST + 1],
}

impl Symbols {
    /// At the beginning of a text.
    pub(super) const fn new() -> Self {
        Self {
            last: '\0',
            run: 0,
            recent: [BEGIN; MOST + 1],
        }
    }

    /// Takes the next character. Says whether it ends a run of two spaces or more: the last of them
    /// then belongs to what follows, and begins a token.
    pub(super) fn push(&mut self, c: char) -> bool {
        let ends_spaces = self.last == ' ' && self.run > 0 && c != ' ';
        let same = c == self.last || (c.is_ascii_digit() && self.last.is_ascii_digit());
        self.run = if same { self.run.saturating_add(1) } else { 0 };
        self.last = c;
        let symbol = match c {
            ' ' if self.run < 3 => SPACE + self.run,
            // Digits are cut in threes.
            '0'..='9' => DIGIT + self.run % 3,
            // The longer a run, the longer its tokens.
            _ if self.run >= 3 => {
                REPEAT + 64 * self.run.saturating_add(1).ilog2().min(8) + class(c)
            }
            _ => c as u32,
        };
        let [a, b, d, _] = self.recent;
        self.recent = [symbol, a, b, d];
        ends_spaces
    }

    /// The contexts of the last character, each as one number, the longest first. A character that
    /// repeats itself has none but itself and its kind.
    pub(super) fn contexts(&self) -> impl Iterator<Item = u32> + use<> {
        let [a, b, c, d] = self.recent;
        let one = spread(a, 0x9E37_79B9_7F4A_7C15);
        let itself = one ^ spread(self.last as u32, 0xD6E8_FEB8_6659_FD93);
        let two = one ^ spread(b, 0xC2B2_AE3D_27D4_EB4F);
        let three = two ^ spread(c, 0x1656_67B1_9E37_79F9);
        let four = three ^ spread(d, 0x27D4_EB2F_1656_67C5);
        let all = if (REPEAT..BEGIN).contains(&a) {
            [None, None, Some((itself, 5)), Some((one, 1))]
        } else {
            [
                Some((four, 4)),
                Some((three, 3)),
                Some((two, 2)),
                Some((one, 1)),
            ]
        };
        all.into_iter()
            .flatten()
            .map(|(hash, kind)| mix(hash, kind))
    }
}

const fn spread(symbol: u32, by: u64) -> u64 {
    (symbol as u64 + 1).wrapping_mul(by)
}

const fn mix(hash: u64, kind: u64) -> u32 {
    let mixed = (hash ^ (hash >> 29) ^ kind).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 32) as u32
}

/// The kind of a character: its script, or what kind of sign it is. Less than [`CLASSES`].
pub(super) const fn class(c: char) -> u32 {
    match c as u32 {
        0x00..=0x1F => 0,
        0x41..=0x5A | 0x61..=0x7A => 1,
        0x20..=0x7F => 2,
        // Signs and letters of western Europe.
        0x80..=0xBF => 3,
        0xC0..=0x24F => 4,
        0x250..=0x36F => 5,
        // Greek, Cyrillic, Armenian, Hebrew, Arabic.
        0x370..=0x3FF => 6,
        0x400..=0x52F => 7,
        0x530..=0x58F => 8,
        0x590..=0x5FF => 9,
        0x600..=0x7FF => 10,
        // India: 128 code points each.
        code @ 0x800..=0xDFF => 11 + ((code - 0x800) >> 7),
        // Thai, Lao and Tibetan, Myanmar.
        0xE00..=0xE7F => 24,
        0xE80..=0xFFF => 25,
        0x1000..=0x109F => 26,
        0x10A0..=0x1DFF => 27,
        0x1E00..=0x1EFF => 28,
        0x1F00..=0x1FFF => 29,
        // Punctuation, numbers, arrows and operators, boxes, pictures.
        0x2000..=0x206F => 30,
        0x2070..=0x218F => 31,
        0x2190..=0x23FF => 32,
        0x2400..=0x25FF => 33,
        0x2600..=0x27BF => 34,
        0x27C0..=0x2FFF => 35,
        // East Asia.
        0x3000..=0x303F => 36,
        0x3040..=0x30FF => 37,
        0x3100..=0x33FF => 38,
        0x3400..=0x4DFF => 39,
        0x4E00..=0x9FFF => 40,
        0xA000..=0xABFF => 41,
        0xAC00..=0xD7AF => 42,
        0xD7B0..=0xFDFF => 43,
        0xFE00..=0xFE0F => 44,
        0xFE10..=0xFEFF => 45,
        0xFF00..=0xFFFF => 46,
        0x1_0000..=0x1_EFFF => 47,
        // Flags and tiles, then emoji.
        0x1_F000..=0x1_F2FF => 48,
        0x1_F300..=0x1_F64F => 49,
        0x1_F650..=0x1_FAFF => 50,
        0x2_0000..=0x3_FFFF => 51,
        _ => 52,
    }
}

/// Where the weight of a context stands: in which of `buckets`, and by which mark.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the mark is the lowest byte"
)]
pub(super) const fn place(context: u32, buckets: usize) -> (usize, u8) {
    ((context >> 8) as usize % buckets, context as u8)
}
