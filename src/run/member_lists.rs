//! Keeps the register: once a second, the newest member lists against who is connected.

use std::sync::Arc;
use std::time::Duration;

use super::background::ticks;
use crate::clock::Stamp;
use crate::model::{PresenceMismatch, UserIndex, UserState};
use crate::presence::{Heard, MemberSet, MembershipCheck, Place};
use crate::protocol::{Driver, Members};
use crate::user::RunContext;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Looks until the sockets are to be closed: from then on everybody goes, and nothing is to be learnt.
pub(crate) async fn watch<D: Driver>(context: Arc<RunContext<D>>) {
    while ticks(LOOK, &context.closing).await {
        let began = look(&context);
        report(&context, &began);
    }
}

/// One look: where everybody is, what the observers were shown, and what does not fit.
fn look<D: Driver>(context: &RunContext<D>) -> Vec<(UserIndex, PresenceMismatch)> {
    // First the lists: who is found to have moved after them has had no time to settle anyway.
    let heard = context.observers.take();
    let states = context.roster.states();
    let now = context.clock.now();
    let mut register = context.register.lock();
    register.look(now, states.into_iter().map(|(state, moves)| (place(state), moves)));
    let mut last: Option<(String, Arc<MemberSet>)> = None;
    for (observer, Heard { user, list }) in heard.into_iter().enumerate() {
        register.forget(observer, user);
        let (Some(user), Some((text, at))) = (user, list) else { continue };
        show(&mut register, &context.driver, (observer, user, at), text, &mut last);
    }
    let passed_over: Vec<(usize, UserIndex)> = register.passed_over().collect();
    for (_, user) in passed_over {
        context.observers.dismiss(user);
    }
    register.judge(now)
}

/// Shows the register a list. Most observers have the same one, which is read once.
fn show<D: Driver>(
    register: &mut MembershipCheck,
    driver: &D,
    (observer, user, at): (usize, UserIndex, Stamp),
    text: String,
    last: &mut Option<(String, Arc<MemberSet>)>,
) {
    let known = last.as_ref().filter(|(known, _)| *known == text).map(|(_, roll)| Arc::clone(roll));
    let roll = known.or_else(|| {
        let mut roll = register.roll();
        driver.members(Members { text: &text }, |id, name| register.enrol(&mut roll, id, name)).ok()?;
        Some(Arc::new(roll))
    });
    match roll {
        Some(roll) => {
            register.show(observer, user, at, Arc::clone(&roll));
            *last = Some((text, roll));
        }
        None => register.unreadable(),
    }
}

fn place(state: UserState) -> Place {
    match state {
        UserState::Connected => Place::In,
        UserState::Connecting => Place::Between,
        UserState::Waiting | UserState::SigningIn | UserState::Away | UserState::BackingOff | UserState::Failed => {
            Place::Out
        }
    }
}

fn report<D>(context: &RunContext<D>, began: &[(UserIndex, PresenceMismatch)]) {
    for (user, mismatch) in began {
        let user = context.crowd.usernames.get(user.get()).map_or("", |name| name);
        match mismatch {
            PresenceMismatch::Ghost => tracing::warn!(%user, "listed as a member, though it is gone"),
            PresenceMismatch::Missing => tracing::warn!(%user, "connected, and not listed as a member"),
        }
    }
}
