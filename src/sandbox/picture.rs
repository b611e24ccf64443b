//! Pictures drawn from a hash.

use jpeg_encoder::{ColorType, Encoder};

use super::{encode, generate::Chance};

/// A picture of one of 16 colours a cell, drawn small and scaled up.
pub(super) struct Picture {
    width: u32,
    height: u32,
    palette: [[u8; 3]; COLOURS],
    cells: Vec<u8>,
    transparent: bool,
}

const COLOURS: usize = 16;
/// Cells on each side.
const CELLS: u32 = 48;
/// The colours of the ground come first, then those of shapes.
const GROUND: u32 = 11;
const ACCENTS: u32 = 5;

impl Picture {
    /// Draws what `parts` hash to.
    pub(super) fn draw(parts: &[&[u8]], width: u32, height: u32, transparent: bool) -> Self {
        let mut chance = Chance::new(parts);
        let mut picture = Self {
            width,
            height,
            palette: palette(&mut chance),
            cells: Vec::new(),
            transparent,
        };
        let slope = (1 + chance.small(4), 1 + chance.small(4));
        let shapes: Vec<Shape> = (0..5 + chance.small(5))
            .map(|_| Shape::new(&mut chance))
            .collect();
        let span = CELLS * (slope.0 + slope.1);
        for y in 0..CELLS {
            for x in 0..CELLS {
                let ground = (x * slope.0 + y * slope.1) * GROUND / span;
                let shape = shapes.iter().rev().find(|shape| shape.covers(x, y));
                let colour = shape.map_or(ground, |shape| shape.colour);
                picture.cells.push(u8::try_from(colour).unwrap_or(0));
            }
        }
        picture
    }

    /// The colours of one row of pixels, and which row of cells it shows.
    fn row(&self, y: u32) -> (u32, impl Iterator<Item = u8>) {
        let cell = |at: u32, of: u32| at * CELLS / of.max(1);
        let line = cell(y, self.height);
        let colours = (0..self.width).map(move |x| {
            let at = usize::try_from(line * CELLS + cell(x, self.width)).unwrap_or(0);
            self.cells.get(at).copied().unwrap_or(0)
        });
        (line, colours)
    }

    /// All rows; the many that are alike are made once.
    fn rows(&self, make: impl Fn(&mut dyn Iterator<Item = u8>) -> Vec<u8>) -> Vec<u8> {
        let mut pixels = Vec::new();
        let mut last = (u32::MAX, Vec::new());
        for y in 0..self.height {
            let (line, mut colours) = self.row(y);
            if last.0 != line {
                last = (line, make(&mut colours));
            }
            pixels.extend_from_slice(&last.1);
        }
        pixels
    }

    fn rgb(&self, colour: u8) -> [u8; 3] {
        self.palette
            .get(usize::from(colour))
            .copied()
            .unwrap_or_default()
    }

    /// PNG (RFC 2083) with a palette, four bits a pixel.
    pub(super) fn png(&self) -> Vec<u8> {
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut head = [self.width.to_be_bytes(), self.height.to_be_bytes()].concat();
        head.extend([4, 3, 0, 0, 0]);
        chunk(&mut png, *b"IHDR", &head);
        chunk(&mut png, *b"PLTE", self.palette.as_flattened());
        if self.transparent {
            // The first colour of the ground.
            chunk(&mut png, *b"tRNS", &[0]);
        }
        let scanlines = self.rows(|colours| {
            // A row begins with its filter, which is none.
            let mut row = vec![0];
            while let Some(left) = colours.next() {
                row.push(left << 4 | colours.next().unwrap_or(0));
            }
            row
        });
        chunk(&mut png, *b"IDAT", &encode::zlib(&scanlines));
        chunk(&mut png, *b"IEND", &[]);
        png
    }

    /// JPEG; `quality` is 1 to 100. Empty if the sides do not fit into a JPEG.
    pub(super) fn jpeg(&self, quality: u8) -> Vec<u8> {
        let rgb = self.rows(|colours| colours.flat_map(|colour| self.rgb(colour)).collect());
        let mut jpeg = Vec::new();
        let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
        let encoder = Encoder::new(&mut jpeg, quality);
        let done = encoder.encode(&rgb, side(self.width), side(self.height), ColorType::Rgb);
        if done.is_ok() { jpeg } else { Vec::new() }
    }
}

/// A disc or a box.
struct Shape {
    round: bool,
    x: u32,
    y: u32,
    size: u32,
    colour: u32,
}

impl Shape {
    fn new(chance: &mut Chance) -> Self {
        Self {
            round: chance.small(2) == 0,
            x: chance.small(CELLS),
            y: chance.small(CELLS),
            size: 3 + chance.small(CELLS / 4),
            colour: GROUND + chance.small(ACCENTS),
        }
    }

    const fn covers(&self, x: u32, y: u32) -> bool {
        let (dx, dy) = (self.x.abs_diff(x), self.y.abs_diff(y));
        if self.round {
            dx * dx + dy * dy <= self.size * self.size
        } else {
            dx <= self.size && dy <= self.size
        }
    }
}

/// A ground that goes from one colour to another, and a few colours that stand out.
fn palette(chance: &mut Chance) -> [[u8; 3]; COLOURS] {
    let mut colour = || [0; 3].map(|_: u8| u8::try_from(chance.below(256)).unwrap_or(0));
    let (from, to) = (colour(), colour());
    let mut palette = [[0; 3]; COLOURS];
    for (step, entry) in (0..).zip(&mut palette) {
        if step >= GROUND {
            *entry = colour();
            continue;
        }
        for ((value, from), to) in entry.iter_mut().zip(from).zip(to) {
            let mixed = u32::from(from) * (GROUND - step) + u32::from(to) * step;
            *value = u8::try_from(mixed / GROUND).unwrap_or(0);
        }
    }
    palette
}

/// Length, kind, data, and the checksum of the latter two.
fn chunk(png: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    png.extend(u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
    let checked = [&kind, data].concat();
    png.extend(&checked);
    png.extend(crc32(&checked).to_be_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_the_size_that_was_asked_for() {
        for (width, height) in [(1, 1), (7, 3), (64, 64), (513, 255), (4096, 1)] {
            let picture = Picture::draw(&[b"a cat"], width, height, false);

            let png = picture.png();
            assert_eq!(png[16..20], width.to_be_bytes());
            assert_eq!(png[20..24], height.to_be_bytes());

            // In a JPEG the size stands in the frame header (marker SOF0).
            let jpeg = picture.jpeg(80);
            let frame = jpeg
                .windows(2)
                .position(|pair| pair == [0xff, 0xc0])
                .unwrap();
            let side = |at: usize| u32::from(u16::from_be_bytes([jpeg[at], jpeg[at + 1]]));
            assert_eq!((side(frame + 7), side(frame + 5)), (width, height));
        }
    }

    #[test]
    fn the_same_prompt_has_the_same_picture_and_another_has_another() {
        let draw = |prompt: &str| Picture::draw(&[prompt.as_bytes()], 64, 64, false).png();

        assert_eq!(draw("a cat"), draw("a cat"));
        assert_ne!(draw("a cat"), draw("a dog"));
    }

    #[test]
    fn a_checksum_is_what_the_standard_says() {
        // An empty IEND, as it stands at the end of every PNG.
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
    }
}
