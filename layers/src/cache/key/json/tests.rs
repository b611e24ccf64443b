use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> Result<String, Unusable> {
    let mut out = Vec::new();
    Canonicaliser::default().append(text.as_bytes(), Members::default(), &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// What a JSON text means; numbers by digits and exponent.
#[derive(Debug, Clone, PartialEq)]
enum Meaning {
    Word(&'static str),
    /// Without a zero at either end, times ten to the power; nothing for zero.
    Number(bool, String, i64),
    Text(String),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

fn meaning() -> impl Strategy<Value = Meaning> {
    let text = prop_oneof!["[a-c\"\\\\/\n\u{1}é😂]{0,4}", any::<String>()];
    let number = (any::<bool>(), "[1-9]([0-9]{0,5}[1-9])?", -30..30_i64);
    let leaf = prop_oneof![
        prop_oneof![Just("true"), Just("false"), Just("null")].prop_map(Meaning::Word),
        number.prop_map(|(negative, digits, power)| Meaning::Number(negative, digits, power)),
        Just(Meaning::Number(false, String::new(), 0)),
        text.clone().prop_map(Meaning::Text),
    ];
    leaf.prop_recursive(5, 40, 6, move |inside| {
        prop_oneof![
            prop::collection::vec(inside.clone(), 0..5).prop_map(Meaning::List),
            prop::collection::btree_map(text.clone(), inside, 0..6).prop_map(Meaning::Object),
        ]
    })
}

/// Writes a meaning in one of its many ways, as the numbers in `choices` have it.
struct Writer<'a> {
    choices: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    out: String,
}

impl Writer<'_> {
    fn write(meaning: &Meaning, choices: &[u8]) -> String {
        let mut writer = Writer {
            choices: choices.iter().cycle(),
            out: String::new(),
        };
        writer.value(meaning);
        writer.out
    }

    fn choose(&mut self, ways: u8) -> u8 {
        self.choices.next().copied().unwrap_or(0) % ways
    }

    fn space(&mut self) {
        let spaces = ["", "", " ", "\n\t", "  \r\n"];
        let space = spaces[self.choose(5) as usize];
        self.out.push_str(space);
    }

    fn value(&mut self, meaning: &Meaning) {
        self.space();
        match meaning {
            Meaning::Word(word) => self.out.push_str(word),
            Meaning::Number(negative, digits, power) => self.number(*negative, digits, *power),
            Meaning::Text(text) => self.text(text),
            Meaning::List(values) => {
                self.out.push('[');
                for (number, value) in values.iter().enumerate() {
                    if number > 0 {
                        self.out.push(',');
                    }
                    self.value(value);
                }
                self.space();
                self.out.push(']');
            }
            Meaning::Object(members) => {
                self.out.push('{');
                let mut members: Vec<_> = members.iter().collect();
                for place in (1..members.len()).rev() {
                    let other = self.choose(u8::try_from(place + 1).unwrap());
                    members.swap(place, other.into());
                }
                for (number, (name, value)) in members.into_iter().enumerate() {
                    if number > 0 {
                        self.out.push(',');
                    }
                    self.space();
                    self.text(name);
                    self.space();
                    self.out.push(':');
                    self.value(value);
                }
                self.space();
                self.out.push('}');
            }
        }
        self.space();
    }

    fn number(&mut self, negative: bool, digits: &str, power: i64) {
        if digits.is_empty() {
            let zeros = ["0", "-0", "0.0", "0e5", "-0.000E-3"];
            let zero = zeros[self.choose(5) as usize];
            return self.out.push_str(zero);
        }
        if negative {
            self.out.push('-');
        }
        let written = match self.choose(4) {
            0 => format!("{digits}e{power}"),
            1 => format!("{digits}00E{}", power - 2),
            // Three places further left, and a zero to spare.
            2 => {
                let moved = power + 2 + i64::try_from(digits.len()).unwrap();
                format!("0.00{digits}0e{moved:+}")
            }
            _ if (0..12).contains(&power) => {
                format!("{digits}{}.0", "0".repeat(usize::try_from(power).unwrap()))
            }
            _ => format!("{digits}.000e{power}"),
        };
        self.out.push_str(&written);
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            let must = matches!(character, '"' | '\\') || u32::from(character) < 0x20;
            match self.choose(3) {
                0 if !must => self.out.push(character),
                1 if character == '/' => self.out.push_str("\\/"),
                1 if character == '\n' => self.out.push_str("\\n"),
                1 if matches!(character, '"' | '\\') => self.out.extend(['\\', character]),
                way => {
                    let mut units = [0; 2];
                    for unit in character.encode_utf16(&mut units) {
                        let written = if way == 2 {
                            format!("\\u{unit:04x}")
                        } else {
                            format!("\\u{unit:04X}")
                        };
                        self.out.push_str(&written);
                    }
                }
            }
        }
        self.out.push('"');
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn p5_a_meaning_has_one_form_however_it_is_written(
        meaning in meaning(),
        one in prop::collection::vec(any::<u8>(), 1..50),
        other in prop::collection::vec(any::<u8>(), 1..50),
    ) {
        let (one, other) = (Writer::write(&meaning, &one), Writer::write(&meaning, &other));
        let form = canonical(&one).unwrap();
        prop_assert_eq!(&form, &canonical(&other).unwrap(), "{} and {}", one, other);
        // It is its own form.
        prop_assert_eq!(&form, &canonical(&form).unwrap());
    }

    #[test]
    fn p5_two_meanings_have_two_forms(one in meaning(), other in meaning()) {
        let forms = [&one, &other].map(|meaning| canonical(&Writer::write(meaning, &[0])).unwrap());
        prop_assert_eq!(one == other, forms[0] == forms[1]);
    }

    #[test]
    fn p5_one_change_deep_inside_changes_the_form(
        meaning in meaning(),
        choices in prop::collection::vec(any::<u8>(), 1..50),
        at: prop::sample::Index,
    ) {
        let mut changed = meaning.clone();
        let count = leaves(&mut changed, &mut |_, _| ());
        prop_assume!(count > 0);
        let chosen = at.index(count);
        leaves(&mut changed, &mut |number, leaf| {
            if number == chosen {
                *leaf = Meaning::Text(format!("not {leaf:?}"));
            }
        });
        let forms = [&meaning, &changed].map(|meaning| canonical(&Writer::write(meaning, &choices)));
        prop_assert_ne!(&forms[0], &forms[1]);
    }

    #[test]
    fn no_bytes_make_it_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut out = Vec::new();
        let taken = Canonicaliser::default().append(&text, Members::default(), &mut out).is_ok();
        prop_assert!(!taken || std::str::from_utf8(&text).is_ok());
    }

    #[test]
    fn mutated_texts_are_taken_or_refused_as_a_json_library_does(
        meaning in meaning(),
        choices in prop::collection::vec(any::<u8>(), 1..20),
        at: prop::sample::Index,
        byte in prop::sample::select(&b"{}[],:\"\\e.-+0u \x00\xff"[..]),
    ) {
        let mut text = Writer::write(&meaning, &choices).into_bytes();
        prop_assume!(!text.is_empty());
        let at = at.index(text.len());
        text[at] = byte;
        let ours = Canonicaliser::default().append(&text, Members::default(), &mut Vec::new());
        let theirs = serde_json::from_slice::<serde_json::Value>(&text);
        // Theirs takes duplicates and refuses lone surrogates and what no float can hold.
        if ours == Err(Unusable::Malformed) {
            prop_assert!(theirs.is_err(), "{}", String::from_utf8_lossy(&text));
        }
        if let Err(error) = theirs && ours.is_ok() {
            let error = error.to_string();
            let known = ["surrogate", "hex escape", "out of range"];
            prop_assert!(known.iter().any(|known| error.contains(known)), "{}", error);
        }
    }
}

/// Shows every value that holds no other, and counts them.
fn leaves(meaning: &mut Meaning, show: &mut dyn FnMut(usize, &mut Meaning)) -> usize {
    fn walk(meaning: &mut Meaning, count: &mut usize, show: &mut dyn FnMut(usize, &mut Meaning)) {
        match meaning {
            Meaning::List(values) if !values.is_empty() => {
                values.iter_mut().for_each(|value| walk(value, count, show));
            }
            Meaning::Object(members) if !members.is_empty() => {
                members
                    .values_mut()
                    .for_each(|value| walk(value, count, show));
            }
            leaf => {
                show(*count, leaf);
                *count += 1;
            }
        }
    }
    let mut count = 0;
    walk(meaning, &mut count, show);
    count
}

#[test]
fn members_are_put_in_order_at_every_depth() {
    let text = r#" { "b" : [ {"z":1,"a":{"y":2,"x":3}}, {"a":1} ], "a" : {"d":{}, "c":[]} } "#;

    let form = canonical(text).unwrap();

    assert_eq!(
        form,
        r#"{"a":{"c":[],"d":{}},"b":[{"a":{"x":3,"y":2},"z":1},{"a":1}]}"#
    );
}

#[test]
fn a3_members_of_one_name_are_refused_also_when_they_stand_apart_or_are_escaped() {
    for text in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"a":3}"#,
        r#"[{"x":{"a":1,"\u0061":2}}]"#,
        r#"{"b":1,"a":2,"b":3,"a":4}"#,
    ] {
        assert_eq!(canonical(text), Err(Unusable::Duplicate), "{text}");
    }
    assert!(canonical(r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}"#).is_ok());
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(canonical(&nested(128)).is_ok());
    assert_eq!(canonical(&nested(129)), Err(Unusable::TooDeep));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(129), "}".repeat(129));
    assert_eq!(canonical(&objects), Err(Unusable::TooDeep));
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\"}",
        "{\"a\":}",
        "[1 2]",
        "1 2",
        "nul",
        "tru",
        "'a'",
        "{\"a\":1]",
        "[1}",
        "\u{feff}1",
        "[,1]",
    ] {
        assert_eq!(canonical(text), Err(Unusable::Malformed), "{text}");
    }
    let mut out = Vec::new();
    let latin = b"{\"a\":\"\xe9\"}";
    assert_eq!(
        Canonicaliser::default().append(latin, Members::default(), &mut out),
        Err(Unusable::Malformed)
    );
}

