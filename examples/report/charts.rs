//! The charts.

use std::time::Duration;

use blossom::layers::types::Nanos;

use super::{
    axis::{Axis, Decades, time},
    batch::{BatchRun, End, Span},
    strategies::Strategies,
    svg::{Anchor, Svg},
    workload::{Call, Workload},
};

/// The rows of the chart and the table of strategies: what they are, how long they take, and which of
/// them they are compared with.
pub(crate) fn rows(strategies: &Strategies) -> [(&'static str, Duration, usize); 6] {
    [
        ("ten questions, one by one", strategies.in_turn, 0),
        ("ten, five at a time", strategies.few_at_a_time, 0),
        ("ten, all at once", strategies.at_once, 0),
        ("the ten again, cached", strategies.cached, 0),
        ("a story, whole", strategies.whole_story, 4),
        ("a story, its first words", strategies.first_words, 4),
    ]
}

/// How long each strategy takes, on a scale of decades.
pub(crate) fn latency(strategies: &Strategies) -> String {
    let rows = rows(strategies);
    let seconds = rows.map(|(_, took, _)| took.as_secs_f64());
    let (min, max) = seconds.iter().fold((f64::MAX, 0.0), |(min, max), value| {
        (f64::min(min, *value), f64::max(max, *value))
    });
    let height = |width: f64| if width < 500.0 { 44.0 } else { 34.0 };
    Svg::draw(
        "latency",
        "Latency by strategy",
        "One dot for each strategy, on a scale where each step is ten times the one before. The \
         figures stand in the table.",
        |width| 6.0 * height(width) + 56.0,
        |svg| {
            let (narrow, row) = (svg.is_narrow(), height(svg.width));
            let left = if narrow { 20.0 } else { 184.0 };
            let (right, bottom) = (svg.width - 62.0, 6.0 * row + 16.0);
            let axis = Decades::new(min, max, left, right);
            for mark in axis.marks() {
                let x = axis.at(mark);
                svg.line("grid", (x, 6.0), (x, bottom));
                svg.text("axis", (x, bottom + 17.0), Anchor::Middle, &time(mark));
            }
            let tenfold = (right, bottom + 34.0);
            svg.text(
                "axis",
                tenfold,
                Anchor::End,
                "each line is ten times the last",
            );
            let mut y = row / 2.0 + 4.0;
            for ((name, _, base), value) in rows.into_iter().zip(seconds) {
                let x = axis.at(value);
                let class = if base == 0 { "rose" } else { "leaf" };
                let dot = if narrow { y + 8.0 } else { y };
                if narrow {
                    svg.text("label", (4.0, y - 5.0), Anchor::Start, name);
                } else {
                    svg.text("label", (left - 12.0, y + 4.0), Anchor::End, name);
                }
                svg.line(&format!("stem {class}"), (left, dot), (x, dot));
                svg.circle(&format!("dot {class}"), (x, dot), 6.0);
                svg.text("value", (x + 12.0, dot + 4.0), Anchor::Start, &time(value));
                y += row;
            }
        },
    )
}

/// The share of calls that the cache has answered so far, and when the upstream was asked.
pub(crate) fn hit_rate(workload: &Workload) -> String {
    let calls = &workload.with;
    let last = calls.last().map_or(1.0, |call| call.at);
    Svg::draw(
        "hit-rate",
        "Hit rate over time",
        "A line that rises as the cache learns which questions are asked: percent of all calls so \
         far that needed no call of the upstream. Strokes below mark the calls that did.",
        |width| if width < 500.0 { 226.0 } else { 266.0 },
        |svg| {
            let (left, right) = (44.0, svg.width - 16.0);
            let bottom = if svg.is_narrow() { 188.0 } else { 228.0 };
            let (x, y) = (
                Axis::new(last, left, right),
                Axis::new(100.0, bottom - 14.0, 12.0),
            );
            y.draw_upright(svg, left, right, " %");
            x.draw_level(svg, bottom, "seconds");
            let mut hits = 0.0;
            let mut count = 0.0;
            let line: Vec<_> = calls
                .iter()
                .map(|call| {
                    count += 1.0;
                    hits += if call.upstream { 0.0 } else { 1.0 };
                    (x.at(call.at), y.at(100.0 * hits / count))
                })
                .collect();
            let ground: Vec<_> = line.iter().map(|(x, _)| (*x, y.at(0.0))).collect();
            svg.area("fill leaf", &line, &ground);
            svg.curve("curve leaf", &line);
            for call in calls.iter().filter(|call| call.upstream) {
                let x = x.at(call.at);
                svg.line("tick rose", (x, bottom - 10.0), (x, bottom - 2.0));
            }
            if let Some(end) = line.last() {
                svg.circle("dot leaf", *end, 4.5);
                let label = format!("{:.0} %", workload.hit_rate());
                svg.text("value", (end.0 - 2.0, end.1 - 12.0), Anchor::End, &label);
            }
        },
    )
}

/// What calls took so far, with a cache and without one; between the lines lies what is saved.
pub(crate) fn saved(
    id: &str,
    (name, unit): (&str, &str),
    workload: &Workload,
    amount: impl Fn(&Call) -> f64,
    saved: f64,
) -> String {
    let without = so_far(&workload.without, &amount);
    let with = so_far(&workload.with, &amount);
    let most = without.last().copied().unwrap_or(1.0);
    Svg::draw(
        id,
        &format!("{name} with a cache and without one"),
        "Two lines that begin together: without a cache the sum rises with every call, with one it \
         rises with new questions only. What lies between them is saved.",
        |_| 246.0,
        |svg| {
            let (left, right, bottom) = (48.0, svg.width - 16.0, 208.0);
            let last = u32::try_from(without.len()).map_or(1.0, f64::from);
            let (x, y) = (Axis::new(last, left, right), Axis::new(most, bottom, 26.0));
            y.draw_upright(svg, left, right, "");
            x.draw_level(svg, bottom, "calls");
            let line = |sums: &[f64]| -> Vec<(f64, f64)> {
                let places = (1_u32..).zip(sums);
                places
                    .map(|(n, sum)| (x.at(n.into()), y.at(*sum)))
                    .collect()
            };
            let (upper, lower) = (line(&without), line(&with));
            svg.area("fill leaf", &upper, &lower);
            svg.curve("curve grey", &upper);
            svg.curve("curve leaf", &lower);
            let middle = (x.at(last * 0.86), y.at(most * 0.5) + 4.0);
            let label = format!("{saved:.0} % saved");
            svg.text("value", middle, Anchor::Middle, &label);
            svg.text("axis", (4.0, 12.0), Anchor::Start, unit);
        },
    )
}

fn so_far(calls: &[Call], amount: impl Fn(&Call) -> f64) -> Vec<f64> {
    let sums = calls.iter().scan(0.0, |sum, call| {
        *sum += amount(call);
        Some(*sum)
    });
    sums.collect()
}

/// Billionths as a number.
#[expect(clippy::cast_precision_loss, reason = "a picture has fewer digits")]
pub(crate) fn money(amount: Nanos) -> f64 {
    amount.0 as f64 * 1e-9
}

/// When each call of a batch was under way, a lane for each that may be at once.
pub(crate) fn time_line(run: &BatchRun) -> String {
    const LANE: f64 = 34.0;
    let lanes = lanes(&run.spans);
    let count = u32::try_from(lanes.len()).map_or(0.0, f64::from);
    Svg::draw(
        "time-line",
        "Time line of a batch",
        "A lane for each call that may be under way at once. In each lane one call follows the other \
         without a gap: first it waits for its first words, then it reads.",
        |_| count * LANE + 56.0,
        |svg| {
            let (left, right, bottom) = (26.0, svg.width - 10.0, count * LANE + 10.0);
            let x = Axis::new(run.took.as_secs_f64(), left, right);
            for mark in x.marks(8.0) {
                svg.line("grid", (x.at(mark), 4.0), (x.at(mark), bottom));
            }
            x.draw_level(svg, bottom, "seconds");
            let mut top = 10.0;
            for (lane, number) in lanes.iter().zip(1..) {
                let label = (left - 10.0, top + LANE / 2.0);
                svg.text("axis", label, Anchor::End, &format!("{number}"));
                for span in lane {
                    call(svg, &x, top, LANE - 8.0, span);
                }
                top += LANE;
            }
        },
    )
}

/// One call in its lane.
fn call(svg: &mut Svg, x: &Axis, top: f64, height: f64, span: &Span) {
    let [start, first, end] =
        [span.start, span.first, span.end].map(|time| x.at(time.as_secs_f64()));
    let took = time((span.end.saturating_sub(span.start)).as_secs_f64());
    let tip = |what: &str| format!("input {}: {what} after {took}", span.input);
    // A hair between one call and the next.
    let end = (end - 1.0).max(start + 1.0);
    let bottom = top + height;
    match span.how {
        End::Answered => {
            let tip = tip("answered");
            svg.bar("haze", (start, top), (first, bottom), &tip);
            svg.bar("rose", (first, top), (end.max(first), bottom), &tip);
        }
        End::Cached => svg.bar(
            "leaf",
            (start, top),
            (end.max(start + 3.0), bottom),
            &tip("from the cache"),
        ),
        End::Failed => svg.bar(
            "ink",
            (start, top),
            (end.max(start + 3.0), bottom),
            &tip("failed"),
        ),
    }
}

/// Gives each call the first lane that is free.
fn lanes(spans: &[Span]) -> Vec<Vec<Span>> {
    let mut lanes: Vec<Vec<Span>> = Vec::new();
    for span in spans {
        let free = lanes
            .iter_mut()
            .find(|lane| lane.last().is_none_or(|last| last.end <= span.start));
        match free {
            Some(lane) => lane.push(*span),
            None => lanes.push(vec![*span]),
        }
    }
    lanes
}
