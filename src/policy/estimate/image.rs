//! Pictures by their size, which stands at the beginning of their data.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

/// What a picture costs that is only glanced at.
const GLANCE: u64 = 85;
/// What each tile costs beside that.
const TILE: u64 = 170;
/// A picture whose size is not known is taken for one of four tiles.
const UNKNOWN: u64 = GLANCE + 4 * TILE;
/// The longest side, and then the longest shorter side.
const FIT: [u64; 2] = [2048, 768];
const TILE_SIDE: u64 = 512;
/// How much of the data is looked at, in characters of base64.
const HEAD: usize = 64 * 1024;

/// The tokens of the picture at `url`, which may hold its data.
pub(super) fn tokens(url: &str, low: bool) -> u64 {
    if low {
        return GLANCE;
    }
    let size = url
        .strip_prefix("data:")
        .and_then(|data| data.split_once(";base64,"))
        .and_then(|(_, data)| size(&head(data)));
    match size {
        Some((width, height)) => tiles(width.into(), height.into()) * TILE + GLANCE,
        None => UNKNOWN,
    }
}

/// The beginning of the data, as far as it can be read.
fn head(data: &str) -> Vec<u8> {
    let data = data.trim_end_matches('=');
    let end = data.len().min(HEAD) / 4 * 4;
    let data = data.as_bytes().get(..end).unwrap_or_default();
    STANDARD_NO_PAD.decode(data).unwrap_or_default()
}

/// How many tiles a picture has when it has been made to fit.
fn tiles(width: u64, height: u64) -> u64 {
    let (long, short) = (width.max(height), width.min(height));
    let scale = |side: u64, to: u64, of: u64| if of > to { side * to / of } else { side };
    let [most, shorter] = FIT;
    let (long, short) = (scale(long, most, long), scale(short, most, long));
    let (long, short) = (scale(long, shorter, short), scale(short, shorter, short));
    long.div_ceil(TILE_SIDE).max(1) * short.div_ceil(TILE_SIDE).max(1)
}

/// Width and height of a PNG, GIF, WebP or JPEG.
fn size(data: &[u8]) -> Option<(u32, u32)> {
    match data {
        [0x89, b'P', b'N', b'G', ..] => Some((big(data, 16, 4)?, big(data, 20, 4)?)),
        [b'G', b'I', b'F', b'8', ..] => Some((little(data, 6, 2)?, little(data, 8, 2)?)),
        [b'R', b'I', b'F', b'F', ..] => webp(data),
        [0xFF, 0xD8, ..] => jpeg(data),
        _ => None,
    }
}

fn webp(data: &[u8]) -> Option<(u32, u32)> {
    match data.get(12..16)? {
        b"VP8X" => Some((little(data, 24, 3)? + 1, little(data, 27, 3)? + 1)),
        b"VP8 " => Some((little(data, 26, 2)? & 0x3FFF, little(data, 28, 2)? & 0x3FFF)),
        b"VP8L" => {
            let bits = little(data, 21, 4)?;
            Some(((bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1))
        }
        _ => None,
    }
}

/// A JPEG has its size in the segment that begins its frame.
fn jpeg(data: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        let marker = big(data, at, 2)?;
        match marker {
            0xFFC4 | 0xFFC8 | 0xFFCC => {}
            0xFFC0..=0xFFCF => return Some((big(data, at + 7, 2)?, big(data, at + 5, 2)?)),
            0xFF00..=0xFFFF => {}
            _ => return None,
        }
        at += 2 + usize::try_from(big(data, at + 2, 2)?.max(2)).ok()?;
    }
}

/// The number in `length` bytes at `at`, the highest first.
fn big(data: &[u8], at: usize, length: usize) -> Option<u32> {
    let bytes = data.get(at..at + length)?;
    Some(
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte)),
    )
}

/// The number in `length` bytes at `at`, the lowest first.
fn little(data: &[u8], at: usize, length: usize) -> Option<u32> {
    let bytes = data.get(at..at + length)?;
    let sum = |sum, byte: &u8| sum << 8 | u32::from(*byte);
    Some(bytes.iter().rev().fold(0, sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_tells_its_size() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend([0, 0, 3, 0, 0, 0, 1, 0]);
        assert_eq!(size(&png), Some((768, 256)));

        assert_eq!(size(b"GIF89a\x10\0\x20\x01"), Some((16, 288)));

        let mut vp8x = b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0".to_vec();
        vp8x.extend([0xFF, 1, 0, 0xFF, 3, 0]);
        assert_eq!(size(&vp8x), Some((512, 1024)));

        let mut vp8l = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f".to_vec();
        vp8l.extend((511_u32 | 255 << 14).to_le_bytes());
        assert_eq!(size(&vp8l), Some((512, 256)));

        let jpeg = b"\xFF\xD8\xFF\xE0\0\x04ab\xFF\xC4\0\x02\xFF\xC2\0\x0b\x08\x01\0\x02\0";
        assert_eq!(size(jpeg), Some((512, 256)));
    }

    #[test]
    fn what_is_cut_or_no_picture_has_no_size() {
        for data in [
            &b""[..],
            b"\x89PNG",
            b"GIF89a\x10",
            b"RIFF....WEBPVP8?",
            b"\xFF\xD8\xFF\xE0",
        ] {
            assert_eq!(size(data), None);
        }
        // Segments of no length end all the same.
        assert_eq!(size(&[0xFF, 0xD8].repeat(1000)), None);
    }

    #[test]
    fn pictures_are_made_to_fit_before_they_are_cut() {
        assert_eq!(tiles(512, 512), 1);
        assert_eq!(tiles(1024, 1024), 4);
        assert_eq!(tiles(2048, 4096), 6);
        assert_eq!(tiles(0, 0), 1);
        assert_eq!(tiles(u64::from(u32::MAX), 1), 4);
    }
}
