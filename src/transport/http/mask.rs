//! Removes secrets from a server's texts, however the server spelled them.
//!
//! A page may repeat a password with other white space, escaped for HTML, for a URL or for
//! JSON. Text and secret are compared without white space, without characters that are never
//! printed and without regard to case, in each of these readings. A page that repeats it unescaped
//! shows what is left of it as HTML, which is a secret, too.

use super::html;
use crate::model::{Failure, turns_direction};

/// The replacement for a secret.
const MASK: &str = "…";

/// Shortest value of a cookie that is masked, in characters; shorter ones are ordinary words.
const SHORTEST_COOKIE: usize = 6;

/// Shortest start of a secret that is masked at the end of a text that was cut off, in characters.
const SHORTEST_BEGINNING: usize = 3;

/// Secrets to remove from texts.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    secrets: Vec<Vec<char>>,
    /// Sentences that are never masked.
    harmless: &'static [&'static str],
}

impl Mask {
    /// A mask without secrets. The sentences in `harmless` are never masked, except for secrets next to them.
    #[must_use]
    pub fn sparing(harmless: &'static [&'static str]) -> Self {
        Self { secrets: Vec::new(), harmless }
    }

    /// Adds a password of any length, and its parts that a page would show if it took the password for HTML.
    pub fn password(&mut self, password: &str) {
        self.add(password, 1);
        if password.contains(['<', '&']) {
            self.add(&html::text(password), SHORTEST_BEGINNING);
            // A tag in it may end the element whose text is shown.
            password.split(['<', '>']).for_each(|piece| self.add(piece, SHORTEST_COOKIE));
        }
    }

    /// Adds a secret if it has at least `shortest` significant characters.
    fn add(&mut self, secret: &str, shortest: usize) {
        let essence: Vec<char> = secret.chars().filter(|c| is_essential(*c)).map(folded).collect();
        if essence.len() >= shortest && !self.secrets.contains(&essence) {
            self.secrets.push(essence);
        }
    }

    /// Adds the value of a cookie or a token.
    pub fn cookie(&mut self, value: &str) {
        if value.chars().count() >= SHORTEST_COOKIE {
            self.add(value, 1);
        }
    }

    /// Adds the value of a header, and each of its words, such as the second one of `Bearer abcdef`.
    pub fn header(&mut self, value: &str) {
        self.cookie(value);
        value.split_whitespace().for_each(|word| self.cookie(word));
    }

    /// The failure, with the secrets removed from its text.
    #[must_use]
    pub fn failure(&self, failure: Failure) -> Failure {
        match self.text(&failure.detail) {
            Some(detail) => Failure { detail: detail.into(), ..failure },
            None => failure,
        }
    }

    /// The text without the secrets; `None` if it holds none.
    #[must_use]
    pub fn text(&self, said: &str) -> Option<String> {
        let strange = self.harmless.iter().fold(said.to_owned(), |rest, sentence| rest.replace(*sentence, " "));
        if self.places(&strange).is_empty() {
            return None;
        }
        let mut places = self.places(said);
        places.sort_unstable();
        let (mut out, mut at) = (String::new(), 0);
        for (begin, end) in places {
            if begin >= at {
                out.push_str(said.get(at..begin).unwrap_or_default());
                out.push_str(MASK);
            }
            at = at.max(end);
        }
        out.push_str(said.get(at..).unwrap_or_default());
        Some(out)
    }

    /// The byte ranges of the secrets in a text; they may overlap.
    fn places(&self, said: &str) -> Vec<(usize, usize)> {
        let is_cut = said.chars().count() >= Failure::DETAIL_LIMIT;
        let mut places = Vec::new();
        for reading in readings(said) {
            let essential = reading.into_iter().filter(|token| is_essential(token.c));
            let reading: Vec<Token> = essential.map(|token| Token { c: folded(token.c), ..token }).collect();
            for secret in &self.secrets {
                find(&reading, secret, is_cut, &mut places);
            }
        }
        places
    }
}

/// Whether a character is significant in comparisons: neither white space nor invisible.
fn is_essential(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !turns_direction(c) && !has_no_width(c)
}

/// Whether a character is invisible.
fn has_no_width(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
}

