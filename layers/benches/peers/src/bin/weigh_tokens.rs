//! Measures the weights of the token heuristic: `weigh_tokens FOLDER OUT` reads every `.txt` in the
//! folder, tokenizes it with `o200k_base`, and writes what `blossom-layers` builds in as
//! `estimate/heuristic/weights.bin`.
//!
//! A weight is how many tokens begin within a character, on average, after the characters that stand
//! before it; in 64ths. There is one for each kind of character, and one for each of the contexts of
//! one to four characters whose weight differs most, times how often they occur, from that of the next
//! shorter context. Each file counts about the same, however long it is; `NAME@3.txt` counts three
//! times.
//!
//! The weights that are built in were measured on 255 texts of up to 400 kB: a handbook in 20
//! languages, the messages of programs in 80, manual pages, sources in 15 programming languages, JSON,
//! logs, tables, random strings of many kinds (numbers, base64, hexadecimal, emoji, runs), words of 40
//! languages drawn by their frequency, and entries of the vocabulary itself drawn by their rank. Half
//! of the texts were kept back, to see how far the other half carries.

#[path = "../../../../src/estimate/heuristic/symbol.rs"]
mod symbol;

use std::{cmp::Reverse, collections::HashMap, env, error::Error, fs};

use bpe_openai::{Tokenizer, o200k_base};
use symbol::{CLASSES, Symbols, class, place};

/// Buckets of four weights and their marks.
const BUCKETS: usize = 8192;
/// How many contexts of one, two, three and four characters are taken.
const TAKEN: [usize; 4] = [1800, 9000, 9000, 7000];
/// What a weight of this many occurrences is drawn halfway to that of the shorter context.
const DOUBT: f64 = 2.0;

struct Seen {
    // The longest first.
    contexts: Vec<u32>,
    class: usize,
    begun: f64,
}

#[derive(Default, Clone, Copy)]
struct Mean {
    count: f64,
    sum: f64,
}

/// A weight in its place.
#[derive(Clone, Copy)]
struct Slot {
    mark: u8,
    value: f64,
    seen: Mean,
}

impl Mean {
    fn add(&mut self, weight: f64, value: f64) {
        self.count += weight;
        self.sum += weight * value;
    }

    fn drawn_to(self, prior: f64) -> f64 {
        (self.sum + prior * DOUBT) / (self.count + DOUBT)
    }
}

