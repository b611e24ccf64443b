//! Requests for images.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderValue, Request, Uri};
use serde::{Serialize, Serializer};

use super::{
    Dialect, Endpoint, Invalid,
    encode::{self, JSON, LIST, Url},
    invalid,
    parameter::{AspectRatio, Quality, Resolution, SEED, Safety},
    setters::setters,
};

/// The longest prompt that goes in a body, in characters.
const MAX_PROMPT: usize = 32_000;

/// What stands between several URLs in one text.
const SEPARATORS: [char; 2] = ['|', ','];

/// The side that the service takes where only the other is given.
const DEFAULT_SIDE: u32 = 1024;

const IMAGE: HeaderValue = HeaderValue::from_static("image/*, video/*;q=0.9");

/// A request for an image.
///
/// It goes as a `GET` with the prompt in the path, which every dialect knows and every cache on the
/// way understands. In the gen dialect what a path cannot hold goes as a `POST` instead: the prompts
/// `.` and `..`, which vanish on the way, and those that make the URL longer than 2,048 characters.
/// The two routes do not carry the same parameters; one that would be lost is refused.
///
/// | parameter | v1 | enter | gen | gen by `POST` |
/// |---|---|---|---|---|
/// | `model`, `width`, `height`, `seed`, `quality`, `image`, `safe` | yes | yes | yes | yes |
/// | `enhance`, `transparent` | yes | yes | yes | |
/// | `negative_prompt`, `guidance_scale`, `nologo`, `private`, `nofeed` | yes | yes | | |
/// | `duration`, `aspect_ratio`, `audio` | | yes | yes | |
/// | `no_cache` | | | yes | |
/// | `resolution` | | | | yes |
///
/// ```
/// use blossom::protocol::{Endpoint, ImageRequest};
///
/// let http = ImageRequest::new("a cat").size(512, 512).encode(&Endpoint::default())?;
/// assert_eq!(http.uri(), "https://gen.pollinations.ai/image/a%20cat?width=512&height=512");
/// # Ok::<_, blossom::protocol::Invalid>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ImageRequest {
    prompt: String,
    model: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    seed: Option<i64>,
    quality: Option<Quality>,
    safe: Safety,
    images: Vec<String>,
    negative_prompt: Option<String>,
    guidance_scale: Option<f64>,
    duration: Option<u32>,
    aspect_ratio: Option<AspectRatio>,
    resolution: Option<Resolution>,
    /// The switches that are on, by their names on the wire.
    switches: BTreeSet<&'static str>,
    by_post: bool,
}

/// Writes the setters of switches, which are sent when they are on; the docs show each by its name on
/// the wire, in a dialect that has it.
macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident: $wire:literal in $endpoint:expr;)*) => {$(
        $(#[$doc])*
        #[doc = concat!(
            "\n\n```\n# use blossom::protocol::*;\n",
            "let request = ImageRequest::new(\"a cat\").", stringify!($name), "(true);\n",
            "let http = request.encode(&", stringify!($endpoint), ")?;\n",
            "assert_eq!(http.uri().query(), Some(\"", $wire, "=true\"));\n",
            "# Ok::<_, Invalid>(())\n```"
        )]
        #[must_use]
        pub fn $name(self, on: bool) -> Self {
            self.switch($wire, on)
        }
    )*};
}

impl ImageRequest {
    /// A request for an image of `prompt`.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let http = ImageRequest::new("a cat").encode(&Endpoint::default())?;
    /// assert_eq!(http.uri().path(), "/image/a%20cat");
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    #[must_use]
    pub fn new(prompt: impl Into<String>) -> Self {
        Self {
            prompt: prompt.into(),
            ..Self::default()
        }
    }

