//! Chat text to the HTML that the application sends: escaped, a few tags kept, links made.
//!
//! Pure text in, text out; for the characters that pass unchanged see the tests.

/// Tags that pass, in lower case and without attributes.
const TAGS: [&str; 5] = ["b", "i", "span", "p", "br"];
/// Last labels of a host name that make `word.label` a link; the original knows more of them.
const TOP_LEVEL: [&str; 22] = [
    "com", "org", "net", "edu", "gov", "int", "mil", "info", "biz", "io", "co", "uk", "de", "fr", "eu", "us", "ca",
    "me", "tv", "name", "app", "dev",
];

/// The message as it goes out.
pub(super) fn sanitise(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut open: Vec<&'static str> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (plain, tail) = rest.split_at(at);
        link(&mut out, plain);
        rest = match tag(tail) {
            Some((name, closing, length)) if keep(&mut out, &mut open, name, closing) => &tail[length..],
            _ => {
                out.push_str("&lt;");
                &tail[1..]
            }
        };
    }
    link(&mut out, rest);
    while let Some(name) = open.pop() {
        out.push_str(&format!("</{name}>"));
    }
    out
}

/// An allowed tag at the start of `text`: its name, whether it closes, its length.
fn tag(text: &str) -> Option<(&'static str, bool, usize)> {
    let end = text.find('>')?;
    let inner = text.get(1..end)?;
    let (inner, closing) = inner.strip_prefix('/').map_or((inner, false), |inner| (inner, true));
    let name = inner.split([' ', '/']).next()?;
    let name = TAGS.into_iter().find(|tag| tag.eq_ignore_ascii_case(name))?;
    Some((name, closing, end + 1))
}

/// Writes the tag if it fits those that are open; false if it must be escaped.
fn keep(out: &mut String, open: &mut Vec<&'static str>, name: &'static str, closing: bool) -> bool {
    if closing {
        if open.last() != Some(&name) {
            return false;
        }
        open.pop();
        out.push_str(&format!("</{name}>"));
    } else {
        if name != "br" {
            open.push(name);
        }
        out.push_str(&format!("<{name}>"));
    }
    true
}

/// Escapes `text` and turns what looks like a link into one.
fn link(out: &mut String, text: &str) {
    let mut rest = text;
    while !rest.is_empty() {
        let space = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(space);
        linked_word(out, word);
        let after = tail.find(|c: char| !c.is_whitespace()).unwrap_or(tail.len());
        out.push_str(&tail[..after]);
        rest = &tail[after..];
    }
}

fn linked_word(out: &mut String, word: &str) {
    let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '/' && c != '#');
    if core.is_empty() || !is_link(core) {
        return escape(out, word);
    }
    // What was trimmed off holds no letter, so this finds the core itself.
    let from = word.find(core).unwrap_or_default();
    escape(out, &word[..from]);
    let scheme = if core.contains("://") { "" } else { "http://" };
    out.push_str("<a href=\"");
    out.push_str(scheme);
    escape(out, core);
    out.push_str("\" rel=\"nofollow noopener noreferrer\" target=\"_blank\">");
    escape(out, core);
    out.push_str("</a>");
    escape(out, &word[from + core.len()..]);
}

/// Whether a word is `http(s)://host.tld...` or `host.tld...`.
fn is_link(word: &str) -> bool {
    let host = ["http://", "https://"].into_iter().find_map(|scheme| word.strip_prefix(scheme)).unwrap_or(word);
    let host = host.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let mut labels = host.rsplit('.');
    let top = labels.next().unwrap_or_default();
    let mut before = labels.peekable();
    before.peek().is_some()
        && TOP_LEVEL.into_iter().any(|known| known.eq_ignore_ascii_case(top))
        && before
            .all(|label| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'))
}

/// Escapes the characters that have a meaning in HTML; also for the pages.
pub(super) fn escape(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_recorded_message_is_sanitised_as_recorded() {
        let text = "a <b>b</b> & <i>i</i> <script>x</script> http://e.com \"q\" 's' caf\u{e9} \u{1f600} 1 < 2";
        assert_eq!(
            sanitise(text),
            "a <b>b</b> &amp; <i>i</i> &lt;script&gt;x&lt;/script&gt; <a href=\"http://e.com\" \
             rel=\"nofollow noopener noreferrer\" target=\"_blank\">http://e.com</a> \"q\" 's' caf\u{e9} \u{1f600} 1 &lt; 2"
        );
    }

    #[test]
    fn a_bare_host_becomes_a_link() {
        let link = "<a href=\"http://word.com\" rel=\"nofollow noopener noreferrer\" target=\"_blank\">word.com</a>";
        assert_eq!(sanitise("see word.com, friend"), format!("see {link}, friend"));
        assert_eq!(sanitise("a.b me@word.com 1.5"), "a.b me@word.com 1.5");
    }

    #[test]
    fn open_tags_are_closed_and_stray_ones_escaped() {
        assert_eq!(sanitise("<b>x"), "<b>x</b>");
        assert_eq!(sanitise("x</b> <br>"), "x&lt;/b&gt; <br>");
    }

    proptest! {
        #[test]
        fn marker_characters_pass_unchanged(text in "[a-zA-Z0-9_:| -]{0,300}") {
            prop_assert_eq!(sanitise(&text), text);
        }

        #[test]
        fn never_panics_and_opens_no_foreign_tag(text in "\\PC{0,200}") {
            let out = sanitise(&text);
            prop_assert!(!out.contains("<script"));
        }
    }
}
