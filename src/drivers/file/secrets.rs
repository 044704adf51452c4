//! Texts that must not be shown, and their masking.

use std::borrow::Cow;

use super::template::MASK;

/// The texts of one user that must not reach a log, an error or a transcript.
#[derive(Clone, Default)]
pub struct Secrets {
    /// The texts without duplicates, longest first.
    texts: Vec<Box<str>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.texts.len())
    }
}

impl Secrets {
    /// Adds a text, unless it is empty.
    pub fn add(&mut self, text: &str) {
        let at = self.texts.partition_point(|known| (known.len(), &**known) > (text.len(), text));
        if !text.is_empty() && self.texts.get(at).is_none_or(|known| **known != *text) {
            self.texts.insert(at, text.into());
        }
    }

    /// The texts.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }

    /// The text with secrets replaced by [`MASK`].
    #[must_use]
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.texts.iter().any(|secret| text.contains(&**secret)) {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let secret = self.texts.iter().find(|secret| rest.starts_with(&***secret));
            let (step, shown) = secret.map_or((c.len_utf8(), None), |secret| (secret.len(), Some(MASK)));
            let (now, behind) = rest.split_at(step);
            out.push_str(shown.unwrap_or(now));
            rest = behind;
        }
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_the_longest_first() {
        let mut secrets = Secrets::default();
        for text in ["pw", "pw-long", "", "pw", "tok"] {
            secrets.add(text);
        }
        assert_eq!(secrets.mask("a pw-long, pwpw and tok"), "a ***, ****** and ***");
        assert!(matches!(secrets.mask("nothing here"), Cow::Borrowed(_)));
        assert_eq!(format!("{secrets:?}"), "Secrets(3)");
    }
}
