//! Media types from first bytes, since neither names nor headers can be trusted with them.

/// The media type that the first bytes tell, after the MIME Sniffing Standard, section 6.
pub(crate) fn media_type(bytes: &[u8]) -> Option<&'static str> {
    if let Some(&(_, media_type)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(media_type);
    }
    match (bytes.get(..4), bytes.get(4..8), bytes.get(8..12)) {
        (Some(b"RIFF"), _, Some(b"WEBP")) => Some("image/webp"),
        (Some(b"RIFF"), _, Some(b"WAVE")) => Some("audio/wav"),
        (_, Some(b"ftyp"), Some(b"avif" | b"avis")) => Some("image/avif"),
        (_, Some(b"ftyp"), Some(b"heic" | b"heix" | b"mif1" | b"msf1")) => Some("image/heic"),
        (_, Some(b"ftyp"), _) => Some("video/mp4"),
        _ if is_svg(bytes) => Some("image/svg+xml"),
        _ if is_page(bytes) => Some("text/html"),
        _ if is_mpeg_audio(bytes) => Some("audio/mpeg"),
        _ => None,
    }
}

fn is_svg(bytes: &[u8]) -> bool {
    let start = bytes.get(..bytes.len().min(512)).unwrap_or(bytes);
    let start = start.trim_ascii_start();
    (start.starts_with(b"<svg") || start.starts_with(b"<?xml"))
        && memchr::memmem::find(start, b"<svg").is_some()
}

fn is_page(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    [b"<!doctype html".as_slice(), b"<html"].iter().any(|tag| {
        let begin = start.get(..tag.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(tag))
    })
}

/// A frame header: eleven set bits, then a layer and a bit rate that exist.
fn is_mpeg_audio(bytes: &[u8]) -> bool {
    match bytes.get(..3) {
        Some(&[0xff, second, third]) => {
            second & 0xe0 == 0xe0 && second & 0x06 != 0 && third & 0xf0 != 0xf0
        }
        _ => false,
    }
}

const MAGIC: [(&[u8], &str); 13] = [
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"glTF", "model/gltf-binary"),
    (b"\x1aE\xdf\xa3", "video/webm"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_the_service_sends() {
        for (bytes, expected) in [
            (b"\x89PNG\r\n\x1a\n".as_slice(), Some("image/png")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"RIFF\0\0\0\0WAVEfmt ", Some("audio/wav")),
            (b"\0\0\0\x1cftypavif", Some("image/avif")),
            (b"\0\0\0\x1cftypisom", Some("video/mp4")),
            (b" <svg xmlns='x'/>", Some("image/svg+xml")),
            (b"<?xml version='1.0'?><svg/>", Some("image/svg+xml")),
            (b"\xff\xfb\x90\x00", Some("audio/mpeg")),
            (b"\n<!DOCTYPE HTML><html>", Some("text/html")),
            (b"<?xml version='1.0'?><x/>", None),
            (b"hello", None),
            (b"", None),
            (b"\xff", None),
        ] {
            assert_eq!(media_type(bytes), expected);
        }
    }
}
