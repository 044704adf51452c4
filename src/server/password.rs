//! Which passwords the sign-up form refuses.
//!
//! A short extract of the application's list of 20,000 common passwords stands for the whole.

/// The shortest password, in characters.
const SHORTEST: usize = 8;

/// Passwords that everybody tries first, in lower case.
const COMMON: [&str; 32] = [
    "password",
    "password1",
    "password12",
    "password123",
    "passw0rd",
    "12345678",
    "123456789",
    "1234567890",
    "qwertyui",
    "qwertyuiop",
    "qwerty123",
    "1q2w3e4r",
    "1qaz2wsx",
    "letmein1",
    "iloveyou",
    "trustno1",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "welcome1",
    "abcd1234",
    "abc12345",
    "11111111",
    "00000000",
    "87654321",
    "changeme",
    "testtest",
    "starwars",
    "whatever",
    "computer",
];

/// The form's texts for a password it does not take.
pub(super) fn reasons(password: &str) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    if password.is_empty() {
        return vec!["This field is required."];
    }
    if password.chars().count() < SHORTEST {
        reasons.push("This password is too short. It must contain at least 8 characters.");
    }
    if COMMON.contains(&password.to_lowercase().as_str()) {
        reasons.push("This password is too common.");
    }
    if password.chars().all(|c| c.is_ascii_digit()) {
        reasons.push("This password is entirely numeric.");
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_text() {
        assert_eq!(reasons(""), ["This field is required."]);
        assert_eq!(reasons("short-1").len(), 1);
        assert_eq!(reasons("PassWord"), ["This password is too common."]);
        assert_eq!(reasons("12345678").len(), 2);
        assert_eq!(reasons("9081726354"), ["This password is entirely numeric."]);
        assert!(reasons("correct-horse").is_empty());
    }
}
