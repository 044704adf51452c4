//! How a run ended, and the words of a verdict about a refusal.

/// The start of the reason in the verdict of a generator that was refused.
const REFUSAL: &str = "The target refused: ";

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It is still running: this is a checkpoint.
    Running,
    /// Its duration was over, or it was asked to stop, and it settled.
    Settled,
    /// A second signal ended it at once.
    Aborted,
    /// The target refused at the start, with what it said.
    Refused(String),
}

/// The reason of the verdict if the target refused, saying `said`.
pub(super) fn refusal(said: &str) -> String {
    format!("{REFUSAL}{}.", said.trim_end_matches('.'))
}

/// What the target said, from the reason of a verdict.
pub(super) fn refusal_said(reason: &str) -> &str {
    reason.strip_prefix(REFUSAL).unwrap_or(reason).trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_back_as_the_target_said_it() {
        assert_eq!(refusal("it is closed."), "The target refused: it is closed.");
        assert_eq!(refusal_said(&refusal("it is closed")), "it is closed");
        assert_eq!(refusal_said("another reason."), "another reason");
    }
}
