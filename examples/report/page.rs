//! The page: what was measured, in words, charts and tables.

use super::{
    Figures,
    axis::{number, time},
    batch::{BatchRun, End},
    charts::{self, money},
    strategies::times,
    svg::escape,
    workload::{Call, Workload, percent},
};

const STYLE: &str = include_str!("style.css");

/// The whole page, in one piece.
pub(crate) fn page(figures: &Figures) -> String {
    let sections = [
        latency(figures),
        hit_rate(&figures.workload),
        savings(&figures.workload),
        time_line(&figures.batch),
    ];
    let latency = time(figures.scale.latency.as_secs_f64());
    format!(
        "<!doctype html>\n\
         <html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Blossom: what the strategies bring</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>What the strategies bring</h1>\n\
         <p class=\"lead\">Caching, calls at once, streams and batches, measured against the \
         sandbox, which takes {latency} for an answer: a tenth of a real service.</p>\n\
         {}</header>\n<main>\n{}</main>\n\
         <footer><p>Measured on {}, on {}, by <code>cargo run --example report</code>.</p></footer>\n\
         </body>\n</html>\n",
        tiles(figures),
        sections.concat(),
        escape(&figures.date),
        escape(&figures.machine),
    )
}

/// The figures to remember.
fn tiles(figures: &Figures) -> String {
    let (strategies, workload) = (&figures.strategies, &figures.workload);
    let tiles = [
        (
            format!("{:.0}×", strategies.cached_times()),
            "faster when an answer is cached",
        ),
        (
            format!("{:.1}×", strategies.at_once_times()),
            "faster when ten calls run at once",
        ),
        (
            format!("{:.0} %", workload.money_saved()),
            "less money where questions repeat",
        ),
        (
            format!("{:.1}×", figures.batch.times()),
            "faster in a batch than in groups",
        ),
    ];
    let mut html = String::from("<dl class=\"tiles\">\n");
    for (figure, text) in tiles {
        html += &format!("<div><dt>{text}</dt><dd>{figure}</dd></div>\n");
    }
    html + "</dl>\n"
}

/// A section: a heading, what to see, keys to colours, charts, and a table beside.
fn section(
    id: &str,
    heading: &str,
    text: &str,
    keys: &[(&str, &str)],
    charts: &str,
    table: &str,
) -> String {
    let mut legend = String::new();
    for (class, name) in keys {
        legend += &format!("<li><i class=\"{class}\"></i>{name}</li>");
    }
    let (heading, text) = (escape(heading), escape(text));
    format!(
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{heading}</h2>\n<p>{text}</p>\n\
         <div class=\"both\">\n<figure>\n<ul class=\"legend\">{legend}</ul>\n{charts}</figure>\n\
         {table}</div>\n</section>\n"
    )
}

/// A table whose first column names the rows.
fn table<const N: usize>(caption: &str, head: [&str; N], rows: &[[String; N]]) -> String {
    let mut html = format!(
        "<table>\n<caption>{}</caption>\n<thead><tr>",
        escape(caption)
    );
    for cell in head {
        html += &format!("<th scope=\"col\">{}</th>", escape(cell));
    }
    html += "</tr></thead>\n<tbody>\n";
    for row in rows {
        html += "<tr>";
        for (column, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            html += &match column {
                0 => format!("<th scope=\"row\">{cell}</th>"),
                _ => format!("<td>{cell}</td>"),
            };
        }
        html += "</tr>\n";
    }
    html + "</tbody>\n</table>\n"
}

fn latency(figures: &Figures) -> String {
    let rows = charts::rows(&figures.strategies);
    let cells = rows.map(|(name, took, base)| {
        let slow = rows.get(base).map_or(took, |row| row.1);
        let times = times(slow, took);
        let faster = if times < 100.0 {
            format!("{times:.1}")
        } else {
            format!("{times:.0}")
        };
        [name.to_owned(), time(took.as_secs_f64()), faster]
    });
    let text = format!(
        "Do not ask twice, do not wait in turn, and show what is there already: {} in all, {} for \
         the same from the cache.",
        time(figures.strategies.in_turn.as_secs_f64()),
        time(figures.strategies.cached.as_secs_f64()),
    );
    let caption = format!("Medians of {} rounds", figures.scale.rounds);
    section(
        "latency",
        "Latency by strategy",
        &text,
        &[("rose", "ten questions"), ("leaf", "one story")],
        &charts::latency(&figures.strategies),
        &table(&caption, ["strategy", "took", "times faster"], &cells),
    )
}

