//! The choice of users, and the counts.

use super::*;
use crate::clock::Stamp;
use crate::model::Action;
use proptest::prelude::*;

const CHAT: Intent = Intent { action: Action::Chat, intended: Stamp(0) };

#[test]
fn an_offer_tells_not_connected_from_backpressure() {
    let roster = Roster::new(1, 1);
    assert_eq!(roster.offer(CHAT), Err(DropReason::NotConnected));
    roster.set(UserIndex(0), UserState::Connected);
    assert_eq!(roster.offer(CHAT), Ok(UserIndex(0)));
    assert_eq!(roster.offer(CHAT), Err(DropReason::Backpressure));
    let slot = roster.slot(UserIndex(0)).unwrap();
    assert_eq!(slot.take(), Some(CHAT));
    assert_eq!(roster.offer(CHAT), Err(DropReason::Backpressure), "the frame is still in writing");
    slot.done();
    assert_eq!(roster.offer(CHAT), Ok(UserIndex(0)));
}

#[test]
fn a_withdrawn_intent_is_never_taken_up_and_one_that_was_taken_up_is_waited_for() {
    let roster = Roster::new(2, 1);
    for i in 0..2 {
        roster.set(UserIndex(i), UserState::Connected);
    }
    let busy = roster.offer(CHAT).unwrap();
    let waiting = roster.offer(CHAT).unwrap();
    assert_eq!(roster.slot(busy).unwrap().take(), Some(CHAT));
    assert_eq!(roster.withdraw_intents().collect::<Vec<_>>(), [CHAT]);
    assert_eq!(roster.slot(waiting).unwrap().take(), None);
    assert!(roster.is_any_busy());
    roster.slot(busy).unwrap().done();
    assert!(!roster.is_any_busy());
}

#[test]
fn connected_users_are_chosen_about_equally() {
    let roster = Roster::new(10, 1);
    for i in 0..10 {
        roster.set(UserIndex(i), UserState::Connected);
    }
    let mut chosen = [0; 10];
    for _ in 0..10_000 {
        let user = roster.offer(CHAT).unwrap();
        roster.slot(user).unwrap().take();
        roster.slot(user).unwrap().done();
        chosen[user.get()] += 1;
    }
    assert!(chosen.iter().all(|n| (800..1200).contains(n)), "{chosen:?}");
}

#[test]
fn only_speakers_are_given_messages_and_all_users_leave() {
    let speaks: Box<[bool]> = (0..6).map(|user| user % 3 == 1).collect();
    let roster = Roster::new(6, 1).with_speakers(Some(speaks));
    let leave = Intent { action: Action::Leave, ..CHAT };
    for i in [0, 2, 3] {
        roster.set(UserIndex(i), UserState::Connected);
    }
    assert_eq!(roster.able(Action::Chat), (0, 2));
    assert_eq!(roster.able(Action::Leave), (3, 6));
    assert_eq!(roster.offer(CHAT), Err(DropReason::NotConnected), "its speakers are all away");
    roster.set(UserIndex(1), UserState::Connected);
    roster.set(UserIndex(4), UserState::Connected);
    assert_eq!(roster.able(Action::Chat), (2, 2));
    let (mut chats, mut leaves) = ([0; 6], [0; 6]);
    for (intent, chosen) in [(CHAT, &mut chats), (leave, &mut leaves)] {
        for _ in 0..500 {
            let user = roster.offer(intent).unwrap();
            roster.slot(user).unwrap().take();
            roster.slot(user).unwrap().done();
            chosen[user.get()] += 1;
        }
    }
    assert!(chats[1] > 150 && chats[4] > 150 && chats[1] + chats[4] == 500, "{chats:?}");
    assert!(leaves[..5].iter().all(|n| *n > 50) && leaves[5] == 0, "{leaves:?}");
    roster.set(UserIndex(1), UserState::Away);
    assert_eq!(roster.offer(CHAT), Ok(UserIndex(4)));
}

#[test]
fn a_short_absence_shows_in_the_moves() {
    let (roster, me) = (Roster::new(1, 1), UserIndex(0));
    roster.set(me, UserState::Connected);
    assert_eq!(roster.states(), [(UserState::Connected, 1)]);
    roster.set(me, UserState::Connected);
    assert_eq!(roster.states(), [(UserState::Connected, 1)]);
    roster.set(me, UserState::Away);
    roster.set(me, UserState::Connected);
    assert_eq!(roster.states(), [(UserState::Connected, 3)]);
}

proptest! {
    #[test]
    fn counts_of_states_sum_to_the_users(changes in prop::collection::vec((0..8_u32, 0..UserState::COUNT), 0..200)) {
        let roster = Roster::new(8, 1);
        let mut model = [UserState::Waiting; 8];
        for (user, state) in changes {
            let state = UserState::ALL[state];
            roster.set(UserIndex(user), state);
            model[user as usize] = state;
            let counts = roster.counts();
            prop_assert_eq!(counts.iter().sum::<u64>(), 8);
            let connected = model.iter().filter(|s| **s == UserState::Connected).count();
            prop_assert_eq!(roster.connected(), connected);
            if connected > 0 {
                let chosen = roster.offer(CHAT).unwrap();
                prop_assert_eq!(model[chosen.get()], UserState::Connected);
                roster.slot(chosen).unwrap().take();
                roster.slot(chosen).unwrap().done();
            }
        }
    }
}

#[test]
fn counts_are_of_those_who_are_to_be_held() {
    let roster = Roster::new(4, 1).with_speakers(Some([true, false, true, true].into()));
    for user in 0..4 {
        roster.set(UserIndex(user), UserState::Connected);
    }
    roster.set_target(2);
    assert_eq!((roster.target(), roster.counts().iter().sum::<u64>()), (2, 2));
    assert_eq!(roster.able(Action::Chat), (3, 1), "who is to leave may still speak");
    roster.set(UserIndex(3), UserState::Waiting);
    assert_eq!(roster.counts()[UserState::Connected as usize], 2);
    roster.set_target(9);
    let counts = roster.counts();
    assert_eq!(
        (roster.target(), counts[UserState::Connected as usize], counts[UserState::Waiting as usize]),
        (4, 3, 1)
    );
}

#[test]
fn a_share_of_the_connected_is_drawn_and_each_resets_once() {
    let roster = Roster::new(10, 1);
    assert!(roster.draw(1.0).is_empty());
    for user in 0..8 {
        roster.set(UserIndex(user), UserState::Connected);
    }
    assert_eq!([0.01, 0.5, 1.0].map(|share| roster.draw(share).len()), [1, 4, 8]);
    roster.reset(UserIndex(3));
    assert!(roster.was_notified(UserIndex(3)) && !roster.takes_reset(UserIndex(4)));
    assert!(roster.takes_reset(UserIndex(3)) && !roster.takes_reset(UserIndex(3)));
}

#[tokio::test]
async fn users_from_a_number_on_are_recalled() {
    let roster = Roster::new(3, 1);
    assert!(!roster.is_recalled(UserIndex(2)));
    let recalled = roster.recalled(UserIndex(2));
    tokio::pin!(recalled);
    assert!(futures_util::poll!(&mut recalled).is_pending());
    roster.recall_from(Some(UserIndex(2)));
    recalled.await;
    assert!(roster.was_notified(UserIndex(2)) && !roster.is_recalled(UserIndex(1)));
    roster.recall_from(None);
    assert!(!roster.is_recalled(UserIndex(2)));
}
