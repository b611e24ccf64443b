//! The canonical form of a JSON text: what two texts share that mean the same.
//!
//! One pass over the text by a tokenizer of our own, so that no feature of a JSON library, which a
//! stranger's crate can switch on, changes a key.

mod number;
mod string;

use std::mem::take;

/// Writes the canonical form of one JSON text.
///
/// No white space; members in the order of the bytes of their written names; strings with the
/// escapes that must be, in their short forms, hexadecimal digits in lower case; numbers as in
/// [`number`]. Keeps its memory from text to text.
#[derive(Debug, Default)]
pub(super) struct Canonicaliser {
    /// The text with its tokens in canonical form, members where they were.
    tokens: Vec<u8>,
    /// All objects, in the order in which they begin.
    objects: Vec<Object>,
    /// The members of objects that are open.
    open: Vec<Member>,
    /// The members of objects that have to be put in order.
    unsorted: Vec<Member>,
}

/// Why a text has no canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is not JSON, or not UTF-8.
    Malformed,
    /// An object has two members of one name: readers disagree on what that means.
    Duplicate,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// Longer than 4 GiB, or a number with an exponent that has no end.
    TooLarge,
}

/// Places in `tokens`, and the members if they have to be put in order.
#[derive(Debug, Clone, Copy)]
struct Object {
    start: u32,
    end: u32,
    /// The object that begins after this one has ended.
    next: u32,
    /// The first of its members in `unsorted`, and how many.
    members: Option<(u32, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    start: u32,
    /// Where the name ends, its quotes included.
    name_end: u32,
    end: u32,
    /// The first object that begins in it.
    object: u32,
}

impl Canonicaliser {
    /// Appends the canonical form of `text` to `out`, without the top-level members that are ignored.
    /// Says whether there was one that is watched for.
    pub(super) fn append(
        &mut self,
        text: &[u8],
        members: Members<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, Unusable> {
        self.tokens.clear();
        self.objects.clear();
        self.open.clear();
        self.unsorted.clear();
        // So that how often memory is asked for does not depend on the text.
        self.tokens.reserve(text.len());
        self.objects.reserve(text.len() / 32 + 8);
        self.open.reserve(text.len() / 64 + 16);
        self.unsorted.reserve(text.len() / 32 + 16);
        let mut parser = Parser {
            rest: text,
            members,
            seen: false,
            to: self,
        };
        parser.whole()?;
        let seen = parser.seen;
        self.sorted(out);
        Ok(seen)
    }

    /// The bytes of memory that are kept for the next text.
    pub(super) fn kept_bytes(&self) -> usize {
        self.tokens.capacity()
            + self.objects.capacity() * size_of::<Object>()
            + (self.open.capacity() + self.unsorted.capacity()) * size_of::<Member>()
    }

    /// Appends the tokens to `out`, members in order.
    fn sorted(&mut self, out: &mut Vec<u8>) {
        if self.unsorted.is_empty() {
            out.extend_from_slice(&self.tokens);
            return;
        }
        out.reserve(self.tokens.len());
        self.copy(0, place(self.tokens.len()), 0, out);
    }

    /// Appends what stands from `start` to `end`, in which `object` is the first that begins.
    fn copy(&self, start: u32, end: u32, mut object: u32, out: &mut Vec<u8>) {
        let mut from = start;
        while let Some(inside) = self.objects.get(object as usize) {
            if inside.start >= end {
                break;
            }
            object += 1;
            let Some((first, count)) = inside.members else {
                continue;
            };
            out.extend_from_slice(self.text(from, inside.start));
            out.push(b'{');
            let members = self.unsorted.get(first as usize..(first + count) as usize);
            for (number, member) in members.unwrap_or_default().iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                self.copy(member.start, member.end, member.object, out);
            }
            out.push(b'}');
            from = inside.end;
            object = inside.next;
        }
        out.extend_from_slice(self.text(from, end));
    }

    fn text(&self, start: u32, end: u32) -> &[u8] {
        let text = self.tokens.get(start as usize..end as usize);
        text.unwrap_or_default()
    }

    fn name(&self, member: &Member) -> &[u8] {
        self.text(member.start, member.name_end)
    }

    /// Closes the object whose members are the open ones from `first` on.
    fn close(&mut self, object: usize, first: usize, in_order: bool) -> Result<(), Unusable> {
        let members = if in_order {
            None
        } else {
            let mut members = take(&mut self.unsorted);
            let start = members.len();
            members.extend_from_slice(self.open.get(first..).unwrap_or_default());
            let added = members.get_mut(start..).unwrap_or_default();
            added.sort_unstable_by(|one, other| self.name(one).cmp(self.name(other)));
            let twice = |pair: &[Member]| matches!(pair, [one, other] if self.name(one) == self.name(other));
            let duplicate = added.windows(2).any(twice);
            let count = added.len();
            self.unsorted = members;
            if duplicate {
                return Err(Unusable::Duplicate);
            }
            Some((place(start), place(count)))
        };
        self.open.truncate(first);
        let (end, next) = (place(self.tokens.len()), place(self.objects.len()));
        if let Some(object) = self.objects.get_mut(object) {
            object.end = end;
            object.next = next;
            object.members = members;
        }
        Ok(())
    }
}

/// Whether `name`, with its quotes, is one of `names`.
fn is_among(name: &[u8], names: &[Box<str>]) -> bool {
    let bare = name
        .strip_prefix(b"\"")
        .and_then(|name| name.strip_suffix(b"\""));
    bare.is_some_and(|bare| names.iter().any(|name| name.as_bytes() == bare))
}

/// Members at the top that matter, by their names.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Members<'a> {
    pub(super) ignored: &'a [Box<str>],
    pub(super) watched: &'a [Box<str>],
}