fn hit_rate(workload: &Workload) -> String {
    let calls = &workload.with;
    let mut rows = Vec::new();
    for (name, part) in ["first", "second", "third", "last"]
        .iter()
        .zip(quarters(calls))
    {
        let asked = part.iter().filter(|call| call.upstream).count();
        rows.push([
            format!("{name} quarter"),
            part.len().to_string(),
            asked.to_string(),
            format!("{:.0} %", percent(part, |call| !call.upstream)),
        ]);
    }
    let asked = calls.iter().filter(|call| call.upstream).count();
    rows.push([
        "all".to_owned(),
        calls.len().to_string(),
        asked.to_string(),
        format!("{:.1} %", workload.hit_rate()),
    ]);
    section(
        "hit-rate",
        "Hit rate over time",
        "Some questions are asked often and most of them seldom. What has been answered once, or is \
         being answered, needs no further call of the upstream.",
        &[
            ("leaf", "answered by the cache, of all so far"),
            ("rose", "a call of the upstream"),
        ],
        &charts::hit_rate(workload),
        &table(
            "Calls, by their time",
            ["part", "calls", "upstream", "hit rate"],
            &rows,
        ),
    )
}

/// Four parts of about the same length.
fn quarters(calls: &[Call]) -> impl Iterator<Item = &[Call]> {
    calls.chunks(calls.len().div_ceil(4).max(1))
}

fn savings(workload: &Workload) -> String {
    let (without, with) = (&workload.without, &workload.with);
    let tokens = [without, with].map(|calls| Workload::tokens(calls));
    let costs = [without, with].map(|calls| money(Workload::cost(calls)));
    let rows = [
        [
            "tokens".to_owned(),
            tokens[0].to_string(),
            tokens[1].to_string(),
            format!("{:.1} %", workload.tokens_saved()),
        ],
        [
            "pollen".to_owned(),
            number(costs[0]),
            number(costs[1]),
            format!("{:.1} %", workload.money_saved()),
        ],
    ];
    #[expect(clippy::cast_precision_loss, reason = "a picture has fewer digits")]
    let tokens = charts::saved(
        "tokens",
        ("Tokens", "tokens"),
        workload,
        |call| call.tokens as f64,
        workload.tokens_saved(),
    );
    let cost = charts::saved(
        "money",
        ("Money", "pollen"),
        workload,
        |call| money(call.cost),
        workload.money_saved(),
    );
    section(
        "savings",
        "Tokens and money saved",
        "The same calls, with a cache and without one. Every fifth question goes to a model that \
         costs more. Prices are those of the upstream's own list, in pollen.",
        &[("grey", "without a cache"), ("leaf", "with one")],
        &format!("{tokens}{cost}"),
        &table(
            "Paid to the upstream",
            ["", "without", "with", "saved"],
            &rows,
        ),
    )
}

fn time_line(run: &BatchRun) -> String {
    let progress = run.progress;
    let row = |name: &str, value: String| [name.to_owned(), value];
    let rows = [
        row("inputs", progress.done.to_string()),
        row("at once, at most", BatchRun::AT_A_TIME.to_string()),
        row("answered", run.count(End::Answered).to_string()),
        row("from the cache", run.count(End::Cached).to_string()),
        row("failed", progress.failed.to_string()),
        row("tokens", progress.tokens.to_string()),
        row("took", time(run.took.as_secs_f64())),
        row("in groups of five", time(run.in_groups.as_secs_f64())),
    ];
    section(
        "time-line",
        "Time line of a batch",
        "A call begins as soon as another has ended, and one that fails costs no other. Groups would \
         wait, each for its slowest call.",
        &[
            ("haze", "waits for its first words"),
            ("rose", "reads its answer"),
            ("leaf", "from the cache"),
            ("ink", "failed"),
        ],
        &charts::time_line(run),
        &table("The batch", ["", "figure"], &rows),
    )
}
