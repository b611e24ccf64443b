//! Sounds: a tone for each word of a text, in every format that can be asked for.

use super::generate::Chance;

/// A sound and its media type.
pub(super) struct Sound {
    pub(super) content_type: &'static str,
    pub(super) bytes: Vec<u8>,
    /// How long it is, in milliseconds.
    pub(super) millis: u64,
}

/// Samples a second.
const RATE: u32 = 24_000;
const WORD_MS: u64 = 60;
const MAX_MS: u64 = 30_000;

/// Reads `text` aloud in `voice`. The formats that need a codec are silent, but as long.
pub(super) fn speak(text: &str, voice: &str, format: &str, millis: Option<u64>) -> Sound {
    let words = text.split_whitespace().count().max(1) as u64;
    let millis = millis.unwrap_or(words * WORD_MS).clamp(1, MAX_MS);
    let (content_type, bytes) = match format {
        "wav" => ("audio/wav", wav(&samples(text, voice, millis))),
        "pcm" | "pcm16" => ("audio/pcm", pcm(&samples(text, voice, millis))),
        "flac" => ("audio/flac", flac(&samples(text, voice, millis))),
        "opus" => ("audio/ogg", opus(&title(text, voice), millis)),
        "aac" => ("audio/aac", aac(millis)),
        _ => ("audio/mpeg", mp3(&title(text, voice), millis)),
    };
    Sound {
        content_type,
        bytes,
        millis,
    }
}

/// What tells a silent sound from another.
fn title(text: &str, voice: &str) -> String {
    let hash = Chance::new(&[text.as_bytes(), voice.as_bytes()]).below(u64::MAX);
    format!("{voice} {hash:016x}")
}

fn samples(text: &str, voice: &str, millis: u64) -> Vec<i16> {
    let mut chance = Chance::new(&[text.as_bytes(), voice.as_bytes()]);
    let word = usize::try_from(u64::from(RATE) * WORD_MS / 1000).unwrap_or(1);
    let total = usize::try_from(u64::from(RATE) * millis / 1000).unwrap_or(0);
    let mut samples = Vec::with_capacity(total);
    while samples.len() < total {
        let step = f64::from(220 + chance.small(660)) * std::f64::consts::TAU / f64::from(RATE);
        let here = word.min(total - samples.len());
        samples.extend((0_u32..).take(here).map(|at| {
            #[expect(clippy::cast_possible_truncation, reason = "a sine of at most 8,000")]
            let sample = ((f64::from(at) * step).sin() * 8_000.0) as i16;
            sample
        }));
    }
    samples
}

fn pcm(samples: &[i16]) -> Vec<u8> {
    samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect()
}

fn wav(samples: &[i16]) -> Vec<u8> {
    let data = pcm(samples);
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut wav = Vec::with_capacity(44 + data.len());
    wav.extend(b"RIFF");
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    wav.extend([1, 0, 1, 0]);
    wav.extend(RATE.to_le_bytes());
    wav.extend((2 * RATE).to_le_bytes());
    // Bytes and bits of a sample.
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(length.to_le_bytes());
    wav.extend(data);
    wav
}

/// Frames of MPEG 1 layer 3, 32 kbit/s, 44.1 kHz, mono, silent, behind an ID3 tag.
fn mp3(title: &str, millis: u64) -> Vec<u8> {
    let mut frame = vec![0xff, 0xfb, 0x10, 0xc4];
    frame.resize(104, 0);
    let mut text = vec![3];
    text.extend(title.as_bytes());
    // Short enough for sizes of one byte.
    let size = u8::try_from(text.len()).unwrap_or(0);
    let mut mp3 = b"ID3\x04\0\0\0\0\0".to_vec();
    mp3.push(size + 10);
    mp3.extend(b"TIT2\0\0\0");
    mp3.extend([size, 0, 0]);
    mp3.extend(text);
    // 1,152 samples a frame.
    mp3.extend(frame.repeat(frames(millis, 44_100, 1_152)));
    mp3
}

/// Frames of AAC-LC in ADTS, 44.1 kHz, mono, silent.
fn aac(millis: u64) -> Vec<u8> {
    const SILENCE: [u8; 6] = [0x00, 0xc8, 0x00, 0x80, 0x23, 0x80];
    // The length of a frame with its head is 13 bits wide, across three bytes: 13.
    let mut frame = vec![0xff, 0xf1, 0x50, 0x40, 0x01, 0xbf, 0xfc];
    frame.extend(SILENCE);
    frame.repeat(frames(millis, 44_100, 1_024))
}

fn frames(millis: u64, rate: u64, samples: u64) -> usize {
    usize::try_from((millis * rate / 1000).div_ceil(samples).max(1)).unwrap_or(1)
}

