//! What the site's pages say, found with an HTML parser: the CSRF field, the reasons of a
//! refusal, and whether the event is full.
//!
//! A page comes from a server that is not trusted. The parser's work can grow with the square
//! of a hostile page, so only pages of a form's size and make-up are given to it.

use std::sync::LazyLock;

use scraper::{CaseSensitivity, ElementRef, Html, Node, Selector};

use crate::chat::{Failure, FailureKind, turns_direction};

/// The largest page that is parsed, in bytes; the real forms are under 20 kB.
const PARSE_LIMIT: usize = 1 << 20;

/// The most tags in it: the parser looks through all open elements at each tag.
const TAG_LIMIT: usize = 3_000;

/// The most attributes of a tag: the parser compares each with all before it.
const ATTRIBUTE_LIMIT: usize = 1_000;

/// The longest tag, in bytes.
const TAG_LENGTH_LIMIT: usize = 64 << 10;

/// The most reasons of a refusal; each is as long as a failure's detail at most.
const REASON_LIMIT: usize = 8;

static CSRF: LazyLock<Option<Selector>> = LazyLock::new(|| Selector::parse("input[name=csrfmiddlewaretoken]").ok());
static REASONS: LazyLock<Option<Selector>> =
    LazyLock::new(|| Selector::parse("span.help-block, div.alert-danger, ul.errorlist li").ok());
static FULL: LazyLock<Option<Selector>> = LazyLock::new(|| Selector::parse("div.over-capacity").ok());

/// A page with a form.
pub(super) struct FormPage(Html);

impl FormPage {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Failure> {
        if let Some(reason) = unfit(body) {
            return Err(Failure::with(FailureKind::NoCsrf, format!("the page is no form: {reason}")));
        }
        Ok(Self(Html::parse_document(&String::from_utf8_lossy(body))))
    }

    /// The value of the hidden CSRF field.
    pub(super) fn csrf(&self) -> Result<String, Failure> {
        let missing = || Failure::with(FailureKind::NoCsrf, "the page has no csrfmiddlewaretoken field");
        let selector = CSRF.as_ref().ok_or_else(missing)?;
        let mut values = self.0.select(selector).filter_map(|input| input.attr("value"));
        values.find(|value| !value.is_empty()).map(str::to_owned).ok_or_else(missing)
    }

    /// The reasons of a refusal in the page's own words, joined; empty where it gives none.
    pub(super) fn reasons(&self) -> String {
        let mut reasons: Vec<String> = Vec::new();
        for element in REASONS.as_ref().map(|selector| self.0.select(selector)).into_iter().flatten() {
            let text = plain(said(element));
            if !text.is_empty() && !reasons.contains(&text) {
                reasons.push(text);
            }
            if reasons.len() == REASON_LIMIT {
                break;
            }
        }
        reasons.join(" ")
    }

    /// Whether this is the page of an event that is full.
    pub(super) fn is_over_capacity(&self) -> bool {
        FULL.as_ref().is_some_and(|selector| self.0.select(selector).next().is_some())
    }
}

/// The text of a piece of HTML as [`FormPage::reasons`] would read it; empty where that is too long.
pub(super) fn text(fragment: &str) -> String {
    if unfit(fragment.as_bytes()).is_some() {
        return String::new();
    }
    said(Html::parse_fragment(fragment).root_element()).collect()
}

/// What speaks against giving a page to the parser.
fn unfit(page: &[u8]) -> Option<&'static str> {
    if page.len() > PARSE_LIMIT {
        return Some("it is too large");
    }
    let mut tags = 0;
    for at in memchr::memchr_iter(b'<', page) {
        tags += 1;
        if tags > TAG_LIMIT {
            return Some("it has too many tags");
        }
        if page.get(at + 1).is_some_and(u8::is_ascii_alphabetic) && is_overloaded(&page[at + 1..]) {
            return Some("a tag is too long or has too many attributes");
        }
    }
    None
}

/// Whether the tag at the start of `page` is over its limits. What separates attributes is
/// counted, so it may have fewer.
fn is_overloaded(page: &[u8]) -> bool {
    let (mut separators, mut quote, mut before) = (0, None, b' ');
    for &byte in page.iter().take(TAG_LENGTH_LIMIT) {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => continue,
            (None, b'"' | b'\'') if before == b'=' => quote = Some(byte),
            (None, b'>') => return false,
            (None, b'/' | b'"' | b'\'') => separators += 1,
            (None, _) if byte.is_ascii_whitespace() => separators += 1,
            (None, _) => {}
        }
        if separators > ATTRIBUTE_LIMIT {
            return true;
        }
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
    }
    page.len() > TAG_LENGTH_LIMIT
}

