use proptest::prelude::*;

use super::*;

/// Whether `value` fits `schema`; written apart from the maker, for the words it knows.
fn fits(schema: &Value, value: &Value, root: &Value) -> bool {
    if let Some(target) = schema["$ref"].as_str() {
        let target = root.pointer(target.strip_prefix('#').unwrap());
        return fits(target.unwrap(), value, root);
    }
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.clone()],
        Value::Array(all) => all
            .iter()
            .map(|kind| kind.as_str().unwrap().to_owned())
            .collect(),
        _ => vec![],
    };
    let is = |kind: &String| match kind.as_str() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    (kinds.is_empty() || kinds.iter().any(is))
        && schema.get("const").is_none_or(|only| only == value)
        && (schema["enum"].is_null() || list(schema, "enum").contains(value))
        && choices_fit(schema, value, root)
        && sizes_fit(schema, value)
        && items_fit(schema, value, root)
        && members_fit(schema, value, root)
}

fn list(schema: &Value, name: &str) -> Vec<Value> {
    schema[name].as_array().cloned().unwrap_or_default()
}

fn choices_fit(schema: &Value, value: &Value, root: &Value) -> bool {
    let fitting = |name: &str| {
        list(schema, name)
            .iter()
            .filter(|one| fits(one, value, root))
            .count()
    };
    (schema["anyOf"].is_null() || fitting("anyOf") > 0)
        && (schema["oneOf"].is_null() || fitting("oneOf") == 1)
        && fitting("allOf") == list(schema, "allOf").len()
}

fn sizes_fit(schema: &Value, value: &Value) -> bool {
    let number = |name: &str| schema[name].as_f64();
    let length = |name: &str| schema[name].as_u64().map(|n| usize::try_from(n).unwrap());
    let text = value.as_str().map(|text| text.chars().count());
    let items = value.as_array().map(Vec::len);
    let within = |size: Option<usize>, low: &str, high: &str| {
        let within = |size| {
            length(low).is_none_or(|low| size >= low)
                && length(high).is_none_or(|high| size <= high)
        };
        size.is_none_or(within)
    };
    within(text, "minLength", "maxLength")
        && within(items, "minItems", "maxItems")
        && value.as_f64().is_none_or(|size| {
            number("minimum").is_none_or(|low| size >= low)
                && number("maximum").is_none_or(|high| size <= high)
                && number("exclusiveMinimum").is_none_or(|low| size > low)
                && number("exclusiveMaximum").is_none_or(|high| size < high)
                && number("multipleOf").is_none_or(|step| (size / step).fract().abs() < 1e-9)
        })
}

fn items_fit(schema: &Value, value: &Value, root: &Value) -> bool {
    let Some(items) = value.as_array() else {
        return true;
    };
    let distinct = (1..items.len()).all(|at| !items[..at].contains(&items[at]));
    (schema["uniqueItems"] != true || distinct)
        && items.iter().all(|item| fits(&schema["items"], item, root))
}

fn members_fit(schema: &Value, value: &Value, root: &Value) -> bool {
    let Some(members) = value.as_object() else {
        return true;
    };
    let others = &schema["additionalProperties"];
    let required = list(schema, "required");
    required
        .iter()
        .all(|name| members.contains_key(name.as_str().unwrap()))
        && members
            .iter()
            .all(|(name, value)| match schema["properties"].get(name) {
                Some(schema) => fits(schema, value, root),
                None => *others != Value::Bool(false) && fits(others, value, root),
            })
}

fn check(schema: &Value) -> Value {
    let value = instance(schema, &mut Chance::new(&[b"prompt"]));
    assert!(fits(schema, &value, schema), "{schema}\n{value}");
    value
}

#[test]
fn what_types_are_described_by_is_understood() {
    let recipe = json!({
        "$defs": {
            "Unit": { "oneOf": [{ "const": "Gram" }, { "const": "Piece" }] },
            "Ingredient": {
                "type": "object",
                "properties": {
                    "name": { "type": "string", "minLength": 3, "maxLength": 12 },
                    "amount": { "type": "number", "format": "double", "exclusiveMinimum": 0 },
                    "unit": { "anyOf": [{ "$ref": "#/$defs/Unit" }, { "type": "null" }] },
                },
                "required": ["name", "amount"],
                "additionalProperties": false,
            },
        },
        "type": "object",
        "properties": {
            "title": { "type": "string", "description": "What it is" },
            "servings": { "type": "integer", "format": "uint8", "minimum": 1, "maximum": 12 },
            "ingredients": { "type": "array", "items": { "$ref": "#/$defs/Ingredient" }, "minItems": 3 },
            "tags": { "type": "array", "items": { "enum": ["hot", "cold", "sweet"] }, "uniqueItems": true },
            "notes": { "type": ["string", "null"] },
            "origin": { "type": "object", "additionalProperties": { "type": "integer", "multipleOf": 5 } },
        },
        "required": ["title", "servings", "ingredients", "tags"],
    });

    let value = check(&recipe);

    assert_eq!(value["ingredients"].as_array().unwrap().len(), 3);
    assert!(value["notes"].is_string(), "something rather than nothing");
    assert_eq!(value, check(&recipe), "the same each time");
}

#[test]
fn a_schema_that_holds_itself_comes_to_an_end() {
    let tree = json!({
        "$defs": { "Tree": {
            "type": "object",
            "properties": {
                "value": { "type": "integer" },
                "left": { "anyOf": [{ "$ref": "#/$defs/Tree" }, { "type": "null" }] },
                "children": { "type": "array", "items": { "$ref": "#/$defs/Tree" } },
            },
            "required": ["value", "left", "children"],
        } },
        "$ref": "#/$defs/Tree",
    });
    check(&tree);

    let endless = json!({ "$ref": "#" });
    instance(&endless, &mut Chance::new(&[b"prompt"]));
}

#[test]
fn all_of_means_all_of_them() {
    let value = check(&json!({
        "allOf": [
            { "type": "object", "properties": { "a": { "const": 1 } }, "required": ["a"] },
            { "properties": { "b": { "type": "boolean" } }, "required": ["b"] },
        ],
    }));

    assert_eq!(value["a"], 1);
    assert!(value["b"].is_boolean());
}

fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({ "type": "null" })),
        Just(json!({ "type": "boolean" })),
        (-50_i64..50, 0_i64..50).prop_map(|(low, span)| {
            json!({ "type": "integer", "minimum": low, "maximum": low + span })
        }),
        (-50_f64..50.0).prop_map(|low| json!({ "type": "number", "exclusiveMinimum": low })),
        (0_u64..30, 0_u64..9).prop_map(|(min, more)| {
            json!({ "type": "string", "minLength": min, "maxLength": min + more })
        }),
        Just(json!({ "enum": ["a", 2, null] })),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (inner.clone(), 0_u64..4, 0_u64..3).prop_map(|(items, min, more)| {
                json!({ "type": "array", "items": items, "minItems": min, "maxItems": min + more })
            }),
            proptest::collection::btree_map("[a-e]", inner.clone(), 0..4).prop_map(|members| {
                let required: Vec<_> = members.keys().step_by(2).cloned().collect();
                json!({
                    "type": "object",
                    "properties": members,
                    "required": required,
                    "additionalProperties": false,
                })
            }),
            proptest::collection::vec(inner, 1..4).prop_map(|all| json!({ "anyOf": all })),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_value_fits_its_schema(schema in schemas(), seed in any::<u64>()) {
        let value = instance(&schema, &mut Chance::new(&[&seed.to_le_bytes()]));
        prop_assert!(fits(&schema, &value, &schema), "{schema}\n{value}");
    }
}