#[test]
fn members_at_the_top_can_be_watched_for_and_only_there() {
    let watched = ["store".into()];
    let members = Members {
        watched: &watched,
        ..Members::default()
    };
    for (text, seen) in [
        (r#"{"model":"a","store":true}"#, true),
        (r#"{"st\u006fre":1}"#, true),
        (r#"{"stored":true,"Store":true,"a":{"store":true}}"#, false),
        (r#"[{"store":true}]"#, false),
        (r#"{"a":"store"}"#, false),
    ] {
        let mut canonicaliser = Canonicaliser::default();
        let found = canonicaliser.append(text.as_bytes(), members, &mut Vec::new());
        assert_eq!(found, Ok(seen), "{text}");
    }
}

#[test]
fn members_at_the_top_can_be_left_out_and_only_there() {
    let ignored = ["key".into(), "no-cache".into()];
    let members = Members {
        ignored: &ignored,
        watched: &[],
    };
    let form = |text: &str| {
        let mut out = Vec::new();
        let mut canonicaliser = Canonicaliser::default();
        canonicaliser
            .append(text.as_bytes(), members, &mut out)
            .unwrap();
        String::from_utf8(out).unwrap()
    };

    let bare = form(r#"{"a":{"key":1},"b":2}"#);
    assert_eq!(bare, r#"{"a":{"key":1},"b":2}"#);
    assert_eq!(
        form(r#"{"key":{"z":1,"y":[{}]},"b":2,"no-cache":true,"a":{"key":1}}"#),
        bare
    );
    assert_eq!(
        form(r#"{"b":2,"a":{"key":1},"\u006bey":{"z":1,"y":2}}"#),
        bare
    );
    assert_eq!(form(r#"{"key":1}"#), "{}");
    assert_ne!(form(r#"{"a":{"key":2},"b":2}"#), bare);
    assert_ne!(form(r#"[{"key":2}]"#), form(r#"[{"key":1}]"#));
}
