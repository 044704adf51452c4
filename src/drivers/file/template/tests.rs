use super::*;
use crate::drivers::file::pattern::{Groups, Pattern};
use base64::Engine as _;
use proptest::prelude::*;

/// A template with built-in variables only.
fn template(source: &str) -> Template {
    let mut template = Template::default();
    for piece in pieces(source).unwrap() {
        match piece {
            Piece::Text(text) => template.push_literal(text, false),
            Piece::Value(Expression::Quoted(text), filters) => template.push_template(Template::literal(text), filters),
            Piece::Value(Expression::Name(name), filters) => {
                let built_in = BuiltIn::named(name).unwrap();
                template.push_value(ValueRef::BuiltIn(built_in), filters, built_in == BuiltIn::Password);
            }
        }
    }
    template
}

fn with<T>(text: &str, then: impl FnOnce(&Values<'_>) -> T) -> T {
    let none = Captured::default();
    then(&Values {
        user: "soak-7",
        password: "pa\"ss",
        index: 7,
        room: "a.b/c d",
        base: "http://h",
        ws: "ws://h",
        run: "r1",
        text: Some(text),
        seq: Some(12),
        columns: &[],
        session: &none,
        connection: &none,
        local: &none,
    })
}

fn rendered(source: &str, text: &str) -> String {
    let mut out = String::new();
    with(text, |values| template(source).render(values, &mut out)).unwrap();
    out
}

#[test]
fn values_stand_where_they_are_named() {
    for (source, expected) in [
        ("plain", "plain"),
        ("", ""),
        ("{{user}}", "soak-7"),
        ("42{{seq}}[\"join\",{{ room | json }}]", "4212[\"join\",\"a.b/c d\"]"),
        ("{{ws}}/{{room|url}}?i={{index}}", "ws://h/a.b%2Fc%20d?i=7"),
        ("<b>{{text|xml}}</b>", "<b>&lt;&amp;&quot;&apos;&gt;é</b>"),
        ("{{text|base64}}", "PCYiJz7DqQ=="),
        ("{{text|len}}", "7"),
        ("{{user|base64|json|len}}", "10"),
        ("{{\"{{\"}}x}}", "{{x}}"),
        ("{{\"a b\"|url}}", "a%20b"),
        ("{\"a\":{\"b\":{{run|json}}}}", "{\"a\":{\"b\":\"r1\"}}"),
    ] {
        assert_eq!(rendered(source, "<&\"'>é"), expected, "{source}");
    }
}

#[test]
fn a_mistake_in_a_template_says_what_to_do() {
    for (source, why, remedy) in [
        ("a{{user", "{{ is not closed: {{user", "close it with }}"),
        ("a{{user|json}", "{{ is not closed", "close it with }}"),
        ("a{{\"x}}", "{{ is not closed", "close it with }}"),
        ("{{user|jsn}}", "unknown filter \"jsn\", did you mean json?", "json, url, xml, base64, len"),
        ("{{user|}}", "unknown filter \"\"", "json, url"),
        ("{{user|regex}}", "unknown filter", "json, url"),
        ("{{\"x\" json}}", "\"json\" where | and a filter", "json, url"),
        ("{{}}", "\"\" is not a variable name", "letters, digits"),
        ("{{my-var}}", "\"my-var\" is not a variable name", "letters, digits"),
        ("{{7up}}", "\"7up\" is not a variable name", "letters, digits"),
    ] {
        let (said, todo) = pieces(source).unwrap_err();
        assert!(said.contains(why) && todo.contains(remedy), "{source}: {said}; {todo}");
    }
}

#[test]
fn a_constant_is_known_before_it_is_rendered() {
    assert_eq!(template("4{{\"0\"}}").as_constant(), Some("40"));
    assert_eq!(template("").as_constant(), Some(""));
    assert_eq!(template("{{user}}").as_constant(), None);
    let mut nested = Template::default();
    nested.push_template(Template::literal("a b"), vec![Filter::Url, Filter::Json]);
    assert_eq!(nested.as_constant(), Some("\"a%20b\""));
}

#[test]
fn what_comes_of_a_secret_is_masked() {
    let mut outer = template("user={{user}}&token={{password|url}}&both=");
    outer.push_template(template("{{user}}:{{password}}"), vec![Filter::Base64]);
    outer.push_literal("&json=", false);
    outer.push_template(template("{{user}} {{password}}"), vec![Filter::Json]);
    let mut out = String::new();
    with("", |values| outer.render_masked(values, &mut out));
    assert_eq!(out, "user=soak-7&token=***&both=***&json=\"soak-7 ***\"");
    assert!(outer.is_secret() && !template("{{user}}").is_secret());
    let mut secrets = Vec::new();
    with("", |values| outer.secrets(values, &mut |secret| secrets.push(secret.to_owned())));
    let both = base64::engine::general_purpose::STANDARD.encode("soak-7:pa\"ss");
    for secret in ["pa\"ss", "pa%22ss", both.as_str(), "\"soak-7 pa\\\"ss\""] {
        assert!(secrets.iter().any(|known| known == secret), "{secret} in {secrets:?}");
    }
}

#[test]
fn a_value_that_is_missing_is_named() {
    let mut later = Template::literal("a");
    later.push_value(ValueRef::Connection(3), vec![Filter::Json], true);
    let mut out = String::new();
    let missing = with("", |values| later.render(values, &mut out)).unwrap_err();
    assert_eq!(missing, Missing(ValueRef::Connection(3)));
}

#[test]
fn captures_are_bounded() {
    let mut captured = Captured::default();
    assert!(captured.set(1, "a") && captured.set(1, "b"));
    assert!(captured.set(31, &"x".repeat(Captured::LONGEST)));
    assert!(!captured.set(32, "x") && !captured.set(0, &"x".repeat(Captured::LONGEST + 1)));
    assert_eq!((captured.get(0), captured.get(1), captured.iter().count()), (None, Some("b"), 2));
}

#[test]
fn rendering_allocates_nothing() {
    let mut both = template("42{{seq}}[{{text|json}},{{room|url}},{{user|xml}},{{index|base64}},{{text|len}}]");
    both.push_template(template("{{user}}{{text|json}}"), vec![Filter::Json, Filter::Base64]);
    let mut out = String::with_capacity(4096);
    let counted = with("a \"text\" of é", |values| {
        allocation_counter::measure(|| {
            out.clear();
            both.render(values, &mut out).unwrap();
            assert!(!out.is_empty());
        })
    });
    assert_eq!(counted.count_total, 0);
}

proptest! {
    #[test]
    fn filters_agree_with_the_crates_that_define_them(text in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
        prop_assert_eq!(rendered("{{text|json}}", &text), serde_json::to_string(&text).unwrap());
        prop_assert_eq!(rendered("{{text|base64}}", &text), base64::engine::general_purpose::STANDARD.encode(&text));
        prop_assert_eq!(rendered("{{text|len}}", &text), text.len().to_string());
        let pattern = filter::applied(&text, &[Filter::Regex]);
        let mut groups = Groups::default();
        prop_assert!(Pattern::new(&pattern).unwrap().search(&text, &mut groups));
        prop_assert_eq!(groups.get(0), Some(0..text.len()));
        let url = rendered("{{text|url}}", &text);
        let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        prop_assert_eq!(url.replace("%20", "+").replace('~', "%7E").replace("*", "%2A"), form.replace('*', "%2A"));
    }

    #[test]
    fn a_masked_text_holds_no_secret(filters in prop::sample::subsequence(vec!["json", "url", "xml", "base64"], 0..4)) {
        let chain: String = filters.iter().map(|filter| format!("|{filter}")).collect();
        let mut nested = template(&format!("a{{{{password{chain}}}}}b"));
        nested.push_template(template("{{user}}:{{password}}"), vec![Filter::Base64, Filter::Json]);
        let (mut plain, mut masked) = (String::new(), String::new());
        with("", |values| {
            nested.render(values, &mut plain).unwrap();
            nested.render_masked(values, &mut masked);
        });
        prop_assert_eq!(masked, "a***b***");
        prop_assert!(plain.len() > 8);
    }

    #[test]
    fn arbitrary_templates_never_panic(text in "\\PC{0,60}", braces in "[{}|\"a ]{0,20}") {
        let _ = pieces(&text);
        let _ = pieces(&braces);
    }
}
