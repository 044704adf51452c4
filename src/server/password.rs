//! Which passwords the sign-up form refuses.
//!
//! A short extract of the application's list of 20,000 common passwords stands for the whole.

/// The shortest password, in characters.
const SHORTEST: usize = 8;

/// Common passwords, in lower case.
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

/// The form's error texts for a password that it refuses.
pub(super) fn errors(password: &str) -> Vec<&'static str> {
    let mut errors = Vec::new();
    if password.is_empty() {
        return vec!["This field is required."];
    }
    if password.chars().count() < SHORTEST {
        errors.push("This password is too short. It must contain at least 8 characters.");
    }
    if COMMON.contains(&password.to_lowercase().as_str()) {
        errors.push("This password is too common.");
    }
    if password.chars().all(|c| c.is_ascii_digit()) {
        errors.push("This password is entirely numeric.");
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_password_rule_has_its_text() {
        assert_eq!(errors(""), ["This field is required."]);
        assert_eq!(errors("short-1").len(), 1);
        assert_eq!(errors("PassWord"), ["This password is too common."]);
        assert_eq!(errors("12345678").len(), 2);
        assert_eq!(errors("9081726354"), ["This password is entirely numeric."]);
        assert!(errors("correct-horse").is_empty());
    }
}
