//! The sender of a message: a value that is only compared.

/// The sender of a message, as the server names it: an opaque value that is only compared.
///
/// A number stands for itself, any other name for a hash of its text. The hash is the same in every process,
/// since the checksum of a marker covers it. Names compare as text: `7` equals `"7"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SenderId(pub u64);

impl SenderId {
    /// The sender of a frame that names none, and of every message in a protocol without senders.
    pub const NONE: Self = Self(u64::MAX);

    /// A sender that the server names by a number.
    #[must_use]
    pub const fn number(id: u64) -> Self {
        Self(id)
    }

    /// A sender that the server names by a text: its number if `to_string` of a number yields the text, else its
    /// 64-bit FNV-1a hash (RFC 9923).
    #[must_use]
    pub fn text(name: &str) -> Self {
        let canonical = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_digit())
            && (name.len() == 1 || !name.starts_with('0'));
        if let (true, Ok(number)) = (canonical, name.parse()) {
            return Self::number(number);
        }
        Self(
            name.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_senders_name_compares_as_text() {
        assert_eq!(SenderId::text("7"), SenderId::number(7));
        assert_eq!(SenderId::text("0"), SenderId::number(0));
        assert_eq!(SenderId::text("18446744073709551614"), SenderId::number(u64::MAX - 1));
        for other in ["07", "+7", "7.0", " 7", "7 ", "-7", "", "seven", "٧"] {
            assert_ne!(SenderId::text(other), SenderId::number(7), "{other}");
        }
        assert_ne!(SenderId::text("18446744073709551617"), SenderId::number(1), "beyond 64 bits it is a text");
    }

    #[test]
    fn a_senders_hash_is_the_same_in_every_version() {
        // The published test vectors of FNV-1a.
        assert_eq!(SenderId::text(""), SenderId(0xcbf2_9ce4_8422_2325));
        assert_eq!(SenderId::text("a"), SenderId(0xaf63_dc4c_8601_ec8c));
        assert_eq!(SenderId::text("foobar"), SenderId(0x8594_4171_f739_67e8));
    }
}