    setters! {
        query of r#"ImageRequest::new("a cat")"#;

        /// The model or an alias of it. Default: the service's.
        model: impl Into<String> = "flux" => "flux";
        /// How wide, in pixels, 1 or more. Default: 1,024.
        width: u32 = 512 => "512";
        /// How high, in pixels, 1 or more. Default: 1,024.
        height: u32 = 768 => "768";
        /// Makes the image repeatable, -1 to 2147483647; -1 leaves the choice to the service.
        seed: i64 = 7 => "7";
        /// How much work goes into it. Default: medium.
        quality: Quality = Quality::High => "high";
        /// What must not be in the image.
        ///
        /// ```
        /// # use blossom::protocol::*;
        /// let image = ImageRequest::new("a cat").negative_prompt("dogs");
        /// assert_eq!(image.encode(&Endpoint::v1())?.uri().query(), Some("negative_prompt=dogs"));
        /// assert!(image.encode(&Endpoint::default()).is_err(), "the gen dialect would lose it");
        /// # Ok::<_, blossom::protocol::Invalid>(())
        /// ```
        negative_prompt: impl Into<String>;
        /// How closely the model follows the prompt.
        ///
        /// ```
        /// # use blossom::protocol::*;
        /// let image = ImageRequest::new("a cat").guidance_scale(7.5);
        /// assert_eq!(image.encode(&Endpoint::v1())?.uri().query(), Some("guidance_scale=7.5"));
        /// assert!(image.encode(&Endpoint::default()).is_err(), "the gen dialect would lose it");
        /// # Ok::<_, blossom::protocol::Invalid>(())
        /// ```
        guidance_scale: f64;
        /// How long a video is, in seconds, 1 to 120.
        duration: u32 = 8 => "8";
        /// The shape of a video.
        ///
        /// ```
        /// # use blossom::protocol::*;
        /// let film = ImageRequest::new("a cat").model("veo").aspect_ratio(AspectRatio::Portrait);
        /// let http = film.encode(&Endpoint::default())?;
        /// assert_eq!(http.uri().query(), Some("model=veo&aspectRatio=9%3A16"));
        /// # Ok::<_, blossom::protocol::Invalid>(())
        /// ```
        aspect_ratio: AspectRatio;
        /// The size by its usual name. Only a `POST` carries it.
        ///
        /// ```
        /// # use blossom::protocol::*;
        /// let http = ImageRequest::new("a cat").resolution(Resolution::K2).encode(&Endpoint::default())?;
        /// assert_eq!(http.method(), "POST");
        /// let body: serde_json::Value = serde_json::from_slice(http.body())?;
        /// assert_eq!(body["resolution"], "2k");
        /// # Ok::<_, Box<dyn std::error::Error>>(())
        /// ```
        resolution: Resolution;
    }

    switches! {
        /// Lets a language model write a better prompt first. Default: off.
        enhance: "enhance" in Endpoint::default();
        /// Leaves the background out. Default: off.
        transparent: "transparent" in Endpoint::default();
        /// Leaves the service's mark out. Default: off.
        nologo: "nologo" in Endpoint::v1();
        /// Keeps the image out of the public feed. Default: off.
        private: "private" in Endpoint::v1();
        /// The same under its later name. Default: off.
        nofeed: "nofeed" in Endpoint::v1();
        /// Gives a video its sound. Default: off.
        audio: "audio" in Endpoint::default();
        /// Draws again what the service has in its own cache. Default: off.
        no_cache: "no-cache" in Endpoint::default();
    }

    /// Width and height, in pixels, 1 or more each.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let http = ImageRequest::new("a cat").size(512, 768).encode(&Endpoint::default())?;
    /// assert_eq!(http.uri().query(), Some("width=512&height=768"));
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    #[must_use]
    pub fn size(self, width: u32, height: u32) -> Self {
        self.width(width).height(height)
    }

    /// An image at an `http` or `https` URL to begin from; may be called for several.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let image = ImageRequest::new("the same in blue").image("https://example.com/cat.png");
    /// let http = image.encode(&Endpoint::default())?;
    /// assert_eq!(http.uri().query(), Some("image=https%3A%2F%2Fexample.com%2Fcat.png"));
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    #[must_use]
    pub fn image(mut self, url: impl Into<String>) -> Self {
        self.images.push(url.into());
        self
    }

    /// What the service filters. The v1 and enter dialects know [`Safety::on`] only.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let image = ImageRequest::new("a cat").safe(Safety::default().violence());
    /// assert_eq!(image.encode(&Endpoint::default())?.uri().query(), Some("safe=violence"));
    /// assert!(image.encode(&Endpoint::v1()).is_err(), "it knows on and off only");
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    #[must_use]
    pub const fn safe(mut self, safe: Safety) -> Self {
        self.safe = safe;
        self
    }

