//! The JSON schema of protocol files, for editors, generated from the parser's table of keys.

use serde_json::{Map, Value, json};

use super::keys::{FILE, Key, Kind, MATCHER, Table};

/// The schema, in the dialect of 2020-12.
#[must_use]
pub fn schema() -> Value {
    let mut schema = object(&FILE);
    let head = [
        ("$schema", json!("https://json-schema.org/draft/2020-12/schema")),
        ("title", json!("soakrig protocol file")),
        ("required", json!(["schema", "socket", "message"])),
        ("$defs", json!({ "match": object(&MATCHER) })),
    ];
    for (name, value) in head {
        set(&mut schema, name, value);
    }
    schema
}

fn set(schema: &mut Value, name: &str, value: Value) {
    if let Some(members) = schema.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

fn object(table: &Table) -> Value {
    let keys = table.keys.iter().map(|key| (key.name.to_owned(), member(key)));
    json!({
        "type": "object",
        "description": table.about,
        "properties": keys.collect::<Map<_, _>>(),
        "additionalProperties": false,
    })
}

fn member(key: &Key) -> Value {
    let mut value = kind(key.kind);
    set(&mut value, "description", json!(key.about));
    value
}

fn kind(kind: Kind) -> Value {
    let text = || json!({ "type": "string" });
    let source = || json!({ "anyOf": [text(), list(text())] });
    match kind {
        Kind::Text => text(),
        Kind::Choice(texts) => json!({ "enum": texts }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::True => json!({ "const": true }),
        Kind::Schema => json!({ "const": 1 }),
        Kind::Integers => json!({ "anyOf": [{ "type": "integer" }, list(json!({ "type": "integer" }))] }),
        Kind::Duration => json!({ "type": "string", "pattern": "^[0-9.]+ ?(ms|s|m|min|h)$|\\{\\{" }),
        Kind::Texts => list(text()),
        Kind::Source => source(),
        Kind::TextTable => json!({ "type": "object", "additionalProperties": text() }),
        Kind::SourceTable => json!({ "type": "object", "additionalProperties": source() }),
        Kind::Variables => json!({ "type": "object", "additionalProperties": variable() }),
        Kind::Values => {
            json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } })
        }
        Kind::Json => json!({ "type": ["object", "string"] }),
        Kind::One(table) if table.name == MATCHER.name => json!({ "$ref": "#/$defs/match" }),
        Kind::One(table) => object(table),
        Kind::Many(table) => list(object(table)),
    }
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn variable() -> Value {
    json!({
        "type": ["string", "number", "boolean", "object"],
        "properties": { "value": { "type": ["string", "number", "boolean"] }, "secret": { "type": "boolean" } },
        "required": ["value"],
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::file::shipped::SHIPPED;

    /// Whether a value fits a schema, for the part of the language that this schema uses.
    fn fits(value: &Value, schema: &Value, whole: &Value) -> bool {
        if let Some(path) = schema["$ref"].as_str() {
            return fits(value, whole.pointer(path.trim_start_matches('#')).unwrap(), whole);
        }
        let kind = match value {
            Value::String(_) => "string",
            Value::Number(number) if number.is_i64() => "integer",
            Value::Number(_) => "number",
            Value::Bool(_) => "boolean",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Null => "null",
        };
        let named = |name: &Value| name == kind || (name == "number" && kind == "integer");
        let of_type = match &schema["type"] {
            Value::Null => true,
            Value::Array(names) => names.iter().any(named),
            name => named(name),
        };
        let chosen = schema["enum"].as_array().is_none_or(|all| all.contains(value));
        let constant = schema.get("const").is_none_or(|wanted| wanted == value);
        let any = schema["anyOf"].as_array().is_none_or(|all| all.iter().any(|one| fits(value, one, whole)));
        let items = value.as_array().is_none_or(|items| items.iter().all(|item| fits(item, &schema["items"], whole)));
        let members = value.as_object().is_none_or(|members| {
            members.iter().all(|(name, member)| match schema["properties"].get(name) {
                Some(known) => fits(member, known, whole),
                None => schema["additionalProperties"] != false && fits(member, &schema["additionalProperties"], whole),
            })
        });
        of_type && chosen && constant && any && (schema.get("items").is_none() || items) && members
    }

    fn as_json(text: &str) -> Value {
        toml::from_str::<Value>(text).unwrap()
    }

    #[test]
    fn every_shipped_file_fits_the_schema() {
        let schema = schema();
        for file in SHIPPED {
            assert!(fits(&as_json(file.text), &schema, &schema), "{}", file.name);
        }
    }

    #[test]
    fn what_the_parser_refuses_by_type_or_name_does_not_fit() {
        let schema = schema();
        for text in [
            "schema = 2",
            "schem = 1",
            "[[join]]\nsendd = \"x\"",
            "[[join]]\nexpect = { prefx = \"x\" }",
            "[message]\necho = \"yes\"",
            "[keepalive]\nevery = 5",
            "[vars]\na = { secret = true, value = 1, more = 2 }",
            "[[message.received]]\nmatch = { any = false }",
        ] {
            assert!(!fits(&as_json(text), &schema, &schema), "{text}");
        }
    }

    #[test]
    fn every_key_is_described() {
        fn walk(schema: &Value, path: &str) {
            let Some(properties) = schema["properties"].as_object() else { return };
            for (name, member) in properties {
                let about = member["description"].as_str();
                let inside = if member["items"].is_object() { &member["items"] } else { member };
                assert!(
                    about.is_some_and(|about| about.ends_with('.') || about.ends_with(')')) || path.ends_with("/vars"),
                    "{path}/{name}"
                );
                walk(inside, &format!("{path}/{name}"));
            }
        }
        walk(&schema(), "");
    }
}
