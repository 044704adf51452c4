//! The marker: the tag at the start of every chat text that identifies run, generator,
//! sequence number and intended time, with a checksum over all of it, the text and the sender.
//!
//! Form: `sr1-<run>-<generator>-<sequence>-<intended>-<checksum>|<text>`, every field base 36
//! in lower case. It holds only characters that the server's sanitiser returns unchanged.

/// What every marker begins with.
pub const PREFIX: &str = "sr1-";

/// Numbers are below this: 2⁴⁸ messages are 8,900 years at 1,000 a second, and a forged one
/// must not reach the end of the number range.
pub const SEQ_LIMIT: u64 = 1 << 48;

/// Tells runs apart inside a marker: a hash of the run id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunTag(pub u32);

impl RunTag {
    /// The tag of a run id.
    #[must_use]
    pub fn of(run_id: &str) -> Self {
        Self(crc32fast::hash(run_id.as_bytes()))
    }
}

/// Tells generator processes apart inside a marker; drawn at random at each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GeneratorTag(pub u32);

/// What a marker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The run.
    pub run: RunTag,
    /// The sending generator.
    pub generator: GeneratorTag,
    /// The generator's own number of the message, from 0 without gaps.
    pub seq: u64,
    /// The intended time, in microseconds since the Unix epoch by the sender's clock.
    pub intended_micros: u64,
}

/// What a chat's text shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    /// No marker: somebody else's chat.
    None,
    /// A marker whose checksum fits the text and the sender.
    Intact(Marker),
    /// A marker that is damaged, or does not fit the text or the sender.
    Corrupt,
}

impl Marker {
    /// The chat text: this marker, then `text`, for the sender with the numeric id `user`.
    #[must_use]
    pub fn stamp(&self, user: u64, text: &str) -> String {
        let mut out = String::with_capacity(64 + text.len());
        out.push_str(PREFIX);
        for field in [u64::from(self.run.0), u64::from(self.generator.0), self.seq, self.intended_micros] {
            push_base36(&mut out, field);
            out.push('-');
        }
        let sum = checksum(user, out.as_bytes(), text.as_bytes());
        push_base36(&mut out, u64::from(sum));
        out.push('|');
        out.push_str(text);
        out
    }

    /// Looks for a marker at the start of a chat `text` sent by the numeric id `user`.
    #[must_use]
    pub fn sight(user: u64, text: &str) -> Sighting {
        let Some(rest) = text.strip_prefix(PREFIX) else {
            return if text.contains(PREFIX) { Sighting::Corrupt } else { Sighting::None };
        };
        match parse(rest) {
            Some((marker, sum, head, tail))
                if checksum(user, &text.as_bytes()[..PREFIX.len() + head], tail.as_bytes()) == sum =>
            {
                Sighting::Intact(marker)
            }
            _ => Sighting::Corrupt,
        }
    }
}

/// Marker, checksum, length of what stands before the checksum, and the text behind.
fn parse(rest: &str) -> Option<(Marker, u32, usize, &str)> {
    let bar = rest.as_bytes().iter().take(80).position(|b| *b == b'|')?;
    let mut fields = [0_u64; 5];
    let mut parts = rest.get(..bar)?.split('-');
    for field in &mut fields {
        *field = base36(parts.next()?)?;
    }
    if parts.next().is_some() {
        return None;
    }
    let [run, generator, seq, intended_micros, sum] = fields;
    if seq >= SEQ_LIMIT {
        return None;
    }
    let head = rest.get(..bar)?.rfind('-')? + 1;
    let marker = Marker {
        run: RunTag(u32::try_from(run).ok()?),
        generator: GeneratorTag(u32::try_from(generator).ok()?),
        seq,
        intended_micros,
    };
    Some((marker, u32::try_from(sum).ok()?, head, rest.get(bar + 1..)?))
}

fn checksum(user: u64, head: &[u8], text: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&user.to_le_bytes());
    hasher.update(head);
    hasher.update(text);
    hasher.finalize()
}

fn push_base36(out: &mut String, mut n: u64) {
    let mut digits = [0_u8; 13];
    let mut at = digits.len();
    loop {
        at -= 1;
        // A remainder of 36 always fits a digit.
        digits[at] = b"0123456789abcdefghijklmnopqrstuvwxyz"[usize::try_from(n % 36).unwrap_or(0)];
        n /= 36;
        if n == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|d| char::from(*d)));
}

/// Reads canonical base 36: lower case, no sign, no leading zero, at most 64 bits.
fn base36(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 13 || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.bytes().try_fold(0_u64, |n, b| {
        let digit = match b {
            b'0'..=b'9' => b - b'0',
            b'a'..=b'z' => b - b'a' + 10,
            _ => return None,
        };
        n.checked_mul(36)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marker(seq: u64) -> Marker {
        Marker { run: RunTag::of("night"), generator: GeneratorTag(7), seq, intended_micros: 1_763_900_000_000_000 }
    }

    #[test]
    fn a_strangers_chat_has_no_marker() {
        assert_eq!(Marker::sight(6, "hello from alice"), Sighting::None);
    }

    #[test]
    fn a_quote_by_somebody_else_does_not_fit_its_sender() {
        let text = marker(3).stamp(6, "hello");
        assert_eq!(Marker::sight(7, &text), Sighting::Corrupt);
    }

    proptest! {
        #[test]
        fn what_was_stamped_is_sighted(seq in 0..SEQ_LIMIT, user: u64, text in "[a-zA-Z0-9 :_|-]{0,400}") {
            let stamped = marker(seq).stamp(user, &text);
            prop_assert_eq!(Marker::sight(user, &stamped), Sighting::Intact(marker(seq)));
        }

        #[test]
        fn any_changed_byte_is_noticed(seq in 0..SEQ_LIMIT, user: u64, at: prop::sample::Index, to in "[ -~]") {
            let stamped = marker(seq).stamp(user, "the quick brown fox");
            let at = at.index(stamped.len());
            let mut damaged = stamped.clone();
            damaged.replace_range(at..=at, &to);
            prop_assume!(damaged != stamped);
            prop_assert!(!matches!(Marker::sight(user, &damaged), Sighting::Intact(_)));
        }

        #[test]
        fn arbitrary_text_never_panics(user: u64, text in "\\PC*") {
            let _ = Marker::sight(user, &text);
            let _ = Marker::sight(user, &format!("{PREFIX}{text}"));
        }
    }
}
