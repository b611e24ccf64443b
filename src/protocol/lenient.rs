//! Reading JSON that may be of another shape than it should be.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// Writes the visits of all shapes that are as good as absent. A string and a map are among them
/// unless they are written by hand.
macro_rules! as_absent {
    (@one bool) => { fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> { Ok(Self::Value::default()) } };
    (@one i64) => { fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> { Ok(Self::Value::default()) } };
    (@one u64) => { fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> { Ok(Self::Value::default()) } };
    (@one f64) => { fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> { Ok(Self::Value::default()) } };
    (@one str) => { fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> { Ok(Self::Value::default()) } };
    (@one unit) => { fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok(Self::Value::default()) } };
    (@one seq) => {
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            while items.next_element::<serde::de::IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
    (@one map) => {
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            while members.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
    ($($shape:ident),+) => {$( $crate::protocol::lenient::as_absent!(@one $shape); )+};
}
pub(crate) use as_absent;

/// A member that is as good as absent when it has another shape.
pub(crate) fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// The first item of an array, if there is one; `null` has none.
pub(crate) fn first<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct First<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for First<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_unit<E>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<T>, A::Error> {
            let first = items.next_element()?;
            while first.is_some() && items.next_element::<IgnoredAny>()?.is_some() {}
            Ok(first)
        }
    }

    deserializer.deserialize_any(First(PhantomData))
}

/// A text: a string, the texts of an array of parts, or nothing for all else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, if there is any.
    pub(crate) fn some(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(&*self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    as_absent!(unit, bool, i64, u64, f64, map);

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        #[derive(Deserialize)]
        struct Part<'a> {
            #[serde(borrow, default)]
            text: Text<'a>,
        }
        let mut all = String::new();
        while let Some(part) = parts.next_element::<&RawValue>()? {
            if let Ok(part) = serde_json::from_str::<Part<'_>>(part.get()) {
                all.push_str(&part.text.0);
            }
        }
        Ok(Cow::Owned(all))
    }
}

/// A list whose elements of another shape are left out; nothing for all else.
pub(crate) fn elements<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    let all: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    let read = |element: &&'de RawValue| serde_json::from_str(element.get()).ok();
    Ok(all.iter().filter_map(read).collect())
}

/// JSON inside a text, as arguments of tools are; a value that is not packed into a text is taken as
/// it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Packed<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Packed<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with('"') {
            let text: Text<'de> = serde_json::from_str(raw).map_err(serde::de::Error::custom)?;
            return Ok(Self(text.0));
        }
        Ok(Self(Cow::Borrowed(if raw == "null" { "" } else { raw })))
    }
}

/// A count: negative, broken and absurd numbers become the nearest that can be, anything else zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor).map(Self)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count")
    }

    fn visit_u64<E>(self, count: u64) -> Result<u64, E> {
        Ok(count)
    }

    fn visit_i64<E>(self, count: i64) -> Result<u64, E> {
        Ok(u64::try_from(count).unwrap_or(0))
    }

    // Casts of floats saturate, and NaN becomes zero.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturating is what is wanted"
    )]
    fn visit_f64<E>(self, count: f64) -> Result<u64, E> {
        Ok(count as u64)
    }

    fn visit_str<E>(self, count: &str) -> Result<u64, E> {
        Ok(count.trim().parse().unwrap_or(0))
    }

    as_absent!(bool, unit, seq, map);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_may_be_a_string_parts_or_nothing() {
        let text = |json| {
            serde_json::from_str::<Text<'_>>(json)
                .unwrap()
                .0
                .into_owned()
        };

        assert_eq!(text(r#""a\nb""#), "a\nb");
        assert_eq!(
            text(r#"[{"type":"text","text":"a"},{"type":"image"},7,{"text":"b"}]"#),
            "ab"
        );
        for odd in ["null", "7", "-1.5", "true", "{}", "[]"] {
            assert_eq!(text(odd), "", "{odd}");
        }
    }

    #[test]
    fn a_packed_value_is_a_text_or_stands_as_it_is() {
        let packed = |json| {
            serde_json::from_str::<Packed<'_>>(json)
                .unwrap()
                .0
                .into_owned()
        };

        assert_eq!(packed(r#""{\"a\":1}""#), r#"{"a":1}"#);
        assert_eq!(packed(r#"{"a":1}"#), r#"{"a":1}"#);
        assert_eq!(packed("null"), "");
    }

    #[test]
    fn an_odd_element_costs_no_other() {
        #[derive(Deserialize)]
        struct List(#[serde(deserialize_with = "elements")] Vec<u8>);
        let list = |json| serde_json::from_str::<List>(json).unwrap().0;

        assert_eq!(list(r#"[1,"x",{},300,2]"#), [1, 2]);
        assert!(list("7").is_empty() && list("null").is_empty());
    }

    #[test]
    fn j3_counts_saturate() {
        let count = |json| serde_json::from_str::<Count>(json).unwrap().0;

        assert_eq!(count("7"), 7);
        assert_eq!(count(r#""7""#), 7);
        assert_eq!(count("7.9"), 7);
        assert_eq!(count("-3"), 0);
        assert_eq!(count("1e300"), u64::MAX);
        assert_eq!(count("18446744073709551616"), u64::MAX);
        for odd in ["null", "{}", "[]", r#""many""#, r#""NaN""#] {
            assert_eq!(count(odd), 0, "{odd}");
        }
    }
}
