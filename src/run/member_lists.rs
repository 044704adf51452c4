//! Keeps the check: once a second, the newest member lists against who is connected.

use std::sync::Arc;
use std::time::Duration;

use super::background::ticks;
use crate::clock::Stamp;
use crate::model::{PresenceMismatch, UserIndex, UserState};
use crate::presence::{Connectivity, MemberSet, MembershipCheck, ObservedList};
use crate::protocol::{Driver, Members};
use crate::user::RunContext;

/// Between two comparisons.
const INTERVAL: Duration = Duration::from_secs(1);

/// Compares until the sockets are to be closed: from then on every user leaves, and lists say nothing.
pub(crate) async fn watch<D: Driver>(context: Arc<RunContext<D>>) {
    while ticks(INTERVAL, &context.closing).await {
        let began = compare(&context);
        report(&context, &began);
    }
}

/// One comparison: which users are connected, what the observers were shown, and what does not fit.
fn compare<D: Driver>(context: &RunContext<D>) -> Vec<(UserIndex, PresenceMismatch)> {
    // First the lists: who is found to have moved after them has had no time to settle anyway.
    let heard = context.observers.take();
    let states = context.roster.states();
    let now = context.clock.now();
    let mut check = context.membership.lock();
    check.update(now, states.into_iter().map(|(state, changes)| (connectivity(state), changes)));
    let mut last: Option<(String, Arc<MemberSet>)> = None;
    for (observer, ObservedList { user, list }) in heard.into_iter().enumerate() {
        check.forget(observer, user);
        let (Some(user), Some((text, at))) = (user, list) else { continue };
        show(&mut check, &context.driver, (observer, user, at), text, &mut last);
    }
    let passed_over: Vec<(usize, UserIndex)> = check.passed_over().collect();
    for (_, user) in passed_over {
        context.observers.dismiss(user);
    }
    check.judge(now)
}

/// Gives the check a list. Most observers have the same one, which is read once.
fn show<D: Driver>(
    check: &mut MembershipCheck,
    driver: &D,
    (observer, user, at): (usize, UserIndex, Stamp),
    text: String,
    last: &mut Option<(String, Arc<MemberSet>)>,
) {
    let known = last.as_ref().filter(|(known, _)| *known == text).map(|(_, members)| Arc::clone(members));
    let members = known.or_else(|| {
        let mut members = check.member_set();
        driver.members(Members { text: &text }, |id, name| check.add_member(&mut members, id, name)).ok()?;
        Some(Arc::new(members))
    });
    match members {
        Some(members) => {
            check.show(observer, user, at, Arc::clone(&members));
            *last = Some((text, members));
        }
        None => check.unreadable(),
    }
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
            PresenceMismatch::Ghost => tracing::warn!(%user, "listed as a member, though it is gone"),
            PresenceMismatch::Missing => tracing::warn!(%user, "connected, and not listed as a member"),
        }
    }
}
