//! Runs the check of member lists: once per second, the newest lists against the connected users.

use std::sync::Arc;
use std::time::Duration;

use super::background::ticks;
use crate::clock::Stamp;
use crate::model::{MemberChange, PresenceFindings, PresenceMismatch, SenderId, UserIndex, UserState};
use crate::presence::{Connectivity, MemberSet, MembershipCheck, NAMED, ObservedList};
use crate::protocol::{Driver, Members};
use crate::user::RunContext;

/// Interval between two comparisons.
const INTERVAL: Duration = Duration::from_secs(1);

/// Compares until the sockets close; then every user leaves, and lists mean nothing.
pub(crate) async fn watch<D: Driver>(context: Arc<RunContext<D>>) {
    while ticks(INTERVAL, &context.closing).await {
        let began = compare(&context);
        report(&context, &began);
    }
}

/// Makes one comparison; returns the users whose listing does not match.
fn compare<D: Driver>(context: &RunContext<D>) -> Vec<(UserIndex, PresenceMismatch)> {
    // Read the lists first: a user who moves after that has not settled anyway.
    let heard: Vec<_> = context.room_states.iter().map(|room| room.observers.take()).collect();
    let states = context.roster.states();
    let now = context.clock.now();
    let (mut began, mut findings) = (Vec::new(), PresenceFindings::default());
    for (nth, (room, heard)) in context.room_states.iter().zip(heard).enumerate() {
        let users = context.rooms.users(nth);
        let mut check = room.membership.lock();
        let states = states.iter().skip(users.start as usize).take(users.len());
        check.update(now, states.map(|(state, changes)| (connectivity(*state), *changes)));
        look(&mut check, &context.driver, users.start, heard);
        let passed_over: Vec<(usize, UserIndex)> = check.passed_over().collect();
        for (_, user) in passed_over {
            room.observers.dismiss(UserIndex(users.start + user.0));
        }
        let of_room = check.judge(now).into_iter().map(|(user, what)| (UserIndex(users.start + user.0), what));
        began.extend(of_room.take(NAMED - began.len().min(NAMED)));
        add(&mut findings, &check.findings());
    }
    let mut kept = context.presence.lock();
    for (most, (kept, now)) in findings.most.iter_mut().zip(kept.most.iter().zip(findings.now)) {
        *most = now.max(*kept);
    }
    *kept = findings;
    began
}

/// What an observer heard: the newest list and the changes after it.
type Parts = Vec<(MemberChange, String)>;

/// Feeds a room's check with what its observers heard; its user numbers count from the room's first.
fn look<D: Driver>(check: &mut MembershipCheck, driver: &D, first: u32, heard: impl IntoIterator<Item = ObservedList>) {
    let mut last: Option<(Parts, Arc<MemberSet>)> = None;
    for (observer, ObservedList { user, list }) in heard.into_iter().enumerate() {
        let user = user.map(|user| UserIndex(user.0.saturating_sub(first)));
        check.forget(observer, user);
        let (Some(user), Some((parts, at))) = (user, list) else { continue };
        show(check, driver, (observer, user, at), parts, &mut last);
    }
}

/// Adds a room's findings. Peaks are known only for all rooms together, so they are not added.
fn add(findings: &mut PresenceFindings, room: &PresenceFindings) {
    let add = |all: &mut [u64], more: &[u64]| all.iter_mut().zip(more).for_each(|(all, more)| *all += more);
    add(&mut findings.now, &room.now);
    add(&mut findings.episodes, &room.episodes);
    add(&mut findings.lists, &room.lists);
}

/// Gives the check a list. Most observers have the same one; it is parsed once.
fn show<D: Driver>(
    check: &mut MembershipCheck,
    driver: &D,
    (observer, user, at): (usize, UserIndex, Stamp),
    parts: Parts,
    last: &mut Option<(Parts, Arc<MemberSet>)>,
) {
    let is_whole = parts.first().is_some_and(|(change, _)| *change == MemberChange::All);
    let known = last.as_ref().filter(|(known, _)| is_whole && *known == parts).map(|(_, members)| Arc::clone(members));
    let members = match (known, check.shown(observer, user)) {
        (Some(known), _) => Some(known),
        // Changes to an unknown list mean nothing.
        (None, None) if !is_whole => return,
        (None, before) => {
            let before = before.filter(|_| !is_whole).cloned().unwrap_or_else(|| check.member_set());
            read(check, driver, before, &parts).map(Arc::new)
        }
    };
    match members {
        Some(members) => {
            check.show(observer, user, at, Arc::clone(&members));
            *last = Some((parts, members));
        }
        None => check.unreadable(),
    }
}

/// The members that a list names after its changes; `None` if any of it cannot be read.
fn read<D: Driver>(
    check: &MembershipCheck,
    driver: &D,
    mut members: MemberSet,
    parts: &[(MemberChange, String)],
) -> Option<MemberSet> {
    for (change, text) in parts {
        let list = Members { text, change: *change };
        let each = |id: SenderId, name: &str| match change {
            MemberChange::All | MemberChange::Came => check.add_member(&mut members, id, name),
            MemberChange::Left => check.remove_member(&mut members, id, name),
        };
        driver.members(list, each).ok()?;
    }
    Some(members)
}

fn connectivity(state: UserState) -> Connectivity {
    match state {
        UserState::Connected => Connectivity::Connected,
        UserState::Connecting => Connectivity::Connecting,
        UserState::Waiting | UserState::SigningIn | UserState::Away | UserState::BackingOff | UserState::Failed => {
            Connectivity::Disconnected
        }
    }
}

fn report<D>(context: &RunContext<D>, began: &[(UserIndex, PresenceMismatch)]) {
    for (user, mismatch) in began {
        let user = context.credentials.usernames.get(user.get()).map_or("", |name| name);
        match mismatch {
            PresenceMismatch::Ghost => tracing::warn!(%user, "listed as a member, though the user is gone"),
            PresenceMismatch::Missing => tracing::warn!(%user, "connected, but not listed as a member"),
        }
    }
}
