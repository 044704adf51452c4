//! Markers that other people's chats forge, and what the ledger makes of each: the table in
//! docs/ledger.md, row by row. A real crowd on a paused clock, a server in memory.

use std::sync::Arc;
use std::time::Duration;

use crate::hall::Hall;
use soakrig::clock::Clock;
use soakrig::fleet::ramp::Fleet;
use soakrig::ledger::{OriginTally, Terms};
use soakrig::marker::{Decoded, GeneratorTag, Marker, PREFIX, RoomTag, RunTag, SEQ_LIMIT};
use soakrig::model::{Action, Anomaly, DropReason, Origin, Outcome, SenderId};
use soakrig::schedule::Intent;
use soakrig::user::RunContext;
use tokio::time::sleep;

const USERS: usize = 3;
const TERMS: Terms = Terms { deadline: Duration::from_secs(10), horizon: Duration::from_secs(60) };
/// The id of somebody who is none of ours.
const STRANGER: u64 = 99;

fn id(user: u64) -> SenderId {
    SenderId::number(user)
}

struct Room {
    world: Arc<RunContext<Hall>>,
    hall: Hall,
    /// What we said, with its marker and its sender's id.
    sender: u64,
    text: Arc<str>,
    marker: Marker,
    _fleet: Fleet<Hall>,
}

impl Room {
    /// Three users, one of whom has said something that all have read.
    async fn open() -> Self {
        let clock = Clock::start();
        let hall = Hall::open(clock);
        let world = Arc::new(crate::hall::world(hall.clone(), USERS, TERMS));
        let fleet = Fleet::new(Arc::clone(&world));
        fleet.first().await.unwrap();
        fleet.others(20.0).await;
        world.dispatch(Intent { action: Action::Chat, intended: clock.now() }, DropReason::Backpressure);
        sleep(Duration::from_secs(1)).await;
        let (sender, text) = hall.last().unwrap();
        let Decoded::Intact(marker) = Marker::decode(id(sender), &text) else { panic!("{text}") };
        let room = Self { world, hall, sender, text, marker, _fleet: fleet };
        assert_eq!(room.tally(Origin::Local).outcomes[Outcome::OnTime as usize], USERS as u64);
        room
    }

    fn tally(&self, origin: Origin) -> OriginTally {
        self.world.ledger.lock().tally().origin(origin).clone()
    }

    /// So many seconds go by, each with its verdicts.
    async fn pass(&self, seconds: u32) {
        for _ in 0..seconds {
            sleep(Duration::from_secs(1)).await;
            self.world.sweep();
        }
    }

    /// Everybody reads this chat of `user`; the anomalies that it made, local and remote.
    async fn hears(&self, user: u64, text: &str) -> [[u64; 4]; 2] {
        let anomalies = || [Origin::Local, Origin::Remote].map(|origin| self.tally(origin).anomalies);
        let before = anomalies();
        self.hall.say(user, text);
        sleep(Duration::from_secs(1)).await;
        let after = anomalies();
        let local = self.tally(Origin::Local);
        assert_eq!((local.expected, local.decided()), (USERS as u64, USERS as u64), "no forgery is expected or lost");
        std::array::from_fn(|i| std::array::from_fn(|j| after[i][j] - before[i][j]))
    }
}

const NONE: [u64; 4] = [0; 4];

/// So many of one anomaly.
fn each(anomaly: Anomaly) -> [u64; 4] {
    let mut counts = NONE;
    counts[anomaly as usize] = USERS as u64;
    counts
}

#[tokio::test(start_paused = true)]
async fn a_checksum_that_does_not_fit_is_corrupt() {
    let room = Room::open().await;
    let damaged = format!("{}x", room.text);
    assert_eq!(room.hears(STRANGER, &damaged).await, [NONE, each(Anomaly::Corrupt)]);
    assert_eq!(room.hears(room.sender, &damaged).await, [each(Anomaly::Corrupt), NONE]);
    let run = room.text.split('-').nth(1).unwrap();
    let torn = format!("see {PREFIX}{run}-?");
    assert_eq!(room.hears(STRANGER, &torn).await, [NONE, each(Anomaly::Corrupt)], "its run is this one");
    assert_eq!(room.hears(STRANGER, "hello").await, [NONE, NONE], "no marker, not ours: only counted as a frame");
    assert_eq!(room.hears(room.sender, "hello").await, [each(Anomaly::Corrupt), NONE], "we mark all we say");
}