/// What is seen of each character of a text, and how many tokens begin in it.
fn look(tokenizer: &Tokenizer, text: &str) -> Vec<Seen> {
    let mut all: Vec<Seen> = Vec::new();
    let mut symbols = Symbols::new();
    for piece in tokenizer.split(text) {
        let mut begins = vec![0_u8; piece.len()];
        let mut at = 0;
        for token in tokenizer.bpe.encode_via_backtracking(piece.as_bytes()) {
            begins[at] = 1;
            at += tokenizer.bpe.token_len(token);
        }
        for (at, c) in piece.char_indices() {
            let begun: u8 = begins[at..at + c.len_utf8()].iter().sum();
            let mut begun = f64::from(begun);
            // The heuristic counts it itself.
            if symbols.push(c)
                && let Some(space) = all.last_mut()
            {
                if space.begun > 0.0 {
                    space.begun -= 1.0;
                } else {
                    begun -= 1.0;
                }
            }
            all.push(Seen {
                contexts: symbols.contexts().collect(),
                class: class(c) as usize,
                begun,
            });
        }
    }
    all
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(folder), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: weigh_tokens FOLDER OUT".into());
    };
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let times: f64 = name.rsplit_once('@').map_or(Ok(1.0), |(_, n)| n.parse())?;
        let seen = look(o200k_base(), &fs::read_to_string(&path)?);
        let tokens: f64 = seen.iter().map(|seen| seen.begun).sum();
        texts.push((times * (1e5 / tokens.max(1.0)).min((1e5 / tokens.max(1.0)).sqrt()), seen));
    }

    let mut classes = [Mean::default(); CLASSES];
    let mut lengths: [HashMap<u32, (Mean, Vec<u32>, usize)>; 4] = Default::default();
    for (weight, text) in &texts {
        for seen in text {
            classes[seen.class].add(*weight, seen.begun);
            let count = seen.contexts.len();
            for (at, context) in seen.contexts.iter().enumerate() {
                let entry = lengths[count - 1 - at].entry(*context).or_insert_with(|| {
                    (Mean::default(), seen.contexts[at + 1..].to_vec(), seen.class)
                });
                entry.0.add(*weight, seen.begun);
            }
        }
    }
    let mut classes = classes.map(|mean| mean.drawn_to(1.0));

    // The contexts that tell most beside the shorter ones.
    let mut weights: HashMap<u32, f64> = HashMap::new();
    let mut gains: HashMap<u32, f64> = HashMap::new();
    for (length, take) in lengths.iter().zip(TAKEN) {
        let mut candidates: Vec<(f64, u32, f64)> = length
            .iter()
            .map(|(context, (mean, shorter, class))| {
                let known = shorter.iter().find_map(|shorter| weights.get(shorter));
                let prior = known.copied().unwrap_or(classes[*class]);
                let value = mean.drawn_to(prior);
                (mean.count * (value - prior).abs(), *context, value)
            })
            .collect();
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (gain, context, value) in candidates.into_iter().take(take) {
            weights.insert(context, value);
            gains.insert(context, gain);
        }
    }

    // The contexts that tell most come first to a place of theirs.
    let mut buckets = vec![[None; 4]; BUCKETS];
    let mut ordered: Vec<(&u32, &f64)> = weights.iter().collect();
    ordered.sort_by_key(|(context, _)| (Reverse((gains[context] * 1e3) as u64), **context));
    let mut dropped = 0;
    for (context, value) in ordered {
        let (bucket, mark) = place(*context, BUCKETS);
        let slots = &mut buckets[bucket];
        let same = slots.iter().flatten().any(|slot: &Slot| slot.mark == mark);
        match slots.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) if !same => *slot = Some(Slot { mark, value: *value, seen: Mean::default() }),
            _ => dropped += 1,
        }
    }

    // A weight is that of the characters for which it is found: those for which no longer context
    // has a place, and the few whose context looks the same.
    for _ in 0..3 {
        let mut unknown = [Mean::default(); CLASSES];
        for (weight, text) in &texts {
            for seen in text {
                let slot = seen.contexts.iter().find_map(|context| {
                    let (bucket, mark) = place(*context, BUCKETS);
                    let at = buckets[bucket].iter().flatten().position(|slot| slot.mark == mark)?;
                    Some((bucket, at))
                });
                match slot {
                    Some((bucket, at)) => {
                        if let Some(slot) = &mut buckets[bucket][at] {
                            slot.seen.add(*weight, seen.begun);
                        }
                    }
                    None => unknown[seen.class].add(*weight, seen.begun),
                }
            }
        }
        for slot in buckets.iter_mut().flatten().flatten() {
            slot.value = slot.seen.drawn_to(slot.value);
            slot.seen = Mean::default();
        }
        for (class, mean) in classes.iter_mut().zip(unknown) {
            *class = mean.drawn_to(*class);
        }
    }

    let mut bytes: Vec<u8> = classes.iter().map(|value| quantum(*value)).collect();
    for slots in &buckets {
        bytes.extend(slots.map(|slot| slot.map_or(0, |slot| slot.mark)));
        bytes.extend(slots.map(|slot| slot.map_or(u8::MAX, |slot| quantum(slot.value))));
    }
    println!("{} texts, {} contexts, {dropped} without a place", texts.len(), weights.len());
    fs::write(out, bytes)?;
    Ok(())
}

/// In 64ths; 255 stands for an empty place.
fn quantum(value: f64) -> u8 {
    (value * 64.0).round().clamp(0.0, 254.0) as u8
}
