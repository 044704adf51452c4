//! The names that this protocol adds to the common ones: failures and frames.

use crate::model::{FailureKind, FrameKind, OwnName, SentKind, Stage, Vocabulary};

/// All names.
pub const VOCABULARY: Vocabulary = Vocabulary {
    failures: &[
        NO_CSRF,
        NO_STATE,
        BAD_STATE,
        OVER_CAPACITY,
        EVENT_CLOSED,
        EVENT_CANCELLED,
        TYPE_NOT_UNDERSTOOD,
        MISSING_TYPE,
        MUST_BE_ADMIN,
        AUTHENTICATION_REQUIRED,
        BREAKOUT_NOT_FOUND,
        ALREADY_CONNECTED,
    ],
    frames: &[
        BREAKOUT_PRESENCE,
        BREAKOUT_RECEIVE,
        PLENARY,
        EMBEDS,
        VIDEOSYNC,
        CHAT_REPLACE,
        AUTH,
        USERS,
        MESSAGE_BREAKOUTS,
        REQUEST_SPEAKER_STATS,
    ],
    sent: &[TAKEOVER],
    expected_errors: &[
        (Stage::Signup, NO_CSRF),
        (Stage::Login, NO_CSRF),
        (Stage::Room, NO_STATE),
        (Stage::Room, BAD_STATE),
        (Stage::Room, OVER_CAPACITY),
        (Stage::Room, EVENT_CLOSED),
        (Stage::Room, EVENT_CANCELLED),
        (Stage::Receive, TYPE_NOT_UNDERSTOOD),
    ],
    expected_side_room_failures: &[OVER_CAPACITY, ALREADY_CONNECTED],
};

/// A form without its CSRF field.
pub const NO_CSRF: FailureKind = FailureKind::Own(&OwnName::at::<0>("no_csrf"));
/// An event page without `__INITIAL_STATE__`.
pub const NO_STATE: FailureKind = FailureKind::Own(&OwnName::at::<1>("no_state"));
/// A page whose state is not the expected JSON.
pub const BAD_STATE: FailureKind = FailureKind::Own(&OwnName::at::<2>("bad_state"));
/// The event is full.
pub const OVER_CAPACITY: FailureKind = FailureKind::Own(&OwnName::at::<3>("over_capacity"));
/// The event is over or has not begun.
pub const EVENT_CLOSED: FailureKind = FailureKind::Own(&OwnName::at::<4>("event_closed"));
/// The event was cancelled.
pub const EVENT_CANCELLED: FailureKind = FailureKind::Own(&OwnName::at::<5>("event_cancelled"));
/// An `error` frame: type not understood.
pub const TYPE_NOT_UNDERSTOOD: FailureKind = FailureKind::Own(&OwnName::at::<6>("type_not_understood"));
/// An `error` frame: missing type.
pub const MISSING_TYPE: FailureKind = FailureKind::Own(&OwnName::at::<7>("missing_type"));
/// An `error` frame: must be an admin.
pub const MUST_BE_ADMIN: FailureKind = FailureKind::Own(&OwnName::at::<8>("must_be_admin"));
/// An `error` frame: authentication required.
pub const AUTHENTICATION_REQUIRED: FailureKind = FailureKind::Own(&OwnName::at::<9>("authentication_required"));
/// An `error` frame: breakout not found.
pub const BREAKOUT_NOT_FOUND: FailureKind = FailureKind::Own(&OwnName::at::<10>("breakout_not_found"));
/// Breakout: already in another one.
pub const ALREADY_CONNECTED: FailureKind = FailureKind::Own(&OwnName::at::<11>("already_connected"));

/// Member list of a breakout.
pub const BREAKOUT_PRESENCE: FrameKind = FrameKind::Own(&OwnName::at::<0>("breakout_presence"));
/// List of breakouts.
pub const BREAKOUT_RECEIVE: FrameKind = FrameKind::Own(&OwnName::at::<1>("breakout_receive"));
/// Event settings.
pub const PLENARY: FrameKind = FrameKind::Own(&OwnName::at::<2>("plenary"));
/// Embedded media.
pub const EMBEDS: FrameKind = FrameKind::Own(&OwnName::at::<3>("embeds"));
/// Shared video position.
pub const VIDEOSYNC: FrameKind = FrameKind::Own(&OwnName::at::<4>("videosync"));
/// Chats rewritten.
pub const CHAT_REPLACE: FrameKind = FrameKind::Own(&OwnName::at::<5>("chat_replace"));
/// The user's own account.
pub const AUTH: FrameKind = FrameKind::Own(&OwnName::at::<6>("auth"));
/// Changed accounts.
pub const USERS: FrameKind = FrameKind::Own(&OwnName::at::<7>("users"));
/// An admin's message to the breakouts.
pub const MESSAGE_BREAKOUTS: FrameKind = FrameKind::Own(&OwnName::at::<8>("message_breakouts"));
/// An admin's request to a breakout.
pub const REQUEST_SPEAKER_STATS: FrameKind = FrameKind::Own(&OwnName::at::<9>("request_speaker_stats"));

/// Takeover of a breakout seat, which is never sent: its series is part of `/metrics`.
pub const TAKEOVER: SentKind = SentKind::Own(&OwnName::at::<0>("takeover"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_places_without_a_gap_and_none_is_common() {
        let failures: Vec<_> = FailureKind::of(&VOCABULARY).map(|kind| (kind.place(), kind.as_str())).collect();
        let frames: Vec<_> = FrameKind::of(&VOCABULARY).map(|kind| (kind.place(), kind.as_str())).collect();
        let sent: Vec<_> = SentKind::of(&VOCABULARY).map(|kind| (kind.place(), kind.as_str())).collect();
        for kinds in [failures, frames, sent] {
            assert!(kinds.iter().enumerate().all(|(at, (place, _))| at == *place), "{kinds:?}");
            let names: std::collections::HashSet<_> = kinds.iter().map(|(_, name)| name).collect();
            assert_eq!(names.len(), kinds.len(), "{kinds:?}");
        }
    }
}
