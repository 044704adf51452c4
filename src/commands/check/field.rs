//! The place of a value in a frame, as a protocol file names it.

use serde_json::Value;

/// Most places of a frame that are tried as the start of JSON.
const BEGINNINGS: usize = 8;

/// The sources that would find `wanted` in a frame, such as `json:/1/from`.
pub(super) fn sources_of(frame: &str, wanted: &str) -> Vec<String> {
    let beginnings = frame.char_indices().filter(|(_, c)| matches!(c, '{' | '[')).take(BEGINNINGS);
    let parsed = beginnings.filter_map(|(at, _)| serde_json::from_str::<Value>(frame.get(at..)?).ok()).next();
    let mut found = Vec::new();
    if let Some(value) = parsed {
        search(&value, wanted, String::new(), &mut Vec::new(), &mut found);
    }
    found
}

/// Searches a value; `outer` are the pointers of the strings around it that hold JSON.
fn search(value: &Value, wanted: &str, pointer: String, outer: &mut Vec<String>, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text == wanted => found.push(source(outer, &pointer)),
        Value::Number(number) if number.to_string() == wanted => found.push(source(outer, &pointer)),
        Value::String(text) if text.starts_with(['{', '[']) && outer.len() < 2 => {
            if let Ok(inner) = serde_json::from_str::<Value>(text) {
                outer.push(pointer);
                search(&inner, wanted, String::new(), outer, found);
                outer.pop();
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                search(item, wanted, format!("{pointer}/{at}"), outer, found);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                search(member, wanted, format!("{pointer}/{key}"), outer, found);
            }
        }
        _ => {}
    }
}

fn source(outer: &[String], pointer: &str) -> String {
    if outer.is_empty() {
        return format!("\"json:{pointer}\"");
    }
    let chain = outer.iter().map(String::as_str).chain([pointer]);
    format!("[{}]", chain.map(|pointer| format!("\"json:{pointer}\"")).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_wherever_json_holds_it() {
        for (frame, sources) in [
            (r#"42["chat message",{"from":"ann","text":"x"}]"#, vec![r#""json:/1/from""#]),
            (r#"{"message":"{\"user\":{\"a/b\":\"ann\"}}"}"#, vec![r#"["json:/message", "json:/user/a~1b"]"#]),
            (r#"{"by":"ann","to":["bob","ann"]}"#, vec![r#""json:/by""#, r#""json:/to/1""#]),
            ("ann: hello", vec![]),
            (r#"{"by":"anna"}"#, vec![]),
        ] {
            assert_eq!(sources_of(frame, "ann"), sources, "{frame}");
        }
        assert_eq!(sources_of(r#"{"by":7}"#, "7"), [r#""json:/by""#]);
    }
}