/// A character with its case folded.
fn folded(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// One character of a reading, and the byte range of the text that it comes from.
#[derive(Debug, Clone, Copy)]
struct Token {
    c: char,
    begin: usize,
    end: usize,
}

/// The character that an escape at the start stands for, and how many characters it takes.
type Decoder = fn(&[Token]) -> Option<(char, usize)>;

fn find(reading: &[Token], secret: &[char], is_cut: bool, places: &mut Vec<(usize, usize)>) {
    for (at, first) in reading.iter().enumerate() {
        let rest = &reading[at..];
        let alike = rest.iter().zip(secret).take_while(|(token, c)| token.c == **c).count();
        // A mark of the shortening may follow the cut.
        let cut_off = is_cut && alike >= SHORTEST_BEGINNING && rest.len() - alike <= 1;
        if (alike == secret.len() || cut_off)
            && let Some(last) = rest.get(alike - 1)
        {
            places.push((first.begin, last.end));
        }
    }
}

/// The readings of a text: as it is, and decoded as HTML, URLs and JSON strings, also nested.
fn readings(said: &str) -> Vec<Vec<Token>> {
    let plain: Vec<Token> =
        said.char_indices().map(|(begin, c)| Token { c, begin, end: begin + c.len_utf8() }).collect();
    // A URL within a URL is escaped twice.
    let decoders: [Decoder; 4] = [entity, percent, percent, backslash];
    let mut readings = vec![plain];
    for decoder in decoders {
        let more: Vec<Vec<Token>> = readings.iter().filter_map(|reading| decoded(reading, decoder)).collect();
        readings.extend(more);
    }
    // Form encoding has a plus for a space, which is not significant.
    let spaced: Vec<Vec<Token>> = readings
        .iter()
        .filter(|reading| reading.iter().any(|token| token.c == '+'))
        .map(|reading| reading.iter().filter(|t| t.c != '+' || t.end - t.begin > 1).copied().collect())
        .collect();
    readings.extend(spaced);
    readings
}

/// A reading with every escape decoded; `None` if there is none.
fn decoded(reading: &[Token], decoder: Decoder) -> Option<Vec<Token>> {
    let (mut out, mut at, mut found) = (Vec::with_capacity(reading.len()), 0, false);
    while let Some(token) = reading.get(at) {
        match decoder(&reading[at..]) {
            Some((c, length)) if length > 0 => {
                let last = reading.get(at + length - 1).unwrap_or(token);
                out.push(Token { c, begin: token.begin, end: last.end });
                at += length;
                found = true;
            }
            _ => {
                out.push(*token);
                at += 1;
            }
        }
    }
    found.then_some(out)
}

/// `&amp;`, `&#39;`, `&#x27;` and the like at the start.
fn entity(rest: &[Token]) -> Option<(char, usize)> {
    let length = rest.iter().take(12).position(|token| token.c == ';')?;
    let name: String = rest.get(..length)?.iter().map(|token| token.c).collect();
    let name = name.strip_prefix('&')?;
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => numbered(name.strip_prefix('#')?)?,
    };
    Some((c, length + 1))
}

fn numbered(number: &str) -> Option<char> {
    match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => number.parse().ok(),
    }
    .and_then(char::from_u32)
}

/// `%C3%B6` at the start: the bytes of one character.
fn percent(rest: &[Token]) -> Option<(char, usize)> {
    let byte = |at: usize| {
        let [sign, high, low] = rest.get(at..at + 3)? else { return None };
        let value = high.c.to_digit(16)? * 16 + low.c.to_digit(16)?;
        u8::try_from(value).ok().filter(|_| sign.c == '%')
    };
    let mut bytes = Vec::new();
    while bytes.len() < 4 {
        bytes.push(byte(bytes.len() * 3)?);
        if let Some(c) = std::str::from_utf8(&bytes).ok().and_then(|text| text.chars().next()) {
            return Some((c, bytes.len() * 3));
        }
    }
    None
}

