//! Texts that match a regular expression of the simple kind that schemas hold.

use std::{iter::Peekable, str::Chars};

use super::generate::Chance;

/// A text that matches `pattern`; `None` for what is not understood here: looking around and back.
pub(super) fn matching(pattern: &str, chance: &mut Chance) -> Option<String> {
    let mut reader = Reader {
        pattern: pattern.chars().peekable(),
        depth: 0,
    };
    let choices = reader.choices()?;
    if reader.pattern.next().is_some() {
        return None;
    }
    let mut text = String::new();
    write(&choices, chance, &mut text);
    Some(text)
}

/// Alternatives, each a sequence of repeated pieces.
type Choices = Vec<Vec<(Piece, u32, u32)>>;

enum Piece {
    /// Ranges of characters, of which one is taken.
    Class(Vec<(char, char)>),
    Group(Choices),
}

struct Reader<'a> {
    pattern: Peekable<Chars<'a>>,
    depth: u32,
}

impl Reader<'_> {
    fn choices(&mut self) -> Option<Choices> {
        self.depth += 1;
        if self.depth > 20 {
            return None;
        }
        let mut choices = vec![Vec::new()];
        while let Some(next) = self.pattern.peek().copied() {
            if next == ')' {
                break;
            }
            self.pattern.next();
            let piece = match next {
                '|' => {
                    choices.push(Vec::new());
                    continue;
                }
                '^' | '$' => continue,
                '(' => self.group()?,
                '[' => Piece::Class(self.class()?),
                '.' => Piece::Class(vec![('a', 'z')]),
                '\\' => Piece::Class(self.escape()?),
                '*' | '+' | '?' => return None,
                literal => Piece::Class(vec![(literal, literal)]),
            };
            let (least, most) = self.repetition()?;
            choices.last_mut()?.push((piece, least, most));
        }
        self.depth -= 1;
        Some(choices)
    }

    fn group(&mut self) -> Option<Piece> {
        if self.pattern.peek() == Some(&'?') {
            self.pattern.next();
            // `(?:` is a plain group; all else looks around.
            if self.pattern.next() != Some(':') {
                return None;
            }
        }
        let choices = self.choices()?;
        (self.pattern.next() == Some(')')).then_some(Piece::Group(choices))
    }

    fn class(&mut self) -> Option<Vec<(char, char)>> {
        let negated = self.pattern.next_if_eq(&'^').is_some();
        let mut ranges = Vec::new();
        loop {
            let first = match self.pattern.next()? {
                ']' => break,
                '\\' => {
                    let escaped = self.escape()?;
                    match *escaped.as_slice() {
                        [(one, same)] if one == same => one,
                        _ => {
                            ranges.extend(escaped);
                            continue;
                        }
                    }
                }
                first => first,
            };
            let mut ahead = self.pattern.clone();
            if ahead.next() == Some('-') && ahead.peek().is_some_and(|next| *next != ']') {
                self.pattern.next();
                let last = match self.pattern.next()? {
                    '\\' => self.escape()?.first()?.0,
                    last => last,
                };
                ranges.push((first, last));
            } else {
                ranges.push((first, first));
            }
        }
        if !negated {
            return Some(ranges);
        }
        let outside = |c: &char| !ranges.iter().any(|(low, high)| (low..=high).contains(&c));
        let allowed: Vec<_> = (' '..='~').filter(outside).map(|c| (c, c)).collect();
        (!allowed.is_empty()).then_some(allowed)
    }

    fn escape(&mut self) -> Option<Vec<(char, char)>> {
        Some(match self.pattern.next()? {
            'd' => vec![('0', '9')],
            'w' => vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')],
            's' => vec![(' ', ' ')],
            'S' | 'D' => vec![('a', 'z')],
            'W' => vec![('-', '-')],
            'n' => vec![('\n', '\n')],
            't' => vec![('\t', '\t')],
            other if other.is_ascii_alphanumeric() => return None,
            literal => vec![(literal, literal)],
        })
    }

    fn repetition(&mut self) -> Option<(u32, u32)> {
        const SOME: u32 = 3;
        let bounds = match self.pattern.peek() {
            Some('*') => (0, SOME),
            Some('+') => (1, SOME),
            Some('?') => (0, 1),
            Some('{') => {
                self.pattern.next();
                let text: String = self.pattern.by_ref().take_while(|c| *c != '}').collect();
                return match text.split_once(',') {
                    None => text.parse().ok().map(|times| (times, times)),
                    Some((least, "")) => least.parse().ok().map(|least: u32| (least, least + SOME)),
                    Some((least, most)) => Some((least.parse().ok()?, most.parse().ok()?)),
                };
            }
            _ => return Some((1, 1)),
        };
        self.pattern.next();
        Some(bounds)
    }
}

fn write(choices: &Choices, chance: &mut Chance, text: &mut String) {
    let number = u32::try_from(choices.len()).unwrap_or(1);
    let chosen = choices.get(chance.small(number) as usize);
    for (piece, least, most) in chosen.into_iter().flatten() {
        let times = least + chance.small(most.saturating_sub(*least) + 1);
        // A pattern can ask for more than anybody wants to read.
        for _ in 0..times.min(10_000) {
            match piece {
                Piece::Group(choices) => write(choices, chance, text),
                Piece::Class(ranges) => text.extend(one_of(ranges, chance)),
            }
        }
    }
}

fn one_of(ranges: &[(char, char)], chance: &mut Chance) -> Option<char> {
    let number = u32::try_from(ranges.len()).ok()?;
    let (low, high) = *ranges.get(chance.small(number) as usize)?;
    let span = u32::from(high).saturating_sub(u32::from(low)) + 1;
    char::from_u32(u32::from(low) + chance.small(span)).or(Some(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pattern: &str) -> Option<String> {
        matching(pattern, &mut Chance::new(&[b"x"]))
    }

    #[test]
    fn simple_patterns_are_matched() {
        let all = |text: &str, legal: fn(char) -> bool| text.chars().all(legal);

        let plate = text("^[A-Z]{3}-\\d{4}$").unwrap();
        let (letters, digits) = plate.split_once('-').unwrap();
        assert_eq!((letters.len(), digits.len()), (3, 4));
        assert!(all(letters, |c| c.is_ascii_uppercase()));
        assert!(all(digits, |c| c.is_ascii_digit()));
        assert!(["cat", "dog"].contains(&&*text("^(?:cat|dog)$").unwrap()));
        assert!(all(&text("[^a-z]+").unwrap(), |c| !c.is_ascii_lowercase()));
        assert_eq!(text("^a\\.b$").unwrap(), "a.b");
        assert!((2..=4).contains(&text("^x{2,4}$").unwrap().len()));
    }

    #[test]
    fn what_is_not_understood_is_left() {
        for pattern in ["(?=a)b", "(a)\\1", "a)", "(a", "*a"] {
            assert_eq!(text(pattern), None, "{pattern}");
        }
    }
}
