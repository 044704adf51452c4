//! Page, style, script and data as one file that loads nothing.
//!
//! The data is JSON in an element that no browser executes; what could end that element, or a line of
//! script, is escaped as in JSON. The policy names the style and the script by their hashes, so that
//! nothing else runs or loads even if something got past that.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use super::view::View;

const TEMPLATE: &str = include_str!("page.html");
const STYLES: [&str; 2] = [include_str!("vendor/uplot.css"), include_str!("page.css")];
const SCRIPTS: [&str; 6] = [
    include_str!("vendor/uplot.js"),
    include_str!("numbers.js"),
    include_str!("charts.js"),
    include_str!("recovery.js"),
    include_str!("live.js"),
    include_str!("page.js"),
];

/// The whole page.
pub(super) fn page(view: &View) -> String {
    let data = serde_json::to_string(view).map_or_else(|_| "null".to_owned(), |json| escaped(&json));
    filled(&data, &policy(""))
}

/// A page without data, which requests it from beside its own address, and the policy for the answer's head.
pub(super) fn live() -> (String, String) {
    let connect = "; connect-src 'self'";
    // Only a header can forbid others to frame the page.
    let head = policy(&format!("{connect}; frame-ancestors 'none'"));
    (filled(r#"{"kind":"live"}"#, &policy(connect)), head)
}

fn filled(data: &str, policy: &str) -> String {
    let (style, script) = (STYLES.join("\n"), SCRIPTS.join("\n"));
    let mut page = String::with_capacity(TEMPLATE.len() + style.len() + script.len() + data.len());
    let mut rest = TEMPLATE;
    // Each part replaces its name in the template, and is not searched again.
    let parts = [("{{policy}}", policy), ("{{style}}", &style), ("{{data}}", data), ("{{script}}", &script)];
    for (name, part) in parts {
        let Some((before, after)) = rest.split_once(name) else { continue };
        page.push_str(before);
        page.push_str(part);
        rest = after;
    }
    page + rest
}

/// The policy of the page; `more` are further directives.
fn policy(more: &str) -> String {
    let hash = |parts: &[&str]| STANDARD.encode(digest(&SHA256, parts.join("\n").as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; \
         form-action 'none'{more}",
        hash(&STYLES),
        hash(&SCRIPTS)
    )
}

/// JSON without characters that have a meaning in HTML or end a line of script. They only occur in
/// strings.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 16);
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_leave_its_element_and_is_read_back() {
        let hostile = "</script><script>alert(1)</script><!-- & \u{2028}\u{2029}\u{0} {{script}}";
        let json = serde_json::to_string(hostile).unwrap();
        let out = escaped(&json);
        assert!(!out.contains(['<', '>', '&', '\u{2028}', '\u{2029}', '\u{0}']), "{out}");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), hostile);
    }

    #[test]
    fn style_and_script_stay_in_their_elements() {
        for part in STYLES.iter().chain(&SCRIPTS) {
            let lower = part.to_lowercase();
            assert!(!lower.contains("</script") && !lower.contains("</style") && !lower.contains("<!--"));
        }
        for name in ["{{policy}}", "{{style}}", "{{data}}", "{{script}}"] {
            assert_eq!(TEMPLATE.matches(name).count(), 1, "{name}");
        }
    }
}
