//! Tests of single cases, and against a model that looks everything up in a full history.

use proptest::prelude::*;

use super::*;

const USERS: usize = 6;
const SETTLING: Duration = Duration::from_secs(5);

fn at(seconds: f64) -> Stamp {
    Stamp::default().plus(Duration::from_secs_f64(seconds))
}

/// A check of users `u0` to `u5`, whose ids are unknown.
fn check() -> MembershipCheck {
    let names: Vec<String> = (0..USERS).map(|i| format!("u{i}")).collect();
    MembershipCheck::new(SETTLING, names.iter().map(String::as_str))
}

fn members(check: &MembershipCheck, named: &[u32], others: usize) -> Arc<MemberSet> {
    let mut members = check.member_set();
    named.iter().for_each(|user| check.add_member(&mut members, SenderId::NONE, &format!("u{user}")));
    (0..others).for_each(|_| check.add_member(&mut members, SenderId::NONE, "somebody"));
    Arc::new(members)
}

/// The users' states: connected, except for those in `out`.
fn all_in_but(out: &[usize]) -> Vec<(Connectivity, u32)> {
    (0..USERS)
        .map(|i| if out.contains(&i) { (Connectivity::Disconnected, 1) } else { (Connectivity::Connected, 1) })
        .collect()
}

fn now(check: &MembershipCheck) -> [u64; 2] {
    check.findings().now
}

#[test]
fn who_left_may_be_listed_until_that_has_settled() {
    let mut check = check();
    check.update(at(0.0), all_in_but(&[]));
    check.update(at(20.0), all_in_but(&[3]));
    let list = members(&check, &[0, 1, 2, 3, 4, 5], 0);
    check.show(0, UserIndex(0), at(20.0), list);
    check.judge(at(25.0));
    assert_eq!(now(&check), [0, 0]);
    assert_eq!(check.judge(at(25.1)), [(UserIndex(3), PresenceMismatch::Ghost)]);
    assert_eq!(check.judge(at(26.1)), [], "it began once");
    let list = members(&check, &[0, 1, 2, 4, 5], 0);
    check.show(0, UserIndex(0), at(27.0), list);
    check.judge(at(27.0));
    assert_eq!((now(&check), check.findings().most, check.findings().episodes), ([0, 0], [1, 0], [1, 0]));
}

#[test]
fn who_came_must_be_listed_once_that_has_settled() {
    let mut check = check();
    check.update(at(0.0), all_in_but(&[]));
    let list = members(&check, &[0, 1, 2, 4], 3);
    check.show(2, UserIndex(1), at(1.0), list);
    check.judge(at(4.0));
    assert_eq!(now(&check), [0, 0]);
    check.judge(at(6.0));
    assert_eq!(now(&check), [0, 2]);
    // One comes back and must be listed again.
    let mut places = all_in_but(&[]);
    places[3].1 = 3;
    check.update(at(7.0), places);
    check.judge(at(7.0));
    assert_eq!(now(&check), [0, 1]);
    check.judge(at(13.0));
    assert_eq!((now(&check), check.findings().episodes), ([0, 2], [0, 3]));
}

#[test]
fn who_is_coming_in_may_be_listed_or_not() {
    let mut check = check();
    check.update(at(0.0), vec![(Connectivity::Connecting, 1); USERS]);
    let list = members(&check, &[0, 1], 1);
    check.show(0, UserIndex(0), at(1.0), list);
    check.judge(at(100.0));
    assert_eq!(now(&check), [0, 0]);
}

#[test]
fn a_list_of_its_receiver_alone_accuses_no_user() {
    let mut check = check();
    check.update(at(0.0), all_in_but(&[]));
    for user in 0..5 {
        let list = members(&check, &[user], 0);
        check.show(user as usize, UserIndex(user), at(1.0), list);
    }
    check.judge(at(100.0));
    assert_eq!((now(&check), check.findings().lists), ([0, 0], [0, 5, 0]));
    // An empty list, or a stranger's, does not count as a short list.
    let list = members(&check, &[], 0);
    check.show(0, UserIndex(0), at(1.0), list);
    check.judge(at(100.0));
    assert_eq!(now(&check), [0, 6]);
}

