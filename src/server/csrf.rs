//! The CSRF cookie and the form field that must match it: two 64-character texts over one secret.
//!
//! Pure text. Each form has a new mask, so the field never equals the cookie.

use rand::{Rng, RngExt};

/// The characters of a token.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Characters of a secret; a token is a mask of that length and the masked secret.
const SECRET: usize = 32;

/// A text of `length` characters drawn from [`ALPHABET`].
pub(super) fn random_text(random: &mut impl Rng, length: usize) -> String {
    (0..length).map(|_| letter(random.random_range(0..ALPHABET.len()))).collect()
}

/// A token of a new secret.
pub(super) fn new_token(random: &mut impl Rng) -> String {
    random_text(random, 2 * SECRET)
}

/// Another token of the secret in `token`, or of a new secret if `token` is not one.
pub(super) fn remask(random: &mut impl Rng, token: &str) -> String {
    let Some(secret) = secret(token) else { return new_token(random) };
    let mask: Vec<usize> = (0..SECRET).map(|_| random.random_range(0..ALPHABET.len())).collect();
    let masked = secret.iter().zip(&mask).map(|(s, m)| letter(s + m));
    mask.iter().map(|m| letter(*m)).chain(masked).collect()
}

/// Whether two tokens share a secret.
pub(super) fn same_secret(cookie: &str, field: &str) -> bool {
    secret(cookie).is_some_and(|cookie| secret(field) == Some(cookie))
}

/// Whether a text has the form of a token.
pub(super) fn is_token(text: &str) -> bool {
    secret(text).is_some()
}

fn letter(n: usize) -> char {
    char::from(ALPHABET[n % ALPHABET.len()])
}

fn secret(token: &str) -> Option<Vec<usize>> {
    let digits: Option<Vec<usize>> = token.bytes().map(|b| ALPHABET.iter().position(|l| *l == b)).collect();
    let digits = digits.filter(|digits| digits.len() == 2 * SECRET)?;
    let (mask, masked) = digits.split_at(SECRET);
    Some(masked.iter().zip(mask).map(|(c, m)| (c + ALPHABET.len() - m) % ALPHABET.len()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::SmallRng};

    #[test]
    fn a_field_shares_its_secret_with_its_cookie_only() {
        let mut random = SmallRng::seed_from_u64(1);
        let cookie = new_token(&mut random);
        let field = remask(&mut random, &cookie);
        assert_eq!((cookie.len(), field.len()), (64, 64));
        assert_ne!(cookie, field);
        assert!(same_secret(&cookie, &field) && same_secret(&cookie, &cookie));
        assert!(!same_secret(&cookie, &new_token(&mut random)));
        assert!(
            !same_secret(&cookie, &field[1..])
                && !same_secret("", "")
                && !same_secret(&cookie, &field.replace(|_| true, "-"))
        );
    }
}
