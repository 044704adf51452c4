//! Values that a protocol keeps from answers besides cookies: named texts, such as a token, few and small.

/// Maximum number of values in a session.
pub const COUNT_LIMIT: usize = 32;

/// Largest value, in bytes.
pub const SIZE_LIMIT: usize = 16 << 10;

/// Named values of one user, in the order they were first set.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Captures(Vec<(Box<str>, Box<str>)>);

/// Shows no values, which are secrets.
impl std::fmt::Debug for Captures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Captures({} values)", self.0.len())
    }
}

/// Why a value is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// There are already [`COUNT_LIMIT`] values.
    #[error("more than {COUNT_LIMIT} values")]
    Count,
    /// It is too large.
    #[error("a value of more than {SIZE_LIMIT} bytes")]
    Size,
}

impl Captures {
    /// The value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Sets a value, in place of an earlier one of its name.
    ///
    /// # Errors
    /// A value over [`SIZE_LIMIT`], or more values than [`COUNT_LIMIT`]; the existing values stay.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), CaptureError> {
        if value.len() > SIZE_LIMIT || name.len() > SIZE_LIMIT {
            return Err(CaptureError::Size);
        }
        if let Some((_, kept)) = self.0.iter_mut().find(|(known, _)| &**known == name) {
            *kept = value.into();
            return Ok(());
        }
        if self.0.len() >= COUNT_LIMIT {
            return Err(CaptureError::Count);
        }
        self.0.push((name.into(), value.into()));
        Ok(())
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_replaces_the_one_of_its_name() {
        let mut captures = Captures::default();
        captures.set("token", "old").unwrap();
        captures.set("room", "r").unwrap();
        captures.set("token", "new").unwrap();
        assert_eq!(captures.iter().collect::<Vec<_>>(), [("token", "new"), ("room", "r")]);
        assert_eq!((captures.get("token"), captures.get("other")), (Some("new"), None));
    }

    #[test]
    fn number_and_size_are_bounded() {
        let mut captures = Captures::default();
        for n in 0..COUNT_LIMIT {
            captures.set(&n.to_string(), &"x".repeat(SIZE_LIMIT)).unwrap();
        }
        assert_eq!(captures.set("more", ""), Err(CaptureError::Count));
        assert_eq!(captures.set("0", &"x".repeat(SIZE_LIMIT + 1)), Err(CaptureError::Size));
        assert_eq!((captures.iter().count(), captures.get("0").map(str::len)), (COUNT_LIMIT, Some(SIZE_LIMIT)));
    }

    #[test]
    fn values_are_not_shown() {
        let mut captures = Captures::default();
        captures.set("token", "hunter2").unwrap();
        assert_eq!(format!("{captures:?}"), "Captures(1 values)");
    }
}
