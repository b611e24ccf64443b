//! Drawing: the few shapes that charts are made of. Colours are classes of the page's style sheet.

/// How wide drawings are: one for phones, one for all else. The style sheet shows the one that fits,
/// so that writing has the same size on both.
const WIDTHS: [(&str, f64); 2] = [("narrow", 340.0), ("wide", 640.0)];

/// A drawing in the making.
pub(crate) struct Svg {
    pub(crate) width: f64,
    height: f64,
    body: String,
}

/// Which end of a text stands at its place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// Draws for every width. `title` and `description` are for those who cannot see it.
    pub(crate) fn draw(
        id: &str,
        title: &str,
        description: &str,
        height: impl Fn(f64) -> f64,
        draw: impl Fn(&mut Self),
    ) -> String {
        let mut all = String::new();
        for (class, width) in WIDTHS {
            let mut svg = Self {
                width,
                height: height(width),
                body: String::new(),
            };
            draw(&mut svg);
            let Self { height, body, .. } = svg;
            let (title, description) = (escape(title), escape(description));
            all += &format!(
                "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
                 aria-labelledby=\"{id}-{class}-title {id}-{class}-text\">\
                 <title id=\"{id}-{class}-title\">{title}</title>\
                 <desc id=\"{id}-{class}-text\">{description}</desc>{body}</svg>\n"
            );
        }
        all
    }

    pub(crate) fn is_narrow(&self) -> bool {
        self.width < 500.0
    }

    pub(crate) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        self.body += &format!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    pub(crate) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.body += &format!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    pub(crate) fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        self.body +=
            &format!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>");
    }

    /// A bar from one corner to the other; `tip` is shown to who points at it.
    pub(crate) fn bar(
        &mut self,
        class: &str,
        (left, top): (f64, f64),
        (right, bottom): (f64, f64),
        tip: &str,
    ) {
        // One that is too short to be seen is made visible.
        let (width, height) = ((right - left).max(1.5), bottom - top);
        let tip = escape(tip);
        self.body += &format!(
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\" rx=\"1.5\"><title>{tip}</title></rect>"
        );
    }

    /// A line through `points`.
    pub(crate) fn curve(&mut self, class: &str, points: &[(f64, f64)]) {
        self.body += &format!("<path class=\"{class}\" d=\"{}\"/>", through(points));
    }

    /// What lies between two lines.
    pub(crate) fn area(&mut self, class: &str, upper: &[(f64, f64)], lower: &[(f64, f64)]) {
        let around: Vec<_> = upper.iter().chain(lower.iter().rev()).copied().collect();
        let path = through(&around);
        self.body += &format!("<path class=\"{class}\" d=\"{path}Z\"/>");
    }
}

fn through(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (number, (x, y)) in points.iter().enumerate() {
        let step = if number == 0 { 'M' } else { 'L' };
        path += &format!("{step}{x:.1} {y:.1}");
    }
    path
}

/// As text in HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