#[test]
fn most_of_the_lists_decide_and_a_silent_observer_has_no_vote() {
    let mut check = check();
    check.update(at(0.0), all_in_but(&[]));
    let (full, short) = (members(&check, &[0, 1, 2, 3, 4, 5], 0), members(&check, &[0, 1, 2, 3, 4], 0));
    check.show(0, UserIndex(0), at(1.0), Arc::clone(&full));
    check.show(1, UserIndex(1), at(1.0), Arc::clone(&short));
    check.judge(at(7.0));
    assert_eq!(now(&check), [0, 0], "one of two is not most");
    check.show(2, UserIndex(2), at(7.0), Arc::clone(&full));
    check.show(3, UserIndex(3), at(7.0), Arc::clone(&short));
    check.judge(at(8.0));
    assert_eq!(now(&check), [0, 0], "nor is one of two who were shown something lately");
    let passed_over: Vec<_> = check.passed_over().collect();
    assert_eq!(passed_over, [(0, UserIndex(0)), (1, UserIndex(1))]);
    check.show(4, UserIndex(4), at(8.0), short);
    check.judge(at(9.0));
    assert_eq!(now(&check), [0, 1]);
}

#[test]
fn what_was_found_stands_until_there_is_a_list_again() {
    let mut check = check();
    check.update(at(0.0), all_in_but(&[]));
    let list = members(&check, &[0, 1, 2, 3, 4], 0);
    check.show(0, UserIndex(0), at(1.0), Arc::clone(&list));
    check.judge(at(7.0));
    check.forget(0, Some(UserIndex(0)));
    check.judge(at(8.0));
    check.forget(0, None);
    check.judge(at(9.0));
    assert_eq!((now(&check), check.findings().episodes), ([0, 1], [0, 1]));
    check.show(1, UserIndex(1), at(9.0), list);
    check.judge(at(10.0));
    assert_eq!((now(&check), check.findings().episodes), ([0, 1], [0, 1]), "the same one");
}

#[test]
fn after_a_silence_of_ours_no_user_is_missing_until_it_reconnects() {
    let mut check = check();
    check.update(at(0.0), all_in_but(&[5]));
    let list = members(&check, &[0, 5], 1);
    check.show(0, UserIndex(0), at(1.0), list);
    check.was_silent();
    check.judge(at(100.0));
    assert_eq!(now(&check), [1, 0], "who is gone was not silent");
}

#[test]
fn a_member_is_known_by_id_or_by_name() {
    let mut check = check();
    check.introduce(UserIndex(2), SenderId::number(77));
    let mut members = check.member_set();
    check.add_member(&mut members, SenderId::number(77), "renamed");
    check.add_member(&mut members, SenderId::number(78), "u4");
    check.add_member(&mut members, SenderId::number(79), "u4x");
    assert!(members.names(UserIndex(2)) && members.names(UserIndex(4)));
    assert_eq!((0..6).filter(|i| members.names(UserIndex(*i))).count(), 2);
}

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Move(usize, Connectivity),
    Show { observer: usize, to: u32, named: Vec<u32>, others: usize },
    Forget(usize, Option<u32>),
    Silence,
    Judge,
}

fn step() -> impl Strategy<Value = Step> {
    let place =
        prop_oneof![Just(Connectivity::Connected), Just(Connectivity::Disconnected), Just(Connectivity::Connecting)];
    let show = (0..OBSERVERS, 0..6_u32, prop::collection::vec(0..6_u32, 0..8), 0..2_usize)
        .prop_map(|(observer, to, named, others)| Step::Show { observer, to, named, others });
    prop_oneof![
        4 => (0..4_000_u64).prop_map(Step::Wait),
        3 => (0..USERS, place).prop_map(|(user, place)| Step::Move(user, place)),
        4 => show,
        1 => (0..OBSERVERS, prop::option::of(0..6_u32)).prop_map(|(observer, unless)| Step::Forget(observer, unless)),
        1 => Just(Step::Silence),
        6 => Just(Step::Judge),
    ]
}

/// A list as the model keeps it.
#[derive(Debug, Clone)]
struct Listed {
    to: u32,
    at: Stamp,
    named: Vec<u32>,
    members: usize,
}

