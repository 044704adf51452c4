//! Closed label sets as array indices, so that a count needs no hashing and no text.
//!
//! Knows the enums of [`chat`](crate::model); must not know any metric.

use crate::model::{
    Action, Anomaly, Basis, ClockEvent, DropReason, EndReason, FailureKind, FrameKind, HttpOutcome, Initiator, Limit,
    ListFate, Origin, Outcome, PresenceMismatch, RunPhase, SaturationReason, SaveOutcome, SentKind, Socket, SpanFate,
    Stage, Step, UserState,
};

/// An enum whose members are the values of one label.
pub trait Label: Copy + Send + Sync + 'static {
    /// Every member, in order of [`index`](Self::index).
    const MEMBERS: &'static [Self];
    /// The member's place in `MEMBERS`.
    fn index(self) -> usize;
    /// The label's text.
    fn text(self) -> &'static str;
}

macro_rules! label {
    ($($name:ident),+) => { $(
        impl Label for $name {
            const MEMBERS: &'static [Self] = Self::ALL;
            fn index(self) -> usize { self as usize }
            fn text(self) -> &'static str { self.as_str() }
        }
    )+ };
}

label!(
    Action,
    Anomaly,
    Basis,
    ClockEvent,
    DropReason,
    EndReason,
    FailureKind,
    FrameKind,
    HttpOutcome,
    Initiator,
    Limit,
    ListFate,
    Origin,
    Outcome,
    PresenceMismatch,
    RunPhase,
    SaturationReason,
    SaveOutcome,
    SentKind,
    Socket,
    SpanFate,
    Stage,
    Step,
    UserState
);

/// The texts of a label, for the page of documentation.
pub(crate) fn texts<L: Label>() -> Vec<&'static str> {
    L::MEMBERS.iter().map(|member| member.text()).collect()
}

/// One label, or the product of several: the coordinates of a cell in a table of counts.
pub trait LabelSet: Copy + Send + Sync + 'static {
    /// Number of cells.
    const CELLS: usize;
    /// The cell's place, below `CELLS`.
    fn cell(self) -> usize;
    /// Every cell, in order of [`cell`](Self::cell).
    fn every() -> impl Iterator<Item = Self>;
    /// The label texts, in the order of the family's label names.
    fn texts(self) -> Vec<&'static str>;
}

/// No labels: one cell.
impl LabelSet for () {
    const CELLS: usize = 1;

    fn cell(self) -> usize {
        0
    }

    fn every() -> impl Iterator<Item = Self> {
        std::iter::once(())
    }

    fn texts(self) -> Vec<&'static str> {
        Vec::new()
    }
}

impl<A: Label> LabelSet for A {
    const CELLS: usize = A::MEMBERS.len();

    fn cell(self) -> usize {
        self.index()
    }

    fn every() -> impl Iterator<Item = Self> {
        A::MEMBERS.iter().copied()
    }

    fn texts(self) -> Vec<&'static str> {
        vec![self.text()]
    }
}

impl<A: Label, B: Label> LabelSet for (A, B) {
    const CELLS: usize = A::MEMBERS.len() * B::MEMBERS.len();

    fn cell(self) -> usize {
        self.0.index() * B::MEMBERS.len() + self.1.index()
    }

    fn every() -> impl Iterator<Item = Self> {
        A::every().flat_map(|a| B::every().map(move |b| (a, b)))
    }

    fn texts(self) -> Vec<&'static str> {
        vec![self.0.text(), self.1.text()]
    }
}

impl<A: Label, B: Label, C: Label> LabelSet for (A, B, C) {
    const CELLS: usize = <(A, B)>::CELLS * C::MEMBERS.len();

    fn cell(self) -> usize {
        (self.0, self.1).cell() * C::MEMBERS.len() + self.2.index()
    }

    fn every() -> impl Iterator<Item = Self> {
        <(A, B)>::every().flat_map(|(a, b)| C::every().map(move |c| (a, b, c)))
    }

    fn texts(self) -> Vec<&'static str> {
        vec![self.0.text(), self.1.text(), self.2.text()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_dense_and_in_order() {
        let cells: Vec<usize> = <(Socket, Initiator, EndReason)>::every().map(LabelSet::cell).collect();
        let expected: Vec<usize> = (0..<(Socket, Initiator, EndReason)>::CELLS).collect();
        assert_eq!(cells, expected);
    }

    #[test]
    fn texts_follow_the_coordinates() {
        assert_eq!((Socket::Breakout, FailureKind::NoPresence).texts(), ["breakout", "no_presence"]);
    }
}