/// The text of an element without its buttons: an alert has one to close it, with a cross on it.
fn said<'a>(element: ElementRef<'a>) -> impl Iterator<Item = &'a str> {
    let is_button = |node: &Node| {
        node.as_element().is_some_and(|e| e.name() == "button" || e.has_class("close", CaseSensitivity::CaseSensitive))
    };
    element.descendants().filter_map(move |node| {
        let text = node.value().as_text()?;
        let mut inside = node.ancestors().take_while(|above| above.id() != element.id());
        (!inside.any(|above| is_button(above.value()))).then_some(&**text)
    })
}

/// Text fit for a terminal: white space folded, control and direction characters left out,
/// bounded.
fn plain<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    let mut room = Failure::DETAIL_LIMIT;
    for c in parts.flat_map(str::chars) {
        if room == 0 {
            break;
        }
        if c.is_whitespace() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else if !c.is_control() && !turns_direction(c) {
            out.push(c);
        } else {
            continue;
        }
        room -= 1;
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(html: &str) -> FormPage {
        FormPage::parse(html.as_bytes()).unwrap()
    }

    #[test]
    fn the_csrf_field_is_found_in_any_spelling() {
        for html in [
            r#"<form><input type="hidden" name="csrfmiddlewaretoken" value="T0k"></form>"#,
            "<form><input value='T0k' name='csrfmiddlewaretoken' type='hidden'/></form>",
            "<FORM><INPUT TYPE=hidden VALUE=T0k\n NAME=csrfmiddlewaretoken></FORM>",
            r#"<input name="csrfmiddlewaretoken" value="&#84;0k">"#,
        ] {
            assert_eq!(page(html).csrf().unwrap(), "T0k", "{html}");
        }
    }

    #[test]
    fn a_field_in_a_comment_or_a_script_is_none() {
        let html = r#"<!-- <input name="csrfmiddlewaretoken" value="a"> -->
            <script>'<input name="csrfmiddlewaretoken" value="b">'</script>"#;
        assert_eq!(page(html).csrf().unwrap_err().kind, FailureKind::NoCsrf);
    }

    #[test]
    fn reasons_are_the_pages_own_words() {
        let html = r#"<div class="alert alert-danger">Please&nbsp;fix:</div>
            <span class="help-block">This password is
               too <b>common</b>.</span><span class="help-block"> </span>
            <ul class="errorlist"><li>Enter &lt;a&gt; value.</li></ul>"#;
        assert_eq!(page(html).reasons(), "Please fix: This password is too common. Enter <a> value.");
    }

    #[test]
    fn an_alerts_close_button_is_no_reason() {
        for button in [
            r#"<button type="button" class="close" data-dismiss="alert" aria-hidden="true">&times;</button>"#,
            r##"<a href="#" class="close"><span>×</span></a>"##,
        ] {
            let html = format!(r#"<div class="alert alert-danger">{button}<b>The username</b> is not correct.</div>"#);
            assert_eq!(page(&html).reasons(), "The username is not correct.");
        }
    }

    #[test]
    fn terminal_escapes_and_direction_marks_are_left_out() {
        let html = "<span class=help-block>a\u{1b}[31mb\u{9b}2Jc\u{202e}d\u{7}</span>";
        assert_eq!(page(html).reasons(), "a[31mb2Jcd");
    }

    #[test]
    fn the_full_page_is_told_by_its_class() {
        assert!(page(r#"<div class="container over-capacity"><h1>Over Capacity</h1></div>"#).is_over_capacity());
        assert!(!page("<p>over-capacity</p>").is_over_capacity());
    }

    #[test]
    fn a_page_that_is_no_form_is_not_parsed() {
        let attributes: String = (0..=ATTRIBUTE_LIMIT).map(|n| format!(" a{n}='>'")).collect();
        for page in ["<div>".repeat(TAG_LIMIT + 1), " x".repeat(PARSE_LIMIT), format!("<a{attributes}>")] {
            assert_eq!(FormPage::parse(page.as_bytes()).err().unwrap().kind, FailureKind::NoCsrf);
        }
    }

    #[test]
    fn a_long_page_with_scripts_is_still_a_form() {
        let script = "if (a <b) { c('<d'); } // 'tis >\n".repeat(1_000);
        let html = format!("<script>{script}</script><input name=csrfmiddlewaretoken value=t>");
        assert_eq!(page(&html).csrf().unwrap(), "t");
    }

    proptest! {
        #[test]
        fn arbitrary_pages_never_panic(body in prop::collection::vec(any::<u8>(), 0..2000)) {
            let page = FormPage::parse(&body).unwrap();
            let _ = page.csrf();
            prop_assert!(page.reasons().chars().all(|c| !c.is_control()));
        }
    }
}
