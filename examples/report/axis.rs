//! From values to places, and the marks between.

use super::svg::{Anchor, Svg};

/// A scale from `0..=max` to places in a drawing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    max: f64,
    from: f64,
    to: f64,
}

impl Axis {
    pub(crate) fn new(max: f64, from: f64, to: f64) -> Self {
        let max = max.max(f64::MIN_POSITIVE);
        Self { max, from, to }
    }

    pub(crate) fn at(&self, value: f64) -> f64 {
        self.from + (self.to - self.from) * value / self.max
    }

    /// Round values, `count` of them or a few less.
    pub(crate) fn marks(&self, count: f64) -> Vec<f64> {
        let rough = self.max / count;
        let unit = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * unit);
        let step = steps.into_iter().find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(unit * 10.0);
        let marks = std::iter::successors(Some(0.0), |mark| Some(mark + step));
        marks.take_while(|mark| *mark <= self.max * 1.001).collect()
    }

    /// Marks along the left side, with lines across to `right`.
    pub(crate) fn draw_upright(&self, svg: &mut Svg, left: f64, right: f64, unit: &str) {
        for mark in self.marks(4.0) {
            let y = self.at(mark);
            svg.line("grid", (left, y), (right, y));
            let label = format!("{}{unit}", number(mark));
            svg.text("axis", (left - 6.0, y + 4.0), Anchor::End, &label);
        }
    }

    /// Marks along the bottom, and what they are.
    pub(crate) fn draw_level(&self, svg: &mut Svg, bottom: f64, name: &str) {
        svg.line("base", (self.from, bottom), (self.to, bottom));
        let marks = self.marks(if svg.is_narrow() { 4.0 } else { 8.0 });
        for mark in marks {
            let x = self.at(mark);
            svg.line("base", (x, bottom), (x, bottom + 4.0));
            svg.text("axis", (x, bottom + 17.0), Anchor::Middle, &number(mark));
        }
        svg.text("axis", (self.to, bottom + 34.0), Anchor::End, name);
    }
}

/// A scale on which each step is ten times the one before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decades {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Decades {
    /// From the decade of `min` to that of `max`.
    pub(crate) fn new(min: f64, max: f64, from: f64, to: f64) -> Self {
        let (low, high) = (min.log10().floor(), max.log10().ceil());
        let high = high.max(low + 1.0);
        Self {
            low,
            high,
            from,
            to,
        }
    }

    pub(crate) fn at(&self, value: f64) -> f64 {
        let part = (value.log10() - self.low) / (self.high - self.low);
        self.from + (self.to - self.from) * part.clamp(0.0, 1.0)
    }

    pub(crate) fn marks(&self) -> Vec<f64> {
        let powers = std::iter::successors(Some(self.low), |power| Some(power + 1.0));
        let powers = powers.take_while(|power| *power <= self.high + 0.5);
        powers.map(|power| 10_f64.powf(power)).collect()
    }
}

/// A number in as few digits as tell marks apart.
pub(crate) fn number(value: f64) -> String {
    if value >= 1_000.0 {
        return format!("{}k", trimmed(value / 1000.0, 1));
    }
    trimmed(value, 5)
}

/// Without zeros at its end.
fn trimmed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Seconds, in the unit that suits.
pub(crate) fn time(seconds: f64) -> String {
    match seconds {
        1.0.. => format!("{} s", trimmed(seconds, 2)),
        0.01.. => format!("{:.0} ms", seconds * 1e3),
        0.0001.. => format!("{} ms", trimmed(seconds * 1e3, 2)),
        _ => format!("{} µs", trimmed(seconds * 1e6, 1)),
    }
}