/// `\"`, `\n`, `\u00f6` and `\u{f6}` at the start.
fn backslash(rest: &[Token]) -> Option<(char, usize)> {
    let [first, second, ..] = rest else { return None };
    if first.c != '\\' {
        return None;
    }
    match second.c {
        'n' | 'r' | 't' => Some((' ', 2)),
        'u' if rest.get(2).is_some_and(|token| token.c == '{') => {
            let length = rest.iter().take(12).position(|token| token.c == '}')?;
            let hex: String = rest.get(3..length)?.iter().map(|token| token.c).collect();
            Some((numbered(&format!("x{hex}"))?, length + 1))
        }
        'u' => {
            let hex: String = rest.get(2..6)?.iter().map(|token| token.c).collect();
            Some((numbered(&format!("x{hex}"))?, 6))
        }
        other => Some((other, 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailureKind;
    use proptest::prelude::*;

    const TOO_COMMON: &str = "This password is too common.";

    fn mask(password: &str) -> Mask {
        let mut mask = Mask::sparing(&[TOO_COMMON]);
        mask.password(password);
        mask
    }

    #[test]
    fn a_password_is_found_in_every_spelling() {
        let password = "two  spaces & 'quotes' + <ö>\\\"";
        for spelled in [
            password.to_owned(),
            "two spaces & 'quotes' + <ö>\\\"".to_owned(),
            "two\n  spaces &amp; &#x27;quotes&#39; + &lt;&#246;&gt;\\&quot;".to_owned(),
            "two%20%20spaces%20%26%20%27quotes%27%20%2B%20%3C%C3%B6%3E%5C%22".to_owned(),
            "two++spaces+%26+%27quotes%27+%2b+%3c%c3%b6%3e%5c%22".to_owned(),
            format!("{password:?}"),
            "two  spaces & 'quotes' + <\\u00f6>\\\\\\\"".to_owned(),
        ] {
            let masked = mask(password).text(&format!("is {spelled} taken")).expect(&spelled);
            assert!(masked.starts_with("is ") && masked.ends_with(" taken"), "{spelled}: {masked}");
            assert!(masked.contains(MASK) && !masked.contains("spaces"), "{spelled}: {masked}");
        }
    }

    #[test]
    fn a_password_is_found_whatever_its_case_and_what_has_no_width_in_it() {
        let secret = mask("Sup3r Sécret");
        for spelled in
            ["SUP3R SÉCRET", "sup3rsécret", "Sup3r\u{200b}Séc\u{2060}r\u{feff}et", "Sup3r%2520S%25C3%25A9cret"]
        {
            assert_eq!(secret.text(&format!("is {spelled}!")).as_deref(), Some("is …!"), "{spelled}");
        }
    }

    #[test]
    fn a_password_is_found_where_a_page_takes_it_for_html() {
        for (password, shown) in [
            ("Abc<def>ghi99", "Abcghi99"),
            ("Sup3r&amp;Sec9", "Sup3r&Sec9"),
            ("Abc<button>def</button>ghi", "Abcghi"),
            ("Abcdef</span>ghi", "Abcdef"),
            ("Abcdef<!--ghi", "Abcdef"),
            ("Abcdef<ghi", "Abcdef"),
        ] {
            assert_eq!(mask(password).text(&format!("is {shown}!")).as_deref(), Some("is …!"), "{password}");
            assert_eq!(mask(password).text(&format!("is {password}!")).as_deref(), Some("is …!"), "{password}");
        }
    }

    #[test]
    fn what_is_not_secret_stays() {
        assert_eq!(mask("Hunter2Hunter2").text("A user with that username already exists."), None);
        assert_eq!(mask("").text("anything"), None);
        assert_eq!(mask("  ").text("any  thing"), None);
    }

    #[test]
    fn harmless_sentences_stay_unless_the_password_is_echoed_too() {
        assert_eq!(mask("password").text(TOO_COMMON), None);
        let masked = mask("password").text("This password is too common. You typed password").unwrap();
        assert!(!masked.contains("password"), "{masked}");
    }

    #[test]
    fn the_start_of_a_secret_at_a_cut_is_left_out() {
        let said = format!("{}Sup3rS3cretPw", "x".repeat(Failure::DETAIL_LIMIT - 6));
        let failure = Failure::with(FailureKind::SignupRefused, said);
        let masked = mask("Sup3rS3cretPw").failure(failure);
        assert!(!masked.detail.contains("Sup"), "{masked}");
    }

    #[test]
    fn short_cookies_are_words_like_any_other() {
        let mut mask = Mask::default();
        mask.cookie("1");
        mask.cookie("abcdef012345");
        assert_eq!(mask.text("HTTP 501"), None);
        assert_eq!(mask.text("at /x/abcdef012345/").as_deref(), Some("at /x/…/"));
    }

    proptest! {
        #[test]
        fn an_echo_is_never_printed(before in "[a-z ]{0,20}", password in "[ -~]{8,20}", spaces in 1usize..4) {
            prop_assume!(password.chars().filter(|c| is_essential(*c)).count() >= 6);
            let echoed = password.replace(' ', &" ".repeat(spaces));
            let masked = mask(&password).text(&format!("{before}{echoed}!")).unwrap_or_default();
            prop_assert!(!masked.contains(password.trim()), "{}", masked);
        }

        #[test]
        fn arbitrary_texts_never_panic(said in ".{0,200}", password in ".{0,10}") {
            let _ = mask(&password).text(&said);
        }
    }
}
