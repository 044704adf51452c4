//! Texts with `{{name|filter}}` in them: compiled once, rendered often.
//!
//! Rendering appends to the caller's string and allocates nothing itself: values pass through the filters piece by
//! piece. [`Values`] provides the values.

mod filter;
mod syntax;
mod values;

pub(super) use filter::{Filter, Sink};
pub(super) use syntax::{Expression, Piece, is_name, pieces};
pub use values::{BuiltIn, Captured, Missing, ValueRef, Values};

/// The replacement for secrets.
pub const MASK: &str = "***";

/// A compiled template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal { text: Box<str>, secret: bool },
    Value { slot: ValueRef, filters: Box<[Filter]>, secret: bool },
    Nested { template: Template, filters: Box<[Filter]> },
}

impl Template {
    /// A template of constant text.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        let mut template = Self::default();
        template.push_literal(text, false);
        template
    }

    /// The text, if the template has no values.
    #[must_use]
    pub fn as_constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal { text, .. }] => Some(text),
            _ => None,
        }
    }

    /// The text at its start; `None` if it starts with a value.
    #[must_use]
    pub fn beginning(&self) -> Option<&str> {
        match self.parts.first() {
            None => Some(""),
            Some(Part::Literal { text, .. }) => Some(text),
            Some(_) => None,
        }
    }

    /// Whether anything in it is a secret.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.parts.iter().any(Part::is_secret)
    }

    /// Calls `each` for every value that it takes.
    pub fn slots(&self, each: &mut dyn FnMut(ValueRef)) {
        for part in &self.parts {
            match part {
                Part::Literal { .. } => {}
                Part::Value { slot, .. } => each(*slot),
                Part::Nested { template, .. } => template.slots(each),
            }
        }
    }

    /// Appends the text to `out`.
    ///
    /// # Errors
    /// The first value that is missing (yet); `out` then has the text before it.
    pub fn render(&self, values: &Values<'_>, out: &mut String) -> Result<(), Missing> {
        self.write(values, Shown::Plain, out)
    }

    /// Appends the text to `out` with [`MASK`] for everything derived from a secret, and for missing values.
    pub fn render_masked(&self, values: &Values<'_>, out: &mut String) {
        // A missing value is masked; nothing else can fail.
        let _ = self.write(values, Shown::Masked, out);
    }

    /// Calls `each` with every text derived from a secret: raw and filtered.
    pub(super) fn secrets(&self, values: &Values<'_>, each: &mut dyn FnMut(&str)) {
        for part in self.parts.iter().filter(|part| part.is_secret()) {
            let mut text = String::new();
            if part.write(values, Shown::Plain, &mut text).is_ok() {
                each(&text);
            }
            match part {
                Part::Nested { template, .. } => template.secrets(values, each),
                Part::Value { slot, .. } => {
                    text.clear();
                    if values.push(*slot, &mut text) {
                        each(&text);
                    }
                }
                Part::Literal { .. } => {}
            }
        }
    }

    /// The pattern with one letter for every value, to check that it compiles.
    pub(super) fn sample_pattern(&self) -> String {
        self.parts.iter().map(|part| if let Part::Literal { text, .. } = part { text } else { "x" }).collect()
    }

    pub(super) fn push_literal(&mut self, text: &str, secret: bool) {
        if text.is_empty() {
            return;
        }
        if let Some(Part::Literal { text: before, secret: same }) = self.parts.last_mut()
            && *same == secret
        {
            *before = format!("{before}{text}").into();
        } else {
            self.parts.push(Part::Literal { text: text.into(), secret });
        }
    }

    pub(super) fn push_value(&mut self, slot: ValueRef, filters: Vec<Filter>, secret: bool) {
        self.parts.push(Part::Value { slot, filters: filters.into(), secret });
    }

    /// Appends another template, filtered as a whole; constants are filtered at once.
    pub(super) fn push_template(&mut self, template: Template, filters: Vec<Filter>) {
        match template.as_constant() {
            Some(text) => self.push_literal(&filter::applied(text, &filters), template.is_secret()),
            None if filters.is_empty() => self.parts.extend(template.parts),
            None => self.parts.push(Part::Nested { template, filters: filters.into() }),
        }
    }

    fn write(&self, values: &Values<'_>, shown: Shown, out: &mut dyn Sink) -> Result<(), Missing> {
        self.parts.iter().try_for_each(|part| part.write(values, shown, out))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Plain,
    Masked,
}

impl Part {
    fn is_secret(&self) -> bool {
        match self {
            Self::Literal { secret, .. } | Self::Value { secret, .. } => *secret,
            Self::Nested { template, .. } => template.is_secret(),
        }
    }

    fn write(&self, values: &Values<'_>, shown: Shown, out: &mut dyn Sink) -> Result<(), Missing> {
        if shown == Shown::Masked && self.is_masked_whole() {
            out.push(MASK);
            return Ok(());
        }
        match self {
            Self::Literal { text, .. } => out.push(text),
            Self::Value { slot, filters, .. } => {
                let mut there = true;
                filter::chain(filters, out, &mut |sink| there = values.push(*slot, sink));
                match (there, shown) {
                    (true, _) => {}
                    (false, Shown::Masked) => out.push(MASK),
                    (false, Shown::Plain) => return Err(Missing(*slot)),
                }
            }
            Self::Nested { template, filters } => {
                let mut outcome = Ok(());
                filter::chain(filters, out, &mut |sink| outcome = template.write(values, shown, sink));
                outcome?;
            }
        }
        Ok(())
    }

    /// Whether the whole part is masked: after filters such as base64 a secret cannot be told from its neighbours;
    /// other filters keep the rest readable.
    fn is_masked_whole(&self) -> bool {
        match self {
            Self::Literal { secret, .. } | Self::Value { secret, .. } => *secret,
            Self::Nested { template, filters } => {
                template.is_secret() && filters.iter().any(|filter| !filter.keeps_readable())
            }
        }
    }
}

#[cfg(test)]
mod tests;
