//! What a generator answers to a command: one line of JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether the command was carried out.
    pub ok: bool,
    /// The outcome, in words.
    pub said: String,
    /// What to do if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Figures, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Value>,
}

impl Answer {
    /// The command was carried out.
    #[must_use]
    pub fn done(said: impl Into<String>) -> Self {
        Self { ok: true, said: said.into(), remedy: None, figures: None }
    }

    /// The command was refused.
    #[must_use]
    pub fn refused(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { ok: false, said: why.into(), remedy: Some(remedy.into()), figures: None }
    }

    /// The same with figures.
    #[must_use]
    pub fn with(self, figures: Value) -> Self {
        Self { figures: Some(figures), ..self }
    }

    /// The line that is sent, its line break included.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}
