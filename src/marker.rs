//! The marker: the tag at the start of every chat text that identifies run, room, generator,
//! number and intended time, with a checksum over all of it, the text and the sender.
//!
//! Form: `sr2-<run>-<room>-<generator>-<number>-<intended>-<checksum>|<text>`, every field base 36
//! in lower case. It holds only characters that the server's sanitiser returns unchanged.

use crate::model::SenderId;

/// The start of every marker.
pub const PREFIX: &str = "sr2-";

/// The start of markers of version 0.1, which had no room and never belong to a run of this version.
const FORMER_PREFIX: &str = "sr1-";

/// Upper bound of message numbers (exclusive). 2⁴⁸ messages take 8,900 years at 1,000 per second; the bound keeps
/// forged numbers away from the end of the number range.
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

/// Tells the rooms of a run apart inside a marker: a hash of the room's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoomTag(pub u32);

impl RoomTag {
    /// The tag of a room's name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self(crc32fast::hash(name.as_bytes()))
    }
}

/// Tells generator processes apart inside a marker; drawn at random at each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GeneratorTag(pub u32);

/// The contents of a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The run.
    pub run: RunTag,
    /// The room it was sent to.
    pub room: RoomTag,
    /// The sending generator.
    pub generator: GeneratorTag,
    /// The generator's own number of the message in this room, from 0 without gaps.
    pub seq: u64,
    /// The intended time, in microseconds since the Unix epoch by the sender's clock.
    pub intended_micros: u64,
}

/// What was found in a chat's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded {
    /// No marker: another sender's chat.
    None,
    /// A marker of version 0.1, which no run of this version sends.
    Foreign,
    /// A marker whose checksum matches the text and the sender.
    Intact(Marker),
    /// A marker that is damaged, or does not match the text or the sender; with its contents if run, room,
    /// generator and number can be read (an unreadable intended time is 0).
    Corrupt(Option<Marker>),
    /// A marker so damaged that only its run can be read.
    Torn(RunTag),
}

impl Marker {
    /// Length of the longest marker, in bytes.
    pub const LONGEST: usize = 80;

    /// The chat text: this marker, then `text`, for the sender `from`.
    #[must_use]
    pub fn encode(&self, from: SenderId, text: &str) -> String {
        let mut out = String::with_capacity(Self::LONGEST + text.len());
        self.push_head(&mut out, true);
        let sum = checksum(from, [out.as_bytes(), b"", text.as_bytes()]);
        push_base36(&mut out, u64::from(sum));
        out.push('|');
        out.push_str(text);
        out
    }

    /// The marker as text up to the checksum, which depends on text and sender; without the intended time if that
    /// is unknown.
    #[must_use]
    pub fn head(&self, intended_known: bool) -> String {
        let mut out = String::with_capacity(Self::LONGEST);
        self.push_head(&mut out, intended_known);
        out
    }

    fn push_head(&self, out: &mut String, intended_known: bool) {
        out.push_str(PREFIX);
        let tags = [self.run.0, self.room.0, self.generator.0].map(u64::from);
        let intended = intended_known.then_some(self.intended_micros);
        for field in tags.into_iter().chain([self.seq]).chain(intended) {
            push_base36(out, field);
            out.push('-');
        }
    }

    /// Looks for a marker at the start of a chat `text` sent by `from`.
    #[must_use]
    pub fn decode(from: SenderId, text: &str) -> Decoded {
        let Some(rest) = text.strip_prefix(PREFIX) else { return stray(from, text) };
        intact(from, PREFIX, rest.as_bytes()).map_or_else(|| remains(rest.as_bytes()), Decoded::Intact)
    }

    /// Looks for a marker anywhere in a `text` that could not be read as a chat.
    #[must_use]
    pub fn decode_fragment(text: &str) -> Decoded {
        match text.split_once(PREFIX) {
            Some((_, rest)) => remains(rest.as_bytes()),
            None => Decoded::None,
        }
    }
}

