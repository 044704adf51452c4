use super::*;
use crate::drivers::file::template::{BuiltIn, Captured, Filter};

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).unwrap()
}

fn json(path: &str, expected: Expected) -> Matcher {
    Matcher { json: vec![(path.into(), pointer(path), expected)], ..Matcher::default() }
}

fn literal(text: &str) -> Option<Template> {
    Some(Template::literal(text))
}

fn with<T>(then: impl FnOnce(&Values<'_>) -> T) -> T {
    let none = Captured::default();
    then(&Values {
        user: "u.1",
        password: "pw",
        index: 1,
        room: "a+b",
        base: "",
        ws: "",
        run: "",
        text: None,
        seq: Some(3),
        columns: &[],
        session: &none,
        connection: &none,
        local: &none,
    })
}

fn matches(matcher: &Matcher, text: &str) -> bool {
    let mut queries = QuerySet::default();
    let places = matcher.enter(&mut queries).unwrap();
    let bound = with(|values| matcher.bind(&places, values)).unwrap();
    let mut results = QueryResults::default();
    results.begin(&queries);
    bound.is_match(text, &queries, &mut results)
}

#[test]
fn every_key_must_hold() {
    let whole = Matcher {
        prefix: literal("42"),
        contains: literal("chat"),
        regex: literal("^42\\["),
        json: vec![("/0".into(), pointer("/0"), Expected::Text(Template::literal("chat")))],
        has: vec![("/1/text".into(), pointer("/1/text"))],
        ..Matcher::default()
    };
    let text = r#"42["chat", {"text": null}]"#;
    assert!(matches(&whole, text));
    for other in [
        r#"43["chat", {"text": 1}]"#,
        r#"42 ["chat", {"text": 1}]"#,
        r#"42["chats", {"text": 1}]"#,
        r#"42["chat", {"txt": 1}]"#,
        r#"42["chat", {"text": 1}"#,
        "42",
        "",
    ] {
        assert!(!matches(&whole, other), "{other}");
    }
    assert!(matches(&Matcher::default(), "") && matches(&Matcher::default(), "anything"));
}

#[test]
fn equals_means_the_whole_frame() {
    let ping = Matcher { equals: literal("2"), ..Matcher::default() };
    assert!(matches(&ping, "2") && !matches(&ping, "2probe") && !matches(&ping, ""));
}

#[test]
fn values_compare_by_type() {
    for (expected, same, others) in [
        (Expected::Text(Template::literal("7")), vec![r#""7""#, r#""\u0037""#], vec!["7", "\"07\"", "null", "[7]"]),
        (Expected::Integer(7), vec!["7", "7.0", "70e-1"], vec!["\"7\"", "7.5", "true", "-7", "null"]),
        (Expected::Integer(i64::MAX), vec!["9223372036854775807"], vec!["9223372036854775806"]),
        (Expected::Float(1.5), vec!["1.5", "15e-1"], vec!["1", "\"1.5\"", "null"]),
        (Expected::Boolean(true), vec!["true"], vec!["\"true\"", "1", "false"]),
        (Expected::Boolean(false), vec!["false"], vec!["null", "0", "\"\""]),
    ] {
        let matcher = json("/a", expected);
        for (value, wanted) in same.iter().map(|v| (v, true)).chain(others.iter().map(|v| (v, false))) {
            assert_eq!(matches(&matcher, &format!("{{\"a\": {value}}}")), wanted, "{matcher:?} {value}");
        }
    }
}

#[test]
fn a_pointer_that_must_exist_may_hold_null() {
    let has = Matcher { has: vec![("/a".into(), pointer("/a"))], ..Matcher::default() };
    assert!(matches(&has, "{\"a\": null}") && !matches(&has, "{}") && !matches(&has, "nonsense"));
}

#[test]
fn in_a_pattern_a_value_is_only_itself() {
    let mut regex = Template::literal("^#");
    regex.push_value(ValueRef::BuiltIn(BuiltIn::Room), vec![Filter::Regex], false);
    regex.push_literal(" (?P<text>.*)$", false);
    let matcher = Matcher { regex: Some(regex), ..Matcher::default() };
    assert!(matches(&matcher, "#a+b hi") && !matches(&matcher, "#aab hi"));
}

#[test]
fn matchers_behind_one_prefix_share_a_query() {
    let mut queries = QuerySet::default();
    let one = Matcher { prefix: literal("42"), ..json("/0", Expected::Integer(1)) };
    let two = Matcher { prefix: literal("42"), ..json("/1", Expected::Integer(1)) };
    let other = json("/0", Expected::Integer(1));
    let places: Vec<_> = [&one, &two, &other].iter().map(|m| m.enter(&mut queries).unwrap()).collect();
    assert_eq!(queries.len(), 2);
    assert_eq!(places.iter().map(|p| (p.query, p.json[0])).collect::<Vec<_>>(), [(0, 0), (0, 1), (1, 0)]);
}

#[test]
fn a_matcher_says_what_it_expects_without_secrets() {
    let mut secret = Template::literal("4");
    secret.push_value(ValueRef::BuiltIn(BuiltIn::Password), Vec::new(), true);
    let matcher = Matcher {
        prefix: Some(secret),
        has: vec![("/b".into(), pointer("/b"))],
        ..json("/a", Expected::Text(Template::literal("x")))
    };
    assert_eq!(with(|values| matcher.describe(values)), "prefix \"4***\" and json /a = \"x\" and has /b");
    assert_eq!(with(|values| Matcher::default().describe(values)), "any frame");
}

#[test]
fn a_matcher_of_constants_is_bound_once() {
    let bind = |matcher: &Matcher, places: &MatcherSlots| with(|values| matcher.bind(places, values)).unwrap();
    let constant = Matcher { regex: literal("a+"), ..Matcher::default() };
    let places = constant.enter(&mut QuerySet::default()).unwrap();
    assert!(Arc::ptr_eq(&bind(&constant, &places), &bind(&constant, &places)));
    let mut room = Template::default();
    room.push_value(ValueRef::BuiltIn(BuiltIn::Room), Vec::new(), false);
    let taking = Matcher { prefix: Some(room), ..Matcher::default() };
    let places = taking.enter(&mut QuerySet::default()).unwrap();
    assert!(!Arc::ptr_eq(&bind(&taking, &places), &bind(&taking, &places)));
}

#[test]
fn a_matcher_waits_for_its_values() {
    let mut later = Template::default();
    later.push_value(ValueRef::Connection(0), Vec::new(), true);
    let matcher = Matcher { equals: Some(later), ..Matcher::default() };
    let places = matcher.enter(&mut QuerySet::default()).unwrap();
    let unbound = with(|values| matcher.bind(&places, values)).unwrap_err();
    assert_eq!(unbound, BindError::Missing(Missing(ValueRef::Connection(0))));
}
