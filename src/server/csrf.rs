//! The CSRF cookie and the form field that must fit it: two 64-character texts over one secret.
//!
//! Pure text. The field is masked anew in each form, so it never equals the cookie.

use rand::{Rng, RngExt};

/// The characters of a token.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Characters of a secret; a token is a mask of that length and the masked secret.
const SECRET: usize = 32;

/// A text of `length` characters drawn from [`LETTERS`].
pub(super) fn random_text(random: &mut impl Rng, length: usize) -> String {
    (0..length).map(|_| letter(random.random_range(0..LETTERS.len()))).collect()
}

/// A token of a fresh secret.
pub(super) fn fresh(random: &mut impl Rng) -> String {
    random_text(random, 2 * SECRET)
}

/// Another token of the secret in `token`; a fresh one where `token` is none.
pub(super) fn remask(random: &mut impl Rng, token: &str) -> String {
    let Some(secret) = secret(token) else { return fresh(random) };
    let mask: Vec<usize> = (0..SECRET).map(|_| random.random_range(0..LETTERS.len())).collect();
    let masked = secret.iter().zip(&mask).map(|(s, m)| letter(s + m));
    mask.iter().map(|m| letter(*m)).chain(masked).collect()
}

/// Whether two tokens are of one secret.
pub(super) fn fits(cookie: &str, field: &str) -> bool {
    secret(cookie).is_some_and(|cookie| secret(field) == Some(cookie))
}

/// Whether a text has the form of a token.
pub(super) fn is_token(text: &str) -> bool {
    secret(text).is_some()
}

fn letter(n: usize) -> char {
    char::from(LETTERS[n % LETTERS.len()])
}

fn secret(token: &str) -> Option<Vec<usize>> {
    let digits: Option<Vec<usize>> = token.bytes().map(|b| LETTERS.iter().position(|l| *l == b)).collect();
    let digits = digits.filter(|digits| digits.len() == 2 * SECRET)?;
    let (mask, masked) = digits.split_at(SECRET);
    Some(masked.iter().zip(mask).map(|(c, m)| (c + LETTERS.len() - m) % LETTERS.len()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::SmallRng};

    #[test]
    fn a_field_fits_its_cookie_only() {
        let mut random = SmallRng::seed_from_u64(1);
        let cookie = fresh(&mut random);
        let field = remask(&mut random, &cookie);
        assert_eq!((cookie.len(), field.len()), (64, 64));
        assert_ne!(cookie, field);
        assert!(fits(&cookie, &field) && fits(&cookie, &cookie));
        assert!(!fits(&cookie, &fresh(&mut random)));
        assert!(!fits(&cookie, &field[1..]) && !fits("", "") && !fits(&cookie, &field.replace(|_| true, "-")));
    }
}
