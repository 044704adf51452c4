//! Reads the site's pages with an HTML parser: the CSRF field, the reasons of a refusal, and whether the event is full.

use std::sync::LazyLock;

use scraper::{Html, Selector};

use super::vocabulary;
use crate::model::Failure;
use crate::transport::http::html;

/// Maximum number of reasons of a refusal; each is at most as long as a failure's detail.
const REASON_LIMIT: usize = 8;

static CSRF: LazyLock<Option<Selector>> = LazyLock::new(|| Selector::parse("input[name=csrfmiddlewaretoken]").ok());
static REASONS: LazyLock<Option<Selector>> =
    LazyLock::new(|| Selector::parse("span.help-block, div.alert-danger, ul.errorlist li").ok());
static FULL: LazyLock<Option<Selector>> = LazyLock::new(|| Selector::parse("div.over-capacity").ok());

/// A page with a form.
pub(super) struct FormPage(Html);

impl FormPage {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Failure> {
        let no_form = |reason| Failure::with(vocabulary::NO_CSRF, format!("the page is not a form: {reason}"));
        html::parse(body).map(Self).map_err(no_form)
    }

    /// The value of the hidden CSRF field.
    pub(super) fn csrf(&self) -> Result<String, Failure> {
        let missing = || Failure::with(vocabulary::NO_CSRF, "the page has no csrfmiddlewaretoken field");
        let selector = CSRF.as_ref().ok_or_else(missing)?;
        let mut values = self.0.select(selector).filter_map(|input| input.attr("value"));
        values.find(|value| !value.is_empty()).map(str::to_owned).ok_or_else(missing)
    }

    /// The reasons of a refusal in the page's own words, joined; empty if it gives none.
    pub(super) fn reasons(&self) -> String {
        let mut reasons: Vec<String> = Vec::new();
        for element in REASONS.as_ref().map(|selector| self.0.select(selector)).into_iter().flatten() {
            let text = html::plain(html::said(element));
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
        assert_eq!(page(html).csrf().unwrap_err().kind, vocabulary::NO_CSRF);
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
    fn an_alerts_close_button_is_not_a_reason() {
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
    fn the_full_page_is_recognized_by_its_class() {
        assert!(page(r#"<div class="container over-capacity"><h1>Over Capacity</h1></div>"#).is_over_capacity());
        assert!(!page("<p>over-capacity</p>").is_over_capacity());
    }

    #[test]
    fn a_page_that_is_not_a_form_is_not_parsed() {
        let page = "<div>".repeat(10_000);
        assert_eq!(FormPage::parse(page.as_bytes()).err().unwrap().kind, vocabulary::NO_CSRF);
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