    /// Sends the request as a `POST`, which keeps the prompt out of URLs and their logs. Only the gen
    /// dialect has it. Default: off.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let http = ImageRequest::new("a secret cat").by_post(true).encode(&Endpoint::default())?;
    /// assert_eq!(http.uri(), "https://gen.pollinations.ai/v1/images/generations");
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    #[must_use]
    pub const fn by_post(mut self, by_post: bool) -> Self {
        self.by_post = by_post;
        self
    }

    fn switch(mut self, name: &'static str, on: bool) -> Self {
        if on {
            self.switches.insert(name);
        } else {
            self.switches.remove(name);
        }
        self
    }

    /// The URL of the image, without a key. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`] as [`encode`](Self::encode), and where the request cannot be a `GET`.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let url = ImageRequest::new("a cat").seed(7).url(&Endpoint::default())?;
    /// assert_eq!(url, "https://gen.pollinations.ai/image/a%20cat?seed=7");
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    pub fn url(&self, endpoint: &Endpoint) -> Result<Uri, Invalid> {
        self.validate(endpoint.dialect())?;
        if let Some(why) = self.must_post() {
            return Err(Invalid::new(why, "cannot stand in a URL"));
        }
        self.validate_query(endpoint.dialect())?;
        self.get(endpoint)
    }

    /// The request as it goes on the wire, without a key.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the parameter that is out of its range, or that this route of this dialect
    /// does not carry.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let image = ImageRequest::new("a cat").no_cache(true);
    /// assert_eq!(image.encode(&Endpoint::default())?.method(), "GET");
    /// let invalid = image.encode(&Endpoint::v1()).unwrap_err();
    /// assert_eq!(invalid.parameter(), "no-cache");
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    pub fn encode(&self, endpoint: &Endpoint) -> Result<Request<Bytes>, Invalid> {
        self.validate(endpoint.dialect())?;
        if self.must_post().is_some() {
            return self.post(endpoint);
        }
        self.validate_query(endpoint.dialect())?;
        match self.get(endpoint) {
            Ok(uri) => Ok(encode::get(uri, IMAGE)),
            // What a path cannot hold.
            Err(_) if endpoint.dialect() == Dialect::Gen => self.post(endpoint),
            Err(invalid) => Err(invalid),
        }
    }

