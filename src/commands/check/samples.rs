//! The texts that a check sends, and how to describe changes to them.

/// A text whose characters share a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// The characters, in words.
    pub(super) what: &'static str,
    pub(super) text: &'static str,
    /// Whether every run sends such characters.
    pub(super) usual: bool,
}

const fn unusual(what: &'static str, text: &'static str) -> Sample {
    Sample { what, text, usual: false }
}

/// The texts. They are short, because some servers cut messages after 512 bytes. The line break comes
/// last: if lines are frames, it makes two frames of one.
pub(super) const SAMPLES: [Sample; 12] = [
    Sample { what: "letters and spaces", text: "I think many people should talk about the coffee", usual: true },
    unusual("digits and punctuation", "0123456789 !#$%()*+,-./:;=?@[]^_{|}~"),
    unusual("quotes", "double \" single ' back `"),
    unusual("backslashes", r"C:\new \u0041 \\ \n"),
    unusual("<, > and &", "<b>1 < 2 & 3 > 2</b> &amp;"),
    unusual("accents and umlauts", "\u{e9} \u{f6} \u{df} \u{f1} \u{17e}"),
    unusual("combining characters", "e\u{301} a\u{308} n\u{303}"),
    unusual("right-to-left text", "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627}"),
    unusual("Chinese and Japanese", "\u{4f60}\u{597d} \u{3053}\u{3093}\u{306b}\u{3061}\u{306f}"),
    unusual("emoji beyond the basic plane", "\u{1f600} \u{1f469}\u{200d}\u{1f680} \u{1f1e9}\u{1f1ea}"),
    unusual("double spaces, and spaces at the end", "two  spaces, and at the end  "),
    unusual("line breaks", "one\ntwo"),
];

/// How a server changed a text, in words; `None` if it did not.
pub(super) fn change(sent: &str, came: &str) -> Option<String> {
    if sent == came {
        return None;
    }
    if html_escaped(sent) == came {
        return Some("is escaped as in HTML or XML; if the protocol means that, add decode = \"xml\"".to_owned());
    }
    if sent.trim() == came {
        return Some("loses the spaces around it".to_owned());
    }
    if sent.split_whitespace().eq(came.split_whitespace()) {
        return Some("has different white space".to_owned());
    }
    if !came.is_empty() && sent.starts_with(came) {
        return Some(format!("is cut off after {} bytes", came.len()));
    }
    let gone: String = sent.chars().filter(|c| !came.contains(*c)).collect();
    let behind = |text: &str| text.split_once('|').map_or(text, |(_, text)| text).to_owned();
    let how = format!("arrived as {:?}, not {:?}", behind(came), behind(sent));
    Some(if gone.is_empty() { how } else { format!("{how}; missing: {gone:?}") })
}

fn html_escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#x27;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_described_in_words() {
        for (sent, came, told) in [
            ("m|<b> & c", "m|&lt;b&gt; &amp; c", "is escaped as in HTML or XML; if the protocol means that"),
            ("m|a  ", "m|a", "loses the spaces around it"),
            ("m|a  b", "m|a b", "has different white space"),
            ("m|abcdef", "m|abc", "is cut off after 5 bytes"),
            ("m|a\u{1f600}b", "m|a?b", "arrived as \"a?b\", not \"a😀b\"; missing: \"😀\""),
        ] {
            let change = change(sent, came).unwrap();
            assert!(change.starts_with(told), "{change}");
        }
        assert_eq!(change("m|same", "m|same"), None);
    }
}
