//! Values that fit a JSON schema.

use serde_json::{Map, Value, json};

use super::{
    generate::{Chance, NOUNS},
    pattern,
};

/// A value that fits `schema` (JSON Schema 2020-12, as far as types can be described by it).
///
/// The same schema and chance give the same value. Optional members are there until the value is
/// deep, so that a schema that holds itself comes to an end.
pub(super) fn instance(schema: &Value, chance: &mut Chance) -> Value {
    Maker {
        root: schema,
        chance,
    }
    .make(schema, 0)
}

/// Below this depth only what must be there is.
const DEEP: usize = 5;
/// A schema that is still not at its end has none.
const BOTTOMLESS: usize = 40;

struct Maker<'a> {
    root: &'a Value,
    chance: &'a mut Chance,
}

impl Maker<'_> {
    fn make(&mut self, schema: &Value, depth: usize) -> Value {
        if depth > BOTTOMLESS {
            return Value::Null;
        }
        if let Some(target) = schema["$ref"].as_str() {
            let target = target.strip_prefix('#').unwrap_or(target);
            let found = self.root.pointer(target).cloned().unwrap_or_default();
            return self.make(&merged(schema, "$ref", &found), depth + 1);
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(values) = schema["enum"].as_array().filter(|all| !all.is_empty()) {
            return self.pick(values).clone();
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let whole = parts.iter().fold(without(schema, "allOf"), |whole, part| {
                merged(&whole, "allOf", &self.resolved(part))
            });
            return self.make(&whole, depth + 1);
        }
        for one_of in ["anyOf", "oneOf"] {
            if let Some(choices) = schema[one_of].as_array().filter(|all| !all.is_empty()) {
                let choice = self.choose(choices, depth).clone();
                return self.make(&merged(schema, one_of, &choice), depth + 1);
            }
        }
        self.typed(kind(schema, depth), schema, depth)
    }

    fn typed(&mut self, kind: &str, schema: &Value, depth: usize) -> Value {
        match kind {
            "null" => Value::Null,
            "boolean" => json!(self.chance.below(2) == 0),
            "integer" => self.integer(schema),
            "number" => self.number(schema),
            "array" => self.array(schema, depth),
            "object" => self.object(schema, depth),
            _ => json!(self.string(schema)),
        }
    }

    fn resolved(&self, schema: &Value) -> Value {
        let target = schema["$ref"]
            .as_str()
            .and_then(|target| target.strip_prefix('#'));
        let found = target.and_then(|target| self.root.pointer(target));
        found.unwrap_or(schema).clone()
    }

    fn pick<'v>(&mut self, values: &'v [Value]) -> &'v Value {
        let at = self.chance.below(values.len() as u64);
        usize::try_from(at)
            .ok()
            .and_then(|at| values.get(at))
            .unwrap_or(&Value::Null)
    }

    /// One of several: something rather than nothing, until the value is deep.
    fn choose<'v>(&mut self, choices: &'v [Value], depth: usize) -> &'v Value {
        let is_null = |choice: &&Value| choice["type"] == "null";
        if depth > DEEP
            && let Some(end) = choices.iter().find(|choice| {
                is_null(choice) || (choice["type"].is_string() && choice["properties"].is_null())
            })
        {
            return end;
        }
        let some: Vec<&Value> = choices.iter().filter(|choice| !is_null(choice)).collect();
        let at = usize::try_from(self.chance.below(some.len() as u64)).unwrap_or(0);
        some.get(at)
            .copied()
            .or_else(|| choices.first())
            .unwrap_or(&Value::Null)
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let (low, high) = bounds(schema, 1.0);
        let step = schema["multipleOf"]
            .as_f64()
            .filter(|step| *step >= 1.0)
            .unwrap_or(1.0);
        let number = self.multiple(low.ceil(), high.floor(), step);
        // Written as text, so that large ones keep all their digits.
        serde_json::from_str(&format!("{number:.0}")).unwrap_or_else(|_| json!(0))
    }

    fn number(&mut self, schema: &Value) -> Value {
        let (low, high) = bounds(schema, 0.001);
        if let Some(step) = schema["multipleOf"].as_f64().filter(|step| *step > 0.0) {
            return json!(self.multiple(low, high, step));
        }
        let part = f64::from(self.chance.small(1000)) / 1000.0;
        json!(low + (high - low) * part)
    }

    /// A multiple of `step` from `low` to `high`.
    fn multiple(&mut self, low: f64, high: f64, step: f64) -> f64 {
        let first = (low / step).ceil();
        let count = ((high / step).floor() - first + 1.0).clamp(1.0, 1000.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 1 to 1000"
        )]
        let offset = self.chance.small(count as u32);
        (first + f64::from(offset)) * step
    }

    fn string(&mut self, schema: &Value) -> String {
        if let Some(pattern) = schema["pattern"].as_str()
            && let Some(text) = pattern::matching(pattern, self.chance)
        {
            return text;
        }
        let text = match schema["format"].as_str() {
            Some("date-time") => "2026-01-31T12:30:00Z",
            Some("date") => "2026-01-31",
            Some("time") => "12:30:00Z",
            Some("duration") => "PT1H30M",
            Some("email" | "idn-email") => "river@example.com",
            Some("hostname" | "idn-hostname") => "example.com",
            Some("ipv4" | "ip") => "192.0.2.1",
            Some("ipv6") => "2001:db8::1",
            Some("uri" | "iri" | "url") => "https://example.com/river",
            Some("uri-reference" | "iri-reference") => "/river",
            Some("uuid") => "123e4567-e89b-42d3-a456-426614174000",
            Some("byte" | "base64") => "cml2ZXI=",
            _ => return self.words(schema),
        };
        text.to_owned()
    }

    fn words(&mut self, schema: &Value) -> String {
        let limit = |name: &str| schema[name].as_u64().and_then(|n| usize::try_from(n).ok());
        let (min, max) = (limit("minLength").unwrap_or(0), limit("maxLength"));
        let mut text = self.chance.pick(&NOUNS).to_owned();
        while text.len() < min {
            text.push(' ');
            text.push_str(self.chance.pick(&NOUNS));
        }
        text.chars().take(max.unwrap_or(usize::MAX)).collect()
    }

    fn array(&mut self, schema: &Value, depth: usize) -> Value {
        let limit = |name: &str| schema[name].as_u64().and_then(|n| usize::try_from(n).ok());
        let min = limit("minItems").unwrap_or(0);
        let max = limit("maxItems").unwrap_or(usize::MAX);
        let first = schema["prefixItems"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let wanted = if depth > DEEP { 0 } else { 2 };
        let open = schema["items"] != Value::Bool(false);
        let count = if open {
            wanted.max(first.len())
        } else {
            first.len()
        };
        let count = count.clamp(min.min(1_000), max.max(min.min(1_000)));
        let unique = schema["uniqueItems"] == true;
        let mut items: Vec<Value> = Vec::with_capacity(count);
        for position in 0..count {
            let schema = first.get(position).unwrap_or(&schema["items"]);
            let mut item = self.make(schema, depth + 1);
            for _ in 0..20 {
                if !unique || !items.contains(&item) {
                    break;
                }
                item = self.make(schema, depth + 1);
            }
            if unique && items.contains(&item) && position >= min {
                break;
            }
            items.push(item);
        }
        Value::Array(items)
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let required: Vec<_> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut members = Map::new();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            if depth <= DEEP || required.contains(&name.as_str()) {
                members.insert(name.clone(), self.make(schema, depth + 1));
            }
        }
        let others = &schema["additionalProperties"];
        for name in required {
            if !members.contains_key(name) {
                members.insert(name.to_owned(), self.make(others, depth + 1));
            }
        }
        let min = schema["minProperties"].as_u64().unwrap_or(0);
        let named = schema["properties"].is_object();
        let wanted = if others.is_object() && !named && depth <= DEEP {
            2
        } else {
            0
        };
        for name in NOUNS {
            if members.len() as u64 >= min.max(wanted) {
                break;
            }
            if !members.contains_key(name) {
                members.insert(name.to_owned(), self.make(others, depth + 1));
            }
        }
        Value::Object(members)
    }
}