/// Decodes a text that does not begin with a marker of this version.
fn stray(from: SenderId, text: &str) -> Decoded {
    let former = text.strip_prefix(FORMER_PREFIX);
    if former.is_some_and(|rest| whole::<4>(from, FORMER_PREFIX, rest.as_bytes()).is_some()) {
        return Decoded::Foreign;
    }
    if text.contains(PREFIX) {
        return Marker::decode_fragment(text);
    }
    // Try damage only in the prefix: a changed byte, or a moved dash.
    let dash = text.bytes().take(PREFIX.len() + 2).position(|byte| byte == b'-');
    let behind = [Some(PREFIX.len()), dash.map(|at| at + 1)].into_iter().flatten();
    let read = |at: usize| text.as_bytes().get(at..).and_then(|rest| intact(from, PREFIX, rest));
    match behind.filter_map(read).next() {
        Some(marker) => Decoded::Corrupt(Some(marker)),
        None if former.is_some() => Decoded::Foreign,
        None => Decoded::None,
    }
}

/// The marker whose fields `rest` begins with, if its checksum matches.
fn intact(from: SenderId, prefix: &str, rest: &[u8]) -> Option<Marker> {
    whole(from, prefix, rest).and_then(marker)
}

/// `N` fields, if they are followed by a checksum that matches them, the prefix and the text.
fn whole<const N: usize>(from: SenderId, prefix: &str, rest: &[u8]) -> Option<[u64; N]> {
    let (mut fields, mut behind) = ([0; N], rest);
    for field in &mut fields {
        (*field, behind) = base36(behind, b'-')?;
    }
    let head = rest.get(..rest.len() - behind.len())?;
    let (sum, text) = base36(behind, b'|')?;
    (u64::from(checksum(from, [prefix.as_bytes(), head, text])) == sum).then_some(fields)
}

/// The legible part of a damaged marker whose fields `rest` begins with.
fn remains(rest: &[u8]) -> Decoded {
    let run = || base36(rest, b'-').and_then(|(run, _)| u32::try_from(run).ok());
    match (legible(rest), run()) {
        (None, Some(run)) => Decoded::Torn(RunTag(run)),
        (marker, _) => Decoded::Corrupt(marker),
    }
}

/// The fields that `rest` begins with; a damaged intended time is 0.
fn legible(rest: &[u8]) -> Option<Marker> {
    let (mut fields, mut behind) = ([0; 5], rest);
    for field in &mut fields[..4] {
        (*field, behind) = base36(behind, b'-')?;
    }
    fields[4] = base36(behind, b'-').map_or(0, |(intended, _)| intended);
    marker(fields)
}

fn marker([run, room, generator, seq, intended_micros]: [u64; 5]) -> Option<Marker> {
    let tag = |field| u32::try_from(field).ok();
    let (run, room, generator) = (RunTag(tag(run)?), RoomTag(tag(room)?), GeneratorTag(tag(generator)?));
    (seq < SEQ_LIMIT).then_some(Marker { run, room, generator, seq, intended_micros })
}

/// CRC-32 of the sender and the parts of the text, in this order.
fn checksum(from: SenderId, parts: [&[u8]; 3]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&from.0.to_le_bytes());
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

fn push_base36(out: &mut String, mut n: u64) {
    let mut digits = [0_u8; 13];
    let mut at = digits.len();
    loop {
        at -= 1;
        // A remainder modulo 36 is always a digit.
        digits[at] = b"0123456789abcdefghijklmnopqrstuvwxyz"[usize::try_from(n % 36).unwrap_or(0)];
        n /= 36;
        if n == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|d| char::from(*d)));
}

/// Parses canonical base 36 up to `end`: lower case, no sign, no leading zero, at most 64 bits. Returns the number
/// and the rest after `end`.
fn base36(text: &[u8], end: u8) -> Option<(u64, &[u8])> {
    let mut n = 0_u64;
    for (at, byte) in text.iter().enumerate().take(14) {
        let digit = match *byte {
            b @ b'0'..=b'9' => b - b'0',
            b @ b'a'..=b'z' => b - b'a' + 10,
            b if b == end && at > 0 && (at == 1 || text[0] != b'0') => return Some((n, &text[at + 1..])),
            _ => return None,
        };
        n = n.checked_mul(36)?.checked_add(u64::from(digit))?;
    }
    None
}

#[cfg(test)]
mod tests;
