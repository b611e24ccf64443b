//! Counts tokens three ways: how far the heuristic errs on which kind of text (the table in the
//! guide), that exact counts are those of `tiktoken-rs`, and what both cost beside the bare crate and
//! `tiktoken-rs`.
//!
//! `tokens FILE..` makes only the table, of files of your own.

mod corpus;

use std::{num::NonZeroU32, process::ExitCode};

use blossom::layers::estimate::{Bpe, CountTokens, Encoding, Heuristic};
use peers::{Contest, Report};
use tiktoken_rs::{CoreBPE, cl100k_base, o200k_base};

#[global_allocator]
static ALLOCATOR: peers::Counting = peers::Counting;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut report = Report::new();
    let files: Vec<_> = std::env::args().skip(1).collect();
    if !files.is_empty() {
        let texts: Result<Vec<_>, _> = files.into_iter().map(corpus::of_file).collect();
        errors(&mut report, &texts?);
        return Ok(report.finish());
    }
    let texts = corpus::all();

    errors(&mut report, &texts);

    let peers = [
        (Encoding::O200kBase, o200k_base()?),
        (Encoding::Cl100kBase, cl100k_base()?),
    ];
    let mut different = 0;
    for (encoding, peer) in &peers {
        let ours = Bpe::new(*encoding);
        for text in &texts {
            if ours.count(&text.text) != theirs(peer, &text.text) {
                println!("{encoding:?} counts {} differently", text.kind);
                different += 1;
            }
        }
        let letter = "a".repeat(1 << 20);
        if ours.count(&letter) != theirs(peer, &letter) {
            println!("{encoding:?} counts a mebibyte of one letter differently");
            different += 1;
        }
    }
    report.at_most("texts counted otherwise than by tiktoken-rs", f64::from(different), 0.0);

    costs(&mut report, &texts, &peers[0].1);
    Ok(report.finish())
}

fn theirs(peer: &CoreBPE, text: &str) -> u64 {
    peer.encode_ordinary(text).len() as u64
}

/// The table of the guide.
fn errors(report: &mut Report, texts: &[corpus::Text]) {
    let exact = Bpe::new(Encoding::O200kBase);
    let fourth = Heuristic::one_per(NonZeroU32::new(4).unwrap_or(NonZeroU32::MIN));
    println!("| text | tokens | heuristic | characters/4 |");
    println!("| --- | ---: | ---: | ---: |");
    let (mut named, mut others) = (0.0_f64, 0.0_f64);
    for text in texts {
        let tokens = exact.count(&text.text);
        let off = |counted: u64| (counted as f64 / tokens as f64 - 1.0) * 100.0;
        let ours = off(Heuristic::new().count(&text.text));
        println!(
            "| {} | {tokens} | {ours:+.1} % | {:+.1} % |",
            text.kind,
            off(fourth.count(&text.text)),
        );
        let worst = if text.strict { &mut named } else { &mut others };
        *worst = worst.max(ours.abs());
    }
    println!();
    report.at_most("prose, code, JSON, Chinese, emoji: most percent off", named, 15.0);
    report.at_most("all other texts: most percent off", others, 25.0);
}

fn costs(report: &mut Report, texts: &[corpus::Text], peer: &CoreBPE) {
    let whole: String = texts.iter().map(|text| text.text.as_str()).collect();
    let bytes = whole.len();
    let bare = bpe_openai::o200k_base();
    let exact = Bpe::new(Encoding::O200kBase);
    let all = |count: &dyn Fn(&str) -> u64| {
        let tokens: u64 = texts.iter().map(|text| count(&text.text)).sum();
        if tokens > 0 { bytes } else { 0 }
    };
    let table = Contest::new("the whole corpus, per byte", bytes)
        .rounds(7)
        .runner("ours, exact", || all(&|text| exact.count(text)))
        .runner("bpe-openai, bare", || all(&|text| bare.count(text) as u64))
        .runner("tiktoken-rs", || all(&|text| theirs(peer, text)))
        .runner("ours, heuristic", || all(&|text| Heuristic::new().count(text)))
        .run();
    report.at_most(
        "exact counts over the bare crate, time",
        table.ratio("ours, exact", "bpe-openai, bare"),
        1.05,
    );
    report.at_most(
        "exact counts over tiktoken-rs, time",
        table.ratio("ours, exact", "tiktoken-rs"),
        1.0,
    );
    report.at_most(
        "heuristic over exact counts, time",
        table.ratio("ours, heuristic", "ours, exact"),
        1.0,
    );
    report.at_most(
        "heuristic, allocations",
        table.allocations("ours, heuristic"),
        0.0,
    );

    let letters = |length: usize| "a".repeat(length);
    let (short, long) = (letters(1 << 18), letters(1 << 20));
    let table = Contest::new("one letter again and again, per text", 1)
        .rounds(7)
        .runner("exact, 256 KiB", || usize::from(exact.count(&short) > 0))
        .runner("exact, 1 MiB", || usize::from(exact.count(&long) > 0))
        .runner("heuristic, 256 KiB", || usize::from(Heuristic::new().count(&short) > 0))
        .runner("heuristic, 1 MiB", || usize::from(Heuristic::new().count(&long) > 0))
        .run();
    report.at_most(
        "exact, time of four times the text",
        table.ratio("exact, 1 MiB", "exact, 256 KiB"),
        6.0,
    );
    report.at_most(
        "heuristic, time of four times the text",
        table.ratio("heuristic, 1 MiB", "heuristic, 256 KiB"),
        6.0,
    );
}