/// The tokenizer: what is left of the text, and what has been made of it.
struct Parser<'a> {
    rest: &'a [u8],
    members: Members<'a>,
    // Whether a member that is watched for was among them.
    seen: bool,
    to: &'a mut Canonicaliser,
}

impl Parser<'_> {
    fn whole(&mut self) -> Result<(), Unusable> {
        self.value(0)?;
        self.space();
        if !self.rest.is_empty() {
            return Err(Unusable::Malformed);
        }
        if u32::try_from(self.to.tokens.len()).is_err() {
            return Err(Unusable::TooLarge);
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), Unusable> {
        self.space();
        match self.rest {
            [b'"', ..] => {
                self.rest = string::append(self.rest, &mut self.to.tokens)?;
                Ok(())
            }
            [b'{', rest @ ..] => {
                self.rest = rest;
                self.object(depth + 1)
            }
            [b'[', rest @ ..] => {
                self.rest = rest;
                self.array(depth + 1)
            }
            [b't', b'r', b'u', b'e', rest @ ..] => self.word(b"true", rest),
            [b'f', b'a', b'l', b's', b'e', rest @ ..] => self.word(b"false", rest),
            [b'n', b'u', b'l', b'l', rest @ ..] => self.word(b"null", rest),
            _ => {
                self.rest = number::append(self.rest, &mut self.to.tokens)?;
                Ok(())
            }
        }
    }
}

impl<'a> Parser<'a> {
    // Cannot fail; a result so that it stands beside those that can.
    #[expect(clippy::unnecessary_wraps, reason = "one arm of a match of results")]
    fn word(&mut self, word: &[u8], rest: &'a [u8]) -> Result<(), Unusable> {
        self.to.tokens.extend_from_slice(word);
        self.rest = rest;
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), Unusable> {
        if depth > MAX_DEPTH {
            return Err(Unusable::TooDeep);
        }
        self.to.tokens.push(b'[');
        self.space();
        if !self.take(b']') {
            loop {
                self.value(depth)?;
                self.space();
                if self.take(b']') {
                    break;
                }
                self.expect(b',')?;
                self.to.tokens.push(b',');
            }
        }
        self.to.tokens.push(b']');
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), Unusable> {
        if depth > MAX_DEPTH {
            return Err(Unusable::TooDeep);
        }
        let object = self.to.objects.len();
        let first = self.to.open.len();
        self.to.objects.push(Object {
            start: place(self.to.tokens.len()),
            end: 0,
            next: 0,
            members: None,
        });
        self.to.tokens.push(b'{');
        let mut in_order = true;
        self.space();
        if !self.take(b'}') {
            loop {
                in_order &= self.member(depth, first)?;
                self.space();
                if self.take(b'}') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        self.to.tokens.push(b'}');
        self.to.close(object, first, in_order)
    }

    /// Takes one member of the object whose open members begin at `first`, and says whether it stands
    /// in order.
    fn member(&mut self, depth: usize, first: usize) -> Result<bool, Unusable> {
        let before = (
            self.to.tokens.len(),
            self.to.objects.len(),
            self.to.unsorted.len(),
        );
        if self.to.open.len() > first {
            self.to.tokens.push(b',');
        }
        let start = place(self.to.tokens.len());
        let object = place(before.1);
        self.space();
        if self.rest.first() != Some(&b'"') {
            return Err(Unusable::Malformed);
        }
        self.rest = string::append(self.rest, &mut self.to.tokens)?;
        let name_end = place(self.to.tokens.len());
        self.space();
        self.expect(b':')?;
        self.to.tokens.push(b':');
        self.value(depth)?;
        let member = Member {
            start,
            name_end,
            end: place(self.to.tokens.len()),
            object,
        };
        let name = self.to.name(&member);
        let top = depth == 1;
        self.seen |= top && is_among(name, self.members.watched);
        if top && is_among(name, self.members.ignored) {
            self.to.tokens.truncate(before.0);
            self.to.objects.truncate(before.1);
            self.to.unsorted.truncate(before.2);
            return Ok(true);
        }
        let last = self.to.open.get(first..).and_then(<[_]>::last);
        let in_order = match last.map(|last| self.to.name(last).cmp(name)) {
            None | Some(std::cmp::Ordering::Less) => true,
            Some(std::cmp::Ordering::Equal) => return Err(Unusable::Duplicate),
            Some(std::cmp::Ordering::Greater) => false,
        };
        self.to.open.push(member);
        Ok(in_order)
    }

    fn space(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unusable> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(Unusable::Malformed)
        }
    }
}

/// A place in the tokens. Those past 4 GiB are refused when the text has been read.
fn place(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// How deep arrays and objects may be nested, as `serde_json` has it.
const MAX_DEPTH: usize = 128;

#[cfg(test)]
mod tests;