/// The type to make: something rather than null, until the value is deep.
fn kind(schema: &Value, depth: usize) -> &str {
    if let Some(kind) = schema["type"].as_str() {
        return kind;
    }
    let kinds: Vec<&str> = schema["type"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if depth > DEEP && kinds.contains(&"null") {
        return "null";
    }
    let some = kinds.iter().find(|kind| **kind != "null").or(kinds.first());
    some.copied().unwrap_or_else(|| untyped(schema, depth))
}

/// What a schema without a type is about.
fn untyped(schema: &Value, depth: usize) -> &'static str {
    let has = |names: &[&str]| names.iter().any(|name| schema.get(*name).is_some());
    if has(&["properties", "required", "additionalProperties"]) {
        "object"
    } else if has(&["items", "prefixItems", "minItems"]) {
        "array"
    } else if has(&["minimum", "maximum", "multipleOf"]) {
        "number"
    } else if depth == 0 && !has(&["pattern", "format", "minLength"]) {
        "object"
    } else {
        "string"
    }
}

/// The least and the greatest number; `step` keeps off a bound that is not included.
fn bounds(schema: &Value, step: f64) -> (f64, f64) {
    let at = |name: &str| schema[name].as_f64();
    let low = match (at("minimum"), at("exclusiveMinimum")) {
        (Some(low), Some(above)) => Some(low.max(above + step)),
        (low, above) => low.or(above.map(|above| above + step)),
    };
    let high = match (at("maximum"), at("exclusiveMaximum")) {
        (Some(high), Some(below)) => Some(high.min(below - step)),
        (high, below) => high.or(below.map(|below| below - step)),
    };
    match (low, high) {
        (Some(low), Some(high)) => (low, high.max(low)),
        (Some(low), None) => (low, low + 100.0),
        (None, Some(high)) => (high - 100.0, high),
        (None, None) => (1.0, 100.0),
    }
}

fn without(schema: &Value, name: &str) -> Value {
    let mut schema = schema.clone();
    if let Some(members) = schema.as_object_mut() {
        members.remove(name);
    }
    schema
}

/// Both schemas at once: `schema` without its member `name`, and `other`.
fn merged(schema: &Value, name: &str, other: &Value) -> Value {
    let mut whole = without(schema, name);
    let Some(members) = whole.as_object_mut() else {
        return other.clone();
    };
    for (name, value) in other.as_object().into_iter().flatten() {
        match (members.get_mut(name), value) {
            (Some(Value::Object(known)), Value::Object(more)) => known.extend(more.clone()),
            (Some(Value::Array(known)), Value::Array(more)) if name == "required" => {
                known.extend(more.iter().cloned());
            }
            _ => {
                members.insert(name.clone(), value.clone());
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests;
