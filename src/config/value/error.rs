//! Errors about refused values, without their secrets.

/// Why a text is not a valid value, and what is accepted. Never holds the text itself, which may be a
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(String);

impl ValueError {
    /// An error with its text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A text in a form safe for errors: short, on one line, without terminal control characters and without
/// the user and password of a URL.
#[must_use]
pub fn shown(text: &str) -> String {
    const LIMIT: usize = 80;
    let text = without_userinfo(text);
    let mut out: String = text.chars().take(LIMIT).flat_map(char::escape_debug).collect();
    if text.chars().count() > LIMIT {
        out.push('…');
    }
    out
}

/// Cuts anything that may be `user:password@` out of a text, rather too much than too little.
fn without_userinfo(text: &str) -> String {
    let Some(at) = text.rfind('@') else { return text.to_owned() };
    let (before, after) = text.split_at(at);
    match before.find("//") {
        Some(slashes) => format!("{}…{after}", &before[..slashes + 2]),
        None if before.contains(':') => format!("…{after}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_holds_no_credentials_and_no_terminal_control() {
        assert_eq!(shown("http://me:pa/ss@wo@host/x"), "http://…@host/x");
        assert_eq!(shown("me:pass@host"), "…@host");
        assert_eq!(shown("load@%s"), "load@%s");
        assert_eq!(shown("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(shown(&"x".repeat(200)).chars().count(), 81);
    }
}