/// Opus in Ogg (RFC 7845), silent.
fn opus(title: &str, millis: u64) -> Vec<u8> {
    const PRE_SKIP: u64 = 312;
    const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
    // 20 ms at 48 kHz.
    const PACKET: u64 = 960;
    const PER_PAGE: usize = 50;
    let mut head = b"OpusHead\x01\x01".to_vec();
    head.extend([0x38, 0x01]);
    head.extend(48_000_u32.to_le_bytes());
    head.extend([0, 0, 0]);
    let mut tags = b"OpusTags\x07\0\0\0sandbox\x01\0\0\0".to_vec();
    let comment = format!("TITLE={title}");
    tags.extend(u32::try_from(comment.len()).unwrap_or(0).to_le_bytes());
    tags.extend(comment.as_bytes());
    let mut ogg = page(2, 0, 0, &[&head]);
    ogg.extend(page(0, 0, 1, &[&tags]));
    let mut left = frames(millis, 48_000, PACKET);
    let mut granule = PRE_SKIP;
    let mut number = 2;
    while left > 0 {
        let here = left.min(PER_PAGE);
        left -= here;
        granule += here as u64 * PACKET;
        let kind = if left == 0 { 4 } else { 0 };
        ogg.extend(page(kind, granule, number, &vec![&SILENCE[..]; here]));
        number += 1;
    }
    ogg
}

/// One Ogg page (RFC 3533); its packets have less than 255 bytes each.
fn page(kind: u8, granule: u64, number: u32, packets: &[&[u8]]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(kind);
    page.extend(granule.to_le_bytes());
    page.extend(*b"blsm");
    page.extend(number.to_le_bytes());
    page.extend([0; 4]);
    page.push(u8::try_from(packets.len()).unwrap_or(0));
    page.extend(
        packets
            .iter()
            .map(|packet| u8::try_from(packet.len()).unwrap_or(0)),
    );
    page.extend(packets.concat());
    let checksum = page.iter().fold(0_u32, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            (crc << 1) ^ (0x04c1_1db7 & (crc >> 31).wrapping_neg())
        })
    });
    page.splice(22..26, checksum.to_le_bytes());
    page
}

/// FLAC (RFC 9639) without prediction.
fn flac(samples: &[i16]) -> Vec<u8> {
    const BLOCK: usize = 4096;
    let mut flac = b"fLaC".to_vec();
    // STREAMINFO, the last metadata block: 34 bytes.
    flac.extend([0x80, 0, 0, 34]);
    flac.extend([0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    // 20 bits of rate, 3 of channels less one, 5 of bits less one, 36 of samples.
    let info = u64::from(RATE) << 44 | 15 << 36 | samples.len() as u64;
    flac.extend(info.to_be_bytes());
    flac.extend([0; 16]);
    for (number, block) in (0_u32..).zip(samples.chunks(BLOCK)) {
        let mut frame = vec![0xff, 0xf8, 0x70, 0x00];
        // Frame numbers are coded as characters are in UTF-8.
        let number = char::from_u32(number).unwrap_or_default();
        frame.extend(number.encode_utf8(&mut [0; 4]).as_bytes());
        let last = u16::try_from(block.len() - 1).unwrap_or(0);
        frame.extend(last.to_be_bytes());
        let checksum = crc(&frame, 0x07, 8);
        frame.push(u8::try_from(checksum & 0xff).unwrap_or(0));
        // A subframe that is verbatim.
        frame.push(0x02);
        frame.extend(block.iter().flat_map(|sample| sample.to_be_bytes()));
        let checksum = crc(&frame, 0x8005, 16);
        frame.extend(checksum.to_be_bytes());
        flac.extend(frame);
    }
    flac
}

/// A checksum of 8 or 16 bits, most significant first.
fn crc(bytes: &[u8], polynomial: u16, bits: u32) -> u16 {
    let shift = bits - 8;
    let top = bits - 1;
    let mask = u16::MAX >> (16 - bits);
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << shift), |crc: u16, _| {
            ((crc << 1) ^ (polynomial & (crc >> top & 1).wrapping_neg())) & mask
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_file_says_its_length_and_is_as_long_as_its_text() {
        let sound = speak("one two three", "nova", "wav", None);

        assert_eq!(sound.millis, 180);
        let length = sound.bytes.len();
        assert_eq!(length, 44 + 2 * 24 * 180);
        let told = |at: usize| u32::from_le_bytes(sound.bytes[at..at + 4].try_into().unwrap());
        assert_eq!(told(4) as usize, length - 8);
        assert_eq!(told(40) as usize, length - 44);
    }

    #[test]
    fn every_format_begins_as_it_should_and_depends_on_text_and_voice() {
        for (format, begin) in [
            ("wav", &b"RIFF"[..]),
            ("flac", b"fLaC"),
            ("opus", b"OggS"),
            ("mp3", b"ID3"),
            ("aac", b"\xff\xf1"),
        ] {
            let sound = |text, voice| speak(text, voice, format, None).bytes;
            assert!(sound("hello", "nova").starts_with(begin), "{format}");
            assert_eq!(sound("hello", "nova"), sound("hello", "nova"));
            if format != "aac" {
                assert_ne!(sound("hello", "nova"), sound("hello", "echo"), "{format}");
                assert_ne!(sound("hello", "nova"), sound("world", "nova"), "{format}");
            }
        }
    }

    #[test]
    fn checksums_are_those_of_the_standard() {
        // The check values of CRC-8/SMBUS and CRC-16/UMTS.
        assert_eq!(crc(b"123456789", 0x07, 8), 0xf4);
        assert_eq!(crc(b"123456789", 0x8005, 16), 0xfee8);
    }
}
