use super::*;
use proptest::prelude::*;
use serde_json::Value;

/// The raw value at `pointer`; `None` if there is none, or the text is not JSON.
fn find<'a>(text: &'a str, pointer: &Pointer) -> Option<&'a str> {
    let mut query = Query::default();
    let slot = query.add(pointer)?;
    let mut found = Found::default();
    query.run(text, &mut found).then(|| found.get(text, slot)).flatten()
}

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).unwrap()
}

fn at<'a>(text: &'a str, path: &str) -> Option<&'a str> {
    find(text, &pointer(path))
}

#[test]
fn values_are_found_as_they_are_spelled() {
    let text = r#" ["chat", {"text": "a\"b", "n": 1.50, "at": null, "list": [1, {"x": [ ]}], "a/b": {"~": true}}] "#;
    for (path, expected) in [
        ("/0", Some("\"chat\"")),
        ("/1/text", Some(r#""a\"b""#)),
        ("/1/n", Some("1.50")),
        ("/1/at", Some("null")),
        ("/1/list/1", Some("{\"x\": [ ]}")),
        ("/1/list/1/x", Some("[ ]")),
        ("/1/a~1b/~0", Some("true")),
        ("/2", None),
        ("/1/missing", None),
        ("/00", None),
        ("/0/0", None),
    ] {
        assert_eq!(at(text, path), expected, "{path}");
    }
    assert_eq!(at(text, ""), Some(text.trim()));
}

#[test]
fn several_pointers_are_found_in_one_pass() {
    let mut query = Query::default();
    let slots: Vec<_> = ["/b", "/a/x", "/a", "/b"].iter().map(|p| query.add(&pointer(p)).unwrap()).collect();
    assert_eq!(slots, [0, 1, 2, 0]);
    let mut found = Found::default();
    let text = r#"{"a": {"x": 1}, "b": 2}"#;
    assert!(query.run(text, &mut found));
    assert_eq!([0, 1, 2].map(|slot| found.get(text, slot)), [Some("2"), Some("1"), Some("{\"x\": 1}")]);
    let text = "{\"b\": false}";
    assert!(query.run(text, &mut found));
    assert_eq!([0, 1, 2].map(|slot| found.get(text, slot)), [Some("false"), None, None]);
}

#[test]
fn the_last_of_two_members_of_a_name_counts() {
    assert_eq!(at(r#"{"a": 1, "a": 2}"#, "/a"), Some("2"));
    assert_eq!(at(r#"{"a": {"b": 1}, "\u0061": {"c": 1}}"#, "/a/b"), None);
}

#[test]
fn what_is_not_json_contains_nothing() {
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "01",
        "1.",
        "+1",
        "1e",
        "tru",
        "nul",
        "\"\t\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "[1] 2",
        "{a:1}",
        "'a'",
        "[1 2]",
        "{\"a\" 1}",
        "[\"a\"",
        "\"abc",
        "-",
        "{\"a\":[}]",
        "NaN",
    ] {
        assert_eq!(at(text, ""), None, "{text}");
    }
    assert_eq!(at(&"[".repeat(100_000), "/0/0"), None);
    let deep = format!("{}1{}", "[".repeat(127), "]".repeat(127));
    assert_eq!(at(&deep, ""), Some(deep.as_str()));
    assert_eq!(at(&format!("[{deep}]"), ""), None);
}

#[test]
fn what_is_not_a_pointer_is_refused() {
    for (text, why) in [("a", "begin with /"), ("/~2", "~ is not followed"), ("/a~", "~ is not followed")] {
        assert!(Pointer::parse(text).unwrap_err().contains(why), "{text}");
    }
    assert!(Pointer::parse(&"/a".repeat(33)).is_err());
}

#[test]
fn a_full_query_takes_no_more() {
    let mut query = Query::default();
    for n in 0..MOST_POINTERS {
        assert_eq!(query.add(&pointer(&format!("/{n}"))), Some(n));
    }
    assert_eq!(query.add(&pointer("/more")), None);
    let text = format!("[{}]", (0..70).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    let mut found = Found::default();
    assert!(query.run(&text, &mut found));
    assert_eq!(found.get(&text, 63), Some("63"));
}

#[test]
fn strings_say_what_serde_reads() {
    let raw = r#""a\u0041\ud83d\ude00\n\/\"\\é""#;
    let mut out = String::from("> ");
    assert!(unescape(raw, &mut out));
    assert_eq!(out, "> aA😀\n/\"\\é");
    assert!(equals(raw, "aA😀\n/\"\\é") && !equals(raw, "aA😀\n/\"\\") && !equals(raw, &raw[1..raw.len() - 1]));
    for half in [r#""\ud83d""#, r#""\ud83dx""#, r#""\ude00\ud83d""#, "7"] {
        assert!(!unescape(half, &mut String::new()), "{half}");
        assert!(!equals(half, "x"));
    }
}

#[test]
fn the_elements_of_an_array_come_one_by_one() {
    let mut all = Vec::new();
    assert!(elements(r#" [ "a" , {"b": [1]}, 3 ]"#, |element| all.push(element.to_owned())).is_some());
    assert_eq!(all, ["\"a\"", "{\"b\": [1]}", "3"]);
    assert!(elements("[]", |_| ()).is_some());
    assert!(elements("{}", |_| ()).is_none() && elements("[1", |_| ()).is_none());
}

fn json() -> impl Strategy<Value = String> {
    let text = prop_oneof!["[a-c]{0,2}", "\\PC{0,20}"].prop_map(|text| serde_json::to_string(&text).unwrap());
    let escaped = "[a-c]".prop_map(|text| format!("\"\\u{:04x}\"", text.as_bytes()[0]));
    let key = prop_oneof![4 => "[a-c]{1}".prop_map(|text| format!("\"{text}\"")), 1 => escaped];
    let number = prop_oneof![any::<i64>().prop_map(|n| n.to_string()), Just("-0.5e+3".to_owned())];
    let word = prop::sample::select(vec!["true", "false", "null", "{ }", "[ ]"]).prop_map(str::to_owned);
    prop_oneof![text, number, word].prop_recursive(4, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" ,\n"))),
            prop::collection::vec((key.clone(), inner), 0..5).prop_map(|members| {
                let members: Vec<_> = members.into_iter().map(|(key, value)| format!("{key} :\t{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[abc012]", 0..4).prop_map(|tokens| tokens.iter().map(|token| format!("/{token}")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn pointers_find_what_serde_finds(text in json(), paths in prop::collection::vec(path(), 1..6)) {
        let tree: Value = serde_json::from_str(&text).unwrap();
        let mut query = Query::default();
        let mut found = Found::default();
        let slots: Vec<_> = paths.iter().map(|path| query.add(&pointer(path)).unwrap()).collect();
        prop_assert!(query.run(&text, &mut found));
        for (path, slot) in paths.iter().zip(slots) {
            let value = found.get(&text, slot).map(|raw| serde_json::from_str::<Value>(raw).unwrap());
            prop_assert_eq!(value.as_ref(), tree.pointer(path), "{} in {}", path, text);
        }
    }

    #[test]
    fn damaged_text_is_json_where_serde_says_so(text in json(), at in any::<prop::sample::Index>(), to in "[ -~]{0,2}") {
        let mut places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        places.push(text.len());
        let start = places[at.index(places.len())];
        let end = places.iter().copied().find(|place| *place > start).unwrap_or(start);
        let mut damaged = text;
        damaged.replace_range(start..end, &to);
        let valid = serde_json::from_str::<serde::de::IgnoredAny>(&damaged).is_ok();
        prop_assert_eq!(find(&damaged, &pointer("")).is_some(), valid, "{}", damaged);
    }

    #[test]
    fn strings_are_read_as_serde_reads_them(text in "\\PC{0,40}", other in "\\PC{0,4}") {
        let raw = serde_json::to_string(&text).unwrap();
        let mut out = String::new();
        prop_assert!(unescape(&raw, &mut out));
        prop_assert_eq!(&out, &text);
        prop_assert!(equals(&raw, &text));
        prop_assert_eq!(equals(&raw, &other), text == other);
    }
}
