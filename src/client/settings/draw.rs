/// The settings of a call for an image.
macro_rules! draw_settings {
    ($write:ident) => {
        $write! {
            /// The model. Not sent unless set: the service has a default of its own.
            model(value: impl Into<String>) {
                /// let url = client.image().generate("a cat").model("flux").url()?;
                /// assert!(url.contains("model=flux"));
            }
            /// Width and height, in pixels, 1 or more each. Default: 1,024 each.
            size(width: u32, height: u32) {
                /// let url = client.image().generate("a cat").size(64, 32).url()?;
                /// assert!(url.ends_with("?width=64&height=32"));
            }
            /// How wide, in pixels, 1 or more. Default: 1,024.
            width(value: u32) {
                /// let url = client.image().generate("a cat").width(64).url()?;
                /// assert!(url.contains("width=64"));
            }
            /// How high, in pixels, 1 or more. Default: 1,024.
            height(value: u32) {
                /// let url = client.image().generate("a cat").height(64).url()?;
                /// assert!(url.contains("height=64"));
            }
            /// Makes the image repeatable, -1 to 2147483647. Another seed gets another image; the same
            /// request gets the same one from the service's own cache.
            seed(value: i64) {
                /// let url = client.image().generate("a cat").seed(7).url()?;
                /// assert!(url.contains("seed=7"));
            }
            /// How much work goes into it. Default: medium.
            quality(value: Quality) {
                /// use blossom::Quality;
                ///
                /// let url = client.image().generate("a cat").quality(Quality::Hd).url()?;
                /// assert!(url.contains("quality=hd"));
            }
            /// An image at an `http` or `https` URL to begin from; may be called for several.
            image(url: impl Into<String>) {
                /// client.image().generate("in oil").size(64, 64).image("https://example.com/cat")
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["image"][0], "https://example.com/cat");
            }
            /// What the service filters. The v1 and enter dialects know [`Safety::on`] only.
            safe(value: Safety) {
                /// use blossom::protocol::Safety;
                ///
                /// let url = client.image().generate("a cat").safe(Safety::on()).url()?;
                /// assert!(url.contains("safe=true"));
            }
            /// Lets a language model write a better prompt first. Default: off.
            enhance(on: bool) {
                /// let url = client.image().generate("a cat").enhance(true).url()?;
                /// assert!(url.contains("enhance=true"));
            }
            /// Leaves the background out. Default: off.
            transparent(on: bool) {
                /// let image = client.image().generate("a cat").size(64, 64).transparent(true)
                =>
                /// assert_eq!(image.content_type(), "image/png");
            }
            /// What must not be in the image. Not in the gen dialect.
            negative_prompt(value: impl Into<String>) {
                in v1
                /// v1.image().generate("a cat").size(64, 64).negative_prompt("dogs")
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["negative_prompt"], "dogs");
            }
            /// How closely the model follows the prompt. Not in the gen dialect.
            guidance_scale(value: f64) {
                in v1
                /// v1.image().generate("a cat").size(64, 64).guidance_scale(7.5)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["guidance_scale"], 7.5);
            }
            /// Leaves the service's mark out. Not in the gen dialect. Default: off.
            nologo(on: bool) {
                in v1
                /// let url = v1.image().generate("a cat").nologo(true).url()?;
                /// assert!(url.contains("nologo=true"));
            }
            /// Keeps the image out of the public feed. Not in the gen dialect. Default: off.
            private(on: bool) {
                in v1
                /// let url = v1.image().generate("a cat").private(true).url()?;
                /// assert!(url.contains("private=true"));
            }
            /// The same under its later name. Not in the gen dialect. Default: off.
            nofeed(on: bool) {
                in v1
                /// let url = v1.image().generate("a cat").nofeed(true).url()?;
                /// assert!(url.contains("nofeed=true"));
            }
            /// How long a video is, in seconds, 1 to 120. Not in the v1 dialect.
            duration(value: u32) {
                /// let url = client.image().generate("a cat runs").duration(8).url()?;
                /// assert!(url.contains("duration=8"));
            }
            /// The shape of a video. Not in the v1 dialect.
            aspect_ratio(value: AspectRatio) {
                /// use blossom::protocol::AspectRatio;
                ///
                /// client.image().generate("a cat").size(64, 64).aspect_ratio(AspectRatio::Portrait)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["aspectRatio"], "9:16");
            }
            /// Gives a video its sound. Not in the v1 dialect. Default: off.
            audio(on: bool) {
                /// let url = client.image().generate("a cat purrs").audio(true).url()?;
                /// assert!(url.contains("audio=true"));
            }
            /// Draws again what the service has in its own cache. Only in the gen dialect. Default: off.
            no_cache(on: bool) {
                /// let url = client.image().generate("a cat").no_cache(true).url()?;
                /// assert!(url.contains("no-cache=true"));
            }
            /// The size by its usual name. Only in the gen dialect, and by `POST`.
            resolution(value: Resolution) {
                /// use blossom::protocol::Resolution;
                ///
                /// client.image().generate("a cat").resolution(Resolution::P480)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["resolution"], "480p");
            }
            /// Sends the request as a `POST`, which keeps the prompt out of URLs and their logs. Only in
            /// the gen dialect. Default: off.
            by_post(on: bool) {
                /// let image = client.image().generate("a cat").size(64, 64).by_post(true)
                =>
                /// assert_eq!(sandbox.requests()[0].path(), "/v1/images/generations");
                /// assert!(image.url().is_none());
            }
        }
    };
}

pub(crate) use draw_settings;