    /// What of this request no `GET` carries.
    const fn must_post(&self) -> Option<&'static str> {
        if self.by_post {
            Some("by_post")
        } else if self.resolution.is_some() {
            Some("resolution")
        } else {
            None
        }
    }

    fn validate(&self, dialect: Dialect) -> Result<(), Invalid> {
        invalid::not_empty("prompt", Some(&self.prompt))?;
        invalid::not_empty("model", self.model.as_deref())?;
        for (name, side) in [("width", self.width), ("height", self.height)] {
            invalid::integer(name, side.map(i64::from), 1, i64::from(u32::MAX))?;
        }
        invalid::integer("seed", self.seed, SEED.0, SEED.1)?;
        invalid::integer("duration", self.duration.map(i64::from), 1, 120)?;
        if self.guidance_scale.is_some_and(|scale| !scale.is_finite()) {
            return Err(Invalid::new("guidance_scale", "must be a finite number"));
        }
        for url in &self.images {
            let starts = |start: &str| matches!(url.get(..start.len()), Some(s) if s.eq_ignore_ascii_case(start));
            if !starts("https://") && !starts("http://") {
                return Err(Invalid::new("image", "must start with https:// or http://"));
            }
        }
        let is_list = !self.safe.is_empty() && !self.safe.is_switch();
        if is_list && dialect != Dialect::Gen {
            let problem = format!("can only be Safety::on() with images of the {dialect} dialect");
            return Err(Invalid::new("safe", problem));
        }
        Ok(())
    }

    /// The names of what is set.
    fn given(&self) -> impl Iterator<Item = &'static str> + '_ {
        let options = [
            ("negative_prompt", self.negative_prompt.is_some()),
            ("guidance_scale", self.guidance_scale.is_some()),
            ("duration", self.duration.is_some()),
            ("aspectRatio", self.aspect_ratio.is_some()),
        ];
        let options = options.into_iter().filter(|(_, given)| *given);
        options
            .map(|(name, _)| name)
            .chain(self.switches.iter().copied())
    }

    fn validate_query(&self, dialect: Dialect) -> Result<(), Invalid> {
        match self.given().find(|name| !in_query(name, dialect)) {
            Some(lost) => Err(Invalid::not_carried(lost, "images", dialect)),
            None => Ok(()),
        }
    }

    fn get(&self, endpoint: &Endpoint) -> Result<Uri, Invalid> {
        let dialect = endpoint.dialect();
        let (path, taken) = match dialect {
            Dialect::V1 => ("/prompt/", [].as_slice()),
            Dialect::Enter => ("/generate/image/", LIST),
            Dialect::Gen => ("/image/", LIST),
        };
        if !encode::fits_path(&self.prompt, taken) {
            return Err(Invalid::new(
                "prompt",
                "cannot stand in a path, where it would vanish; write it in other words",
            ));
        }
        let url = Url::new(endpoint.image_base(), path);
        let mut url = match dialect {
            Dialect::V1 => url.segment(&self.prompt),
            // The router decodes the path, and the handler decodes the prompt again.
            Dialect::Enter | Dialect::Gen => url.segment_decoded_twice(&self.prompt),
        };
        url.pair("model", self.model.as_deref());
        url.pair("width", self.width);
        url.pair("height", self.height);
        url.pair("seed", self.seed);
        url.pair("quality", self.quality);
        url.pair("safe", (!self.safe.is_empty()).then_some(self.safe));
        url.pair("negative_prompt", self.negative_prompt.as_deref());
        url.pair("guidance_scale", self.guidance_scale);
        url.pair("duration", self.duration);
        url.pair("aspectRatio", self.aspect_ratio);
        for name in &self.switches {
            url.flag(name, true);
        }
        url.pair("image", self.image_list()?);
        if url.is_too_long() {
            return Err(Invalid::new(
                "prompt",
                format!(
                    "makes the URL longer than {} characters; shorten it",
                    encode::MAX_URL
                ),
            ));
        }
        url.build()
    }

    /// The images to begin from, in one parameter.
    fn image_list(&self) -> Result<Option<String>, Invalid> {
        if self.images.iter().any(|url| url.contains(SEPARATORS)) {
            return Err(Invalid::new(
                "image",
                "must not hold | or , in a URL, which stand between several: write %7C and %2C",
            ));
        }
        Ok((!self.images.is_empty()).then(|| self.images.join("|")))
    }

    fn post(&self, endpoint: &Endpoint) -> Result<Request<Bytes>, Invalid> {
        let dialect = endpoint.dialect();
        if dialect != Dialect::Gen {
            let why = self.must_post().unwrap_or("prompt");
            return Err(Invalid::not_carried(why, "images", dialect));
        }
        if let Some(lost) = self.given().next() {
            return Err(Invalid::new(
                lost,
                "cannot be sent with an image by POST, as this prompt or another parameter needs it",
            ));
        }
        let length = self.prompt.chars().count();
        if length > MAX_PROMPT {
            return Err(Invalid::new(
                "prompt",
                format!("must have at most {MAX_PROMPT} characters, not {length}"),
            ));
        }
        let size = (self.width.is_some() || self.height.is_some()).then(|| {
            let side = |side: Option<u32>| side.unwrap_or(DEFAULT_SIDE);
            format!("{}x{}", side(self.width), side(self.height))
        });
        let body = Body {
            prompt: &self.prompt,
            model: self.model.as_deref(),
            size,
            quality: self.quality,
            response_format: "b64_json",
            image: (!self.images.is_empty()).then_some(Images(&self.images)),
            resolution: self.resolution,
            seed: self.seed,
            safe: (!self.safe.is_empty()).then_some(self.safe),
        };
        let uri = Url::new(endpoint.image_base(), "/v1/images/generations").build()?;
        encode::post(uri, JSON, &body)
    }
}

/// Whether the query of a `GET` carries the parameter. What is not named here is carried by all.
fn in_query(name: &str, dialect: Dialect) -> bool {
    match name {
        "negative_prompt" | "guidance_scale" | "nologo" | "private" | "nofeed" => {
            dialect != Dialect::Gen
        }
        "duration" | "aspectRatio" | "audio" => dialect != Dialect::V1,
        "no-cache" => dialect == Dialect::Gen,
        _ => true,
    }
}

