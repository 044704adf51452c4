//! Label sets as array indices, so that counting needs neither hashing nor text.
//!
//! Knows the enums of [`model`](crate::model) but no metric. A set is closed, or has room for the names
//! of a driver's [`Vocabulary`].

use crate::model::{
    Action, Anomaly, Basis, ClockEvent, ControlKind, DropReason, EndReason, FailureKind, FrameKind, HttpOutcome,
    HttpStep, Initiator, Limit, ListFate, Origin, Outcome, PresenceMismatch, RunPhase, SaturationReason, SaveOutcome,
    SentKind, SocketKind, SpanFate, Stage, UserState, Vocabulary,
};

/// An enum whose members are the values of one label.
pub trait Label: Copy + Send + Sync + 'static {
    /// Number of places for members.
    const PLACES: usize;
    /// Every member in use with this vocabulary, in order of [`index`](Self::index).
    fn members(vocabulary: &Vocabulary) -> Vec<Self>;
    /// The member's place, below `PLACES`.
    fn index(self) -> usize;
    /// The label's text.
    fn text(self) -> &'static str;
}

macro_rules! label {
    ($($name:ident),+) => { $(
        impl Label for $name {
            const PLACES: usize = Self::ALL.len();

            fn members(_: &Vocabulary) -> Vec<Self> {
                Self::ALL.to_vec()
            }

            fn index(self) -> usize {
                self as usize
            }

            fn text(self) -> &'static str {
                self.as_str()
            }
        }
    )+ };
}

macro_rules! open_label {
    ($($name:ident),+) => { $(
        impl Label for $name {
            const PLACES: usize = Self::PLACES;

            fn members(vocabulary: &Vocabulary) -> Vec<Self> {
                Self::of(vocabulary).collect()
            }

            fn index(self) -> usize {
                self.place()
            }

            fn text(self) -> &'static str {
                self.as_str()
            }
        }
    )+ };
}

open_label!(FailureKind, FrameKind, SentKind);

label!(
    Action,
    Anomaly,
    Basis,
    ClockEvent,
    ControlKind,
    DropReason,
    EndReason,
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
    SocketKind,
    SpanFate,
    Stage,
    HttpStep,
    UserState
);

/// The texts of a label, for the documentation page.
pub(crate) fn texts<L: Label>(vocabulary: &Vocabulary) -> Vec<&'static str> {
    L::members(vocabulary).into_iter().map(Label::text).collect()
}

/// One label, or the product of several: the coordinates of a cell in a table of counts.
pub trait LabelSet: Copy + Send + Sync + 'static {
    /// Number of cells.
    const CELLS: usize;
    /// The cell's place, below `CELLS`.
    fn cell(self) -> usize;
    /// Every cell in use with this vocabulary, in order of [`cell`](Self::cell).
    fn every_of(vocabulary: &Vocabulary) -> Vec<Self>;
    /// Every cell of a closed set; of an open one, those of the common members.
    fn every() -> impl Iterator<Item = Self> {
        Self::every_of(&Vocabulary::COMMON).into_iter()
    }
    /// The label texts, in the order of the family's label names.
    fn texts(self) -> Vec<&'static str>;
}

/// No labels: one cell.
impl LabelSet for () {
    const CELLS: usize = 1;

    fn cell(self) -> usize {
        0
    }

    fn every_of(_: &Vocabulary) -> Vec<Self> {
        vec![()]
    }

    fn texts(self) -> Vec<&'static str> {
        Vec::new()
    }
}

impl<A: Label> LabelSet for A {
    const CELLS: usize = A::PLACES;

    fn cell(self) -> usize {
        self.index()
    }

    fn every_of(vocabulary: &Vocabulary) -> Vec<Self> {
        A::members(vocabulary)
    }

    fn texts(self) -> Vec<&'static str> {
        vec![self.text()]
    }
}

impl<A: Label, B: Label> LabelSet for (A, B) {
    const CELLS: usize = A::PLACES * B::PLACES;

    fn cell(self) -> usize {
        self.0.index() * B::PLACES + self.1.index()
    }

    fn every_of(vocabulary: &Vocabulary) -> Vec<Self> {
        let second = B::members(vocabulary);
        A::members(vocabulary).into_iter().flat_map(|a| second.iter().map(move |b| (a, *b))).collect()
    }

    fn texts(self) -> Vec<&'static str> {
        vec![self.0.text(), self.1.text()]
    }
}

impl<A: Label, B: Label, C: Label> LabelSet for (A, B, C) {
    const CELLS: usize = <(A, B)>::CELLS * C::PLACES;

    fn cell(self) -> usize {
        (self.0, self.1).cell() * C::PLACES + self.2.index()
    }

    fn every_of(vocabulary: &Vocabulary) -> Vec<Self> {
        let third = C::members(vocabulary);
        let pairs = <(A, B)>::every_of(vocabulary).into_iter();
        pairs.flat_map(|(a, b)| third.iter().map(move |c| (a, b, *c))).collect()
    }

    fn texts(self) -> Vec<&'static str> {
        vec![self.0.text(), self.1.text(), self.2.text()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::OwnName;

    #[test]
    fn cells_are_dense_and_in_order() {
        let cells: Vec<usize> = <(SocketKind, Initiator, EndReason)>::every().map(LabelSet::cell).collect();
        let expected: Vec<usize> = (0..<(SocketKind, Initiator, EndReason)>::CELLS).collect();
        assert_eq!(cells, expected);
    }

    #[test]
    fn a_drivers_own_name_has_a_cell_and_a_text_and_is_listed_with_its_vocabulary_alone() {
        const OWN: FailureKind = FailureKind::Own(&OwnName::at::<0>("teapot"));
        let vocabulary = Vocabulary { failures: &[OWN], ..Vocabulary::COMMON };
        let with = <(Stage, FailureKind)>::every_of(&vocabulary);
        let without = <(Stage, FailureKind)>::every_of(&Vocabulary::COMMON);
        assert_eq!(with.len(), without.len() + Stage::ALL.len());
        assert!(with.contains(&(Stage::Login, OWN)) && !without.contains(&(Stage::Login, OWN)));
        assert_eq!((Stage::Login, OWN).texts(), ["login", "teapot"]);
        let cells: std::collections::HashSet<usize> = with.iter().map(|labels| labels.cell()).collect();
        assert_eq!(cells.len(), with.len());
        assert!(cells.iter().all(|cell| *cell < <(Stage, FailureKind)>::CELLS));
    }

    #[test]
    fn texts_follow_the_coordinates() {
        assert_eq!((SocketKind::SideRoom, FailureKind::NoPresence).texts(), ["breakout", "no_presence"]);
    }
}