/// The whole history, and every answer looked up in it.
#[derive(Debug, Default)]
struct Model {
    looks: Vec<(Stamp, Vec<(Connectivity, u32)>)>,
    /// The number of looks before each silence.
    silences: Vec<usize>,
    lists: [Option<Listed>; OBSERVERS],
    wrong: [Option<PresenceMismatch>; USERS],
    episodes: [u64; 2],
    most: [u64; 2],
}

impl Model {
    /// The first of the consecutive looks that found the user in its last state.
    fn settled(&self, user: usize) -> usize {
        let last = self.looks.last().unwrap().1[user];
        let differs = self.looks.iter().rposition(|(_, places)| places[user] != last);
        differs.map_or(0, |before| before + 1)
    }

    fn votes(&self) -> Vec<&Listed> {
        let there = || self.lists.iter().flatten();
        let newest = there().map(|list| list.at).max();
        let lately = |list: &&Listed| newest.is_some_and(|newest| newest.since(list.at) <= SETTLING);
        let full = |list: &&Listed| list.members != 1 || !list.named.contains(&list.to);
        there().filter(lately).filter(full).collect()
    }

    fn judge(&mut self, now: Stamp) {
        let places = self.looks.last().unwrap().1.clone();
        for (user, (place, _)) in places.into_iter().enumerate() {
            let from = self.settled(user);
            let age = now.since(self.looks[from].0);
            let was = self.wrong[user];
            let votes = self.votes();
            let listed = votes.iter().filter(|list| list.named.contains(&(user as u32))).count();
            let silent = self.silences.iter().any(|looks| *looks > from);
            let wrong = match place {
                _ if votes.is_empty() => was,
                Connectivity::Disconnected if age > SETTLING && listed * 2 > votes.len() => {
                    Some(PresenceMismatch::Ghost)
                }
                Connectivity::Connected if age > SETTLING && !silent && listed * 2 < votes.len() => {
                    Some(PresenceMismatch::Missing)
                }
                _ => None,
            };
            if let (None, Some(began)) = (was, wrong) {
                self.episodes[began as usize] += 1;
            }
            self.wrong[user] = wrong;
        }
        for kind in PresenceMismatch::ALL {
            let most = &mut self.most[*kind as usize];
            *most = (*most).max(self.wrong.iter().filter(|wrong| **wrong == Some(*kind)).count() as u64);
        }
    }
}

proptest! {
    #[test]
    fn it_finds_what_the_model_finds(steps in prop::collection::vec(step(), 1..120)) {
        let (mut check, mut model, mut time) = (check(), Model::default(), Stamp(0));
        let mut places = vec![(Connectivity::Disconnected, 0); USERS];
        check.update(time, places.clone());
        model.looks.push((time, places.clone()));
        for step in steps {
            match step {
                Step::Wait(millis) => time = time.plus(Duration::from_millis(millis)),
                Step::Move(user, place) => {
                    if places[user].0 != place {
                        places[user] = (place, places[user].1 + 1);
                        model.wrong[user] = None;
                    }
                    check.update(time, places.clone());
                    model.looks.push((time, places.clone()));
                }
                Step::Show { observer, to, named, others } => {
                    let list = members(&check, &named, others);
                    check.show(observer, UserIndex(to), time, list);
                    let members = named.len() + others;
                    model.lists[observer] = Some(Listed { to, at: time, named, members });
                }
                Step::Forget(observer, unless) => {
                    check.forget(observer, unless.map(UserIndex));
                    model.lists[observer] = model.lists[observer].take().filter(|list| Some(list.to) == unless);
                }
                Step::Silence => {
                    check.was_silent();
                    model.silences.push(model.looks.len());
                    for (user, (place, _)) in places.iter().enumerate() {
                        if *place == Connectivity::Connected {
                            model.wrong[user] = None;
                        }
                    }
                }
                Step::Judge => {
                    check.judge(time);
                    model.judge(time);
                    let findings = check.findings();
                    let count = |kind| model.wrong.iter().filter(|wrong| **wrong == Some(kind)).count() as u64;
                    prop_assert_eq!(findings.now, [count(PresenceMismatch::Ghost), count(PresenceMismatch::Missing)]);
                    prop_assert_eq!((findings.episodes, findings.most), (model.episodes, model.most));
                }
            }
        }
    }
}