#[derive(Serialize)]
struct Body<'a> {
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<Quality>,
    response_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Images<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<Resolution>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safe: Option<Safety>,
}

/// One URL is a text, several are an array; so is one that holds what stands between several.
struct Images<'a>(&'a [String]);

impl Serialize for Images<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [one] if !one.contains(SEPARATORS) => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use proptest::prelude::*;

    use super::*;

    fn endpoint(dialect: Dialect) -> Endpoint {
        Endpoint::new(dialect, "http://127.0.0.1:1").unwrap()
    }

    fn path(request: &ImageRequest, dialect: Dialect) -> String {
        let uri = request.url(&endpoint(dialect)).unwrap();
        uri.path_and_query().unwrap().to_string()
    }

    fn body(request: &ImageRequest) -> serde_json::Value {
        let http = request.encode(&Endpoint::default()).unwrap();
        assert_eq!(http.method(), Method::POST);
        assert_eq!(http.uri().path(), "/v1/images/generations");
        serde_json::from_slice(http.body()).unwrap()
    }

    #[test]
    fn every_dialect_has_its_path() {
        let cat = ImageRequest::new("a cat");
        assert_eq!(path(&cat, Dialect::V1), "/prompt/a%20cat");
        assert_eq!(path(&cat, Dialect::Enter), "/generate/image/a%20cat");
        assert_eq!(path(&cat, Dialect::Gen), "/image/a%20cat");
        let v1 = cat.encode(&Endpoint::v1()).unwrap();
        assert_eq!(v1.uri().host(), Some("image.pollinations.ai"));
    }

    #[test]
    fn every_parameter_has_its_name_on_the_wire() {
        let request = ImageRequest::new("x")
            .model("flux")
            .size(640, 480)
            .seed(7)
            .quality(Quality::Hd)
            .safe(Safety::default().privacy())
            .image("https://example.com/a.png")
            .image("https://example.com/b.png")
            .enhance(true)
            .transparent(true)
            .duration(5)
            .aspect_ratio(AspectRatio::Landscape)
            .audio(true)
            .no_cache(true);
        assert_eq!(
            path(&request, Dialect::Gen),
            "/image/x?model=flux&width=640&height=480&seed=7&quality=hd&safe=privacy&duration=5\
             &aspectRatio=16%3A9&audio=true&enhance=true&no-cache=true&transparent=true\
             &image=https%3A%2F%2Fexample.com%2Fa.png%7Chttps%3A%2F%2Fexample.com%2Fb.png"
        );
        let older = ImageRequest::new("x")
            .negative_prompt("blur")
            .guidance_scale(7.5)
            .nologo(true)
            .private(true)
            .nofeed(true);
        for (dialect, start) in [
            (Dialect::V1, "/prompt/x?"),
            (Dialect::Enter, "/generate/image/x?"),
        ] {
            assert_eq!(
                path(&older, dialect).strip_prefix(start),
                Some(
                    "negative_prompt=blur&guidance_scale=7.5&nofeed=true&nologo=true&private=true"
                )
            );
        }
    }

    #[test]
    fn a_body_has_the_members_of_the_post_route() {
        let request = ImageRequest::new("x")
            .width(640)
            .resolution(Resolution::P1080)
            .quality(Quality::Low)
            .image("https://example.com/a.png")
            .safe(Safety::on());
        assert_eq!(
            body(&request),
            serde_json::json!({
                "prompt": "x", "size": "640x1024", "quality": "low", "response_format": "b64_json",
                "image": "https://example.com/a.png", "resolution": "1080p", "safe": true,
            })
        );
    }

    #[test]
    fn what_would_be_lost_is_refused_by_name() {
        let new = || ImageRequest::new("x");
        for (request, dialect, name) in [
            (new().negative_prompt("y"), Dialect::Gen, "negative_prompt"),
            (new().guidance_scale(1.0), Dialect::Gen, "guidance_scale"),
            (new().nologo(true), Dialect::Gen, "nologo"),
            (new().private(true), Dialect::Gen, "private"),
            (new().nofeed(true), Dialect::Gen, "nofeed"),
            (new().duration(5), Dialect::V1, "duration"),
            (
                new().aspect_ratio(AspectRatio::Portrait),
                Dialect::V1,
                "aspectRatio",
            ),
            (new().audio(true), Dialect::V1, "audio"),
            (new().no_cache(true), Dialect::V1, "no-cache"),
            (new().no_cache(true), Dialect::Enter, "no-cache"),
            (new().resolution(Resolution::K1), Dialect::V1, "resolution"),
            (new().by_post(true), Dialect::Enter, "by_post"),
            (new().by_post(true).enhance(true), Dialect::Gen, "enhance"),
            (
                new().by_post(true).transparent(true),
                Dialect::Gen,
                "transparent",
            ),
            (
                new().safe(Safety::default().violence()),
                Dialect::V1,
                "safe",
            ),
        ] {
            let error = request.encode(&endpoint(dialect)).unwrap_err();
            assert_eq!(error.parameter(), name, "{dialect}");
        }
        assert_eq!(
            path(&new().nologo(true).nologo(false), Dialect::Gen),
            "/image/x"
        );
    }

    #[test]
    fn ranges_are_checked() {
        let new = || ImageRequest::new("x");
        for (request, text) in [
            (ImageRequest::new(""), "prompt must not be empty"),
            (new().model(""), "model must not be empty"),
            (new().size(0, 9), "width must be 1 to 4294967295, not 0"),
            (new().seed(-2), "seed must be -1 to 2147483647, not -2"),
            (new().duration(121), "duration must be 1 to 120, not 121"),
            (
                new().guidance_scale(f64::NAN),
                "guidance_scale must be a finite number",
            ),
            (
                new().image("file:///etc/passwd"),
                "image must start with https:// or http://",
            ),
        ] {
            let error = request.encode(&endpoint(Dialect::Enter)).unwrap_err();
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn k3_what_a_path_cannot_hold_goes_by_post_or_is_refused() {
        let long = "long ".repeat(500);
        for prompt in [".", "..", "models", long.as_str()] {
            let request = ImageRequest::new(prompt);
            assert_eq!(body(&request)["prompt"], prompt);
            assert!(request.url(&Endpoint::default()).is_err());
            if prompt != "models" {
                for dialect in [Dialect::V1, Dialect::Enter] {
                    let error = request.encode(&endpoint(dialect)).unwrap_err();
                    assert_eq!(error.parameter(), "prompt");
                    assert!(!error.to_string().contains("long long"));
                }
            }
        }
        let error = ImageRequest::new(long).enhance(true);
        let error = error.encode(&Endpoint::default()).unwrap_err();
        assert_eq!(error.parameter(), "enhance");
        assert!(
            ImageRequest::new("x".repeat(32_001))
                .encode(&Endpoint::default())
                .is_err()
        );
    }

    #[test]
    fn a_url_of_an_image_to_begin_from_stays_one() {
        let request = ImageRequest::new("x").image("https://example.com/a,b.png");
        // A body has an array for several, so there nothing stands between them.
        let urls = serde_json::json!(["https://example.com/a,b.png"]);
        assert_eq!(body(&request)["image"], urls);
        let error = request.encode(&endpoint(Dialect::V1)).unwrap_err();
        assert_eq!(error.parameter(), "image");
    }

    /// As the service decodes: the router the path, and in the later dialects the handler once more.
    fn received(path: &str, twice: bool) -> String {
        let decode = |text: &str| {
            let bytes = percent_encoding::percent_decode_str(text);
            bytes.decode_utf8().unwrap().into_owned()
        };
        let once = decode(path);
        if twice { decode(&once) } else { once }
    }

    proptest! {
        #[test]
        fn k3_every_prompt_is_one_segment_that_decodes_to_it(prompt in "([%a-f0-9/.]|\\PC|\\n){1,40}") {
            for (dialect, start, twice) in [
                (Dialect::V1, "/prompt/", false),
                (Dialect::Enter, "/generate/image/", true),
                (Dialect::Gen, "/image/", true),
            ] {
                let Ok(uri) = ImageRequest::new(prompt.as_str()).url(&endpoint(dialect)) else {
                    prop_assert!([".", "..", "models"].contains(&prompt.as_str()));
                    continue;
                };
                let segment = uri.path().strip_prefix(start).unwrap();
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte);
                prop_assert!(segment.bytes().all(plain));
                prop_assert_eq!(received(segment, twice), prompt.as_str());
            }
        }
    }
}
