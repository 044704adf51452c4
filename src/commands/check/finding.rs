//! Findings about the server, and whether they contradict the protocol.

use crate::error::ExitCode;
use crate::telemetry::stdio::tell;

/// How a finding relates to the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// As the protocol says.
    Fine,
    /// Good to know.
    Note,
    /// Contradicts the protocol: a run would count it against the server.
    Wrong,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) mark: Mark,
    pub(super) text: String,
}

impl Finding {
    pub(super) fn fine(text: impl Into<String>) -> Self {
        Self { mark: Mark::Fine, text: text.into() }
    }

    pub(super) fn note(text: impl Into<String>) -> Self {
        Self { mark: Mark::Note, text: text.into() }
    }

    pub(super) fn wrong(text: impl Into<String>) -> Self {
        Self { mark: Mark::Wrong, text: text.into() }
    }
}

/// All findings.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }

    /// Prints all findings and returns the exit code; `whole`: whether every step was done.
    pub(super) fn tell(&self, whole: bool) -> ExitCode {
        if !self.0.is_empty() {
            tell("found:");
        }
        for Finding { mark, text } in &self.0 {
            let mark = match mark {
                Mark::Fine => "ok   ",
                Mark::Note => "note ",
                Mark::Wrong => "WRONG",
            };
            tell(&format!("  {mark} {text}"));
        }
        let wrong = self.0.iter().filter(|finding| finding.mark == Mark::Wrong).count();
        match wrong {
            0 if whole => tell("every step works"),
            0 => {}
            1 => tell("1 finding contradicts the protocol"),
            _ => tell(&format!("{wrong} findings contradict the protocol")),
        }
        if wrong == 0 { ExitCode::Ok } else { ExitCode::Refused }
    }
}