#[tokio::test(start_paused = true)]
async fn history_is_counted_as_frames_and_as_nothing_else() {
    let room = Room::open().await;
    let figures = || {
        let (local, remote) = (room.tally(Origin::Local), room.tally(Origin::Remote));
        (local.outcomes, local.anomalies, remote.expected, remote.anomalies, room.world.ledger.lock().tally().foreign)
    };
    let before = figures();
    let unread = Marker { seq: room.marker.seq + 1, ..room.marker };
    let of_another = Marker { generator: GeneratorTag(77), ..room.marker };
    for text in [&*room.text, &unread.encode(id(STRANGER), "x"), &of_another.encode(id(STRANGER), "x"), "sr2-", "hello"]
    {
        room.hall.replay(room.sender, text);
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(figures(), before);
}

#[tokio::test(start_paused = true)]
async fn damage_of_other_people_is_foreign() {
    let room = Room::open().await;
    let another = Marker { run: RunTag::of("another"), ..room.marker }.encode(id(STRANGER), "x");
    let said = ["sr2-", "sr2-|", "see sr2-1-2", "look at sr2-1f3ql3u-\u{2026}-| text"].map(str::to_owned);
    for text in said.into_iter().chain([format!("{another}y")]) {
        assert_eq!(room.hears(STRANGER, &text).await, [NONE, NONE], "{text}");
        assert_eq!(room.hears(room.sender, &text).await, [each(Anomaly::Corrupt), NONE], "{text}, from one of ours");
    }
    assert_eq!(room.world.ledger.lock().tally().foreign, 5 * USERS as u64);
}

#[tokio::test(start_paused = true)]
async fn a_chat_of_ours_from_somebody_else_is_corrupt() {
    let room = Room::open().await;
    assert_eq!(room.hears(STRANGER, &room.text).await, [NONE, each(Anomaly::Corrupt)], "word for word");
    let signed_anew = room.marker.encode(id(STRANGER), "mine");
    assert_eq!(room.hears(STRANGER, &signed_anew).await, [NONE, each(Anomaly::Corrupt)], "with a checksum that fits");
    let other = if room.sender == 1 { 2 } else { 1 };
    let by_another_of_ours = room.marker.encode(id(other), "mine");
    assert_eq!(room.hears(other, &by_another_of_ours).await, [each(Anomaly::Corrupt), NONE]);
}

#[tokio::test(start_paused = true)]
async fn a_chat_of_ours_once_more_is_a_duplicate_and_later_unexpected() {
    let room = Room::open().await;
    assert_eq!(room.hears(room.sender, &room.text).await, [each(Anomaly::Duplicate), NONE]);
    room.pass(130).await;
    assert_eq!(room.world.ledger.lock().remembered(), 0);
    assert_eq!(room.hears(room.sender, &room.text).await, [each(Anomaly::Unexpected), NONE]);
}

#[tokio::test(start_paused = true)]
async fn a_number_that_was_never_given_out_is_corrupt() {
    let room = Room::open().await;
    for seq in [room.marker.seq + 1, SEQ_LIMIT - 1] {
        let text = Marker { seq, ..room.marker }.encode(id(room.sender), "from the future");
        assert_eq!(room.hears(room.sender, &text).await, [each(Anomaly::Corrupt), NONE]);
        let text = Marker { seq, ..room.marker }.encode(id(STRANGER), "from the future");
        assert_eq!(room.hears(STRANGER, &text).await, [NONE, each(Anomaly::Corrupt)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_marker_of_another_generator_is_followed_as_such() {
    let room = Room::open().await;
    let other = |seq| Marker { generator: GeneratorTag(7), seq, ..room.marker };
    assert_eq!(room.hears(STRANGER, &other(10).encode(id(STRANGER), "a")).await, [NONE, NONE]);
    assert_eq!(room.hears(STRANGER, &other(12).encode(id(STRANGER), "c")).await, [NONE, NONE]);
    let remote = room.tally(Origin::Remote);
    assert_eq!((remote.expected, remote.outcomes[Outcome::OnTime as usize]), (6, 6));
    room.pass(70).await;
    let remote = room.tally(Origin::Remote);
    assert_eq!(remote.outcomes[Outcome::Lost as usize], 3, "the number between the two was missed by all three");
}

#[tokio::test(start_paused = true)]
async fn a_marker_of_another_run_or_time_or_version_is_foreign() {
    let room = Room::open().await;
    let own = room.marker;
    let before = own.intended_micros - 3_600_000_000;
    for foreign in [
        Marker { run: RunTag::of("another"), ..own },
        Marker { run: RunTag::of("another"), room: RoomTag::of("another"), generator: GeneratorTag(7), seq: 10, ..own },
        Marker { generator: GeneratorTag(7), seq: 12, intended_micros: before, ..own },
        Marker { generator: GeneratorTag(7), room: RoomTag::of("another"), intended_micros: before, ..own },
    ] {
        assert_eq!(room.hears(STRANGER, &foreign.encode(id(STRANGER), "x")).await, [NONE, NONE], "{foreign:?}");
    }
    // As version 0.1 wrote it, be it from one of our users.
    for from in [STRANGER, room.sender] {
        assert_eq!(room.hears(from, "sr1-1z141wg-7-3-hcumlsa-1mr04bt|hello").await, [NONE, NONE]);
    }
    room.pass(70).await;
    let remote = room.tally(Origin::Remote);
    assert_eq!((remote.expected, remote.raced, remote.anomalies), (0, 0, NONE));
    let ledger = room.world.ledger.lock();
    assert_eq!((ledger.tally().foreign, ledger.clock_offset()), (6 * USERS as u64, None));
}

#[tokio::test(start_paused = true)]
async fn a_marker_of_another_room_of_this_run_is_unexpected() {
    let room = Room::open().await;
    let leaked = Marker { room: RoomTag::of("another"), ..room.marker };
    let own = leaked.encode(id(room.sender), "x");
    assert_eq!(room.hears(room.sender, &own).await, [each(Anomaly::Unexpected), NONE], "of this generator");
    let others = Marker { generator: GeneratorTag(7), ..leaked }.encode(id(STRANGER), "x");
    assert_eq!(room.hears(STRANGER, &others).await, [NONE, each(Anomaly::Unexpected)], "of another generator");
    room.pass(70).await;
    let remote = room.tally(Origin::Remote);
    assert_eq!((remote.expected, room.world.ledger.lock().tally().foreign), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn forged_numbers_of_a_thousand_generators_take_little_memory() {
    let room = Room::open().await;
    let before = resident();
    for generator in 2..1_002 {
        for seq in [0, 60_000] {
            let marker = Marker { generator: GeneratorTag(generator), seq, intended_micros: u64::MAX, ..room.marker };
            room.hall.say(STRANGER, &marker.encode(id(STRANGER), "x"));
        }
    }
    sleep(Duration::from_secs(1)).await;
    let (local, remote) = (room.tally(Origin::Local), room.tally(Origin::Remote));
    assert_eq!(local.anomalies, NONE);
    // Sixty-four generators are followed; what the others say is not judged. Where a book had to
    // start anew, one user may still read a number from before.
    let read = remote.outcomes[Outcome::OnTime as usize] + remote.outcomes[Outcome::Late as usize];
    let unexpected = remote.anomalies[Anomaly::Unexpected as usize];
    assert_eq!((read, remote.anomalies.iter().sum::<u64>()), (remote.expected, unexpected));
    assert_eq!(read + unexpected, 64 * 2 * USERS as u64);
    let grown = resident().saturating_sub(before);
    assert!(grown < 100 << 20, "{} MiB for 64 generators of 60,000 numbers", grown >> 20);
}

/// Resident bytes of this process.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
