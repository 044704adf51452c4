//! Forged markers, and how the ledger counts each, which docs/ledger.md sums up. Real users on a
//! paused clock, a server in memory.

use std::sync::Arc;
use std::time::Duration;

use crate::in_memory_server::InMemoryServer;
use soakrig::clock::Clock;
use soakrig::fleet::ramp::Fleet;
use soakrig::marker::{Decoded, GeneratorTag, Marker, PREFIX, RoomTag, RunTag, SEQ_LIMIT};
use soakrig::model::{Action, Anomaly, DeliveryCounts, DeliveryTerms, DropReason, Origin, Outcome, SenderId};
use soakrig::schedule::Intent;
use soakrig::user::RunContext;
use tokio::time::sleep;

const USERS: usize = 3;
const TERMS: DeliveryTerms = DeliveryTerms { deadline: Duration::from_secs(10), horizon: Duration::from_secs(60) };
/// The id of a user outside this run.
const OUTSIDER: u64 = 99;

fn id(user: u64) -> SenderId {
    SenderId::number(user)
}

struct Fixture {
    context: Arc<RunContext<InMemoryServer>>,
    server: InMemoryServer,
    /// Our chat, with its marker and its sender's id.
    sender: u64,
    text: Arc<str>,
    marker: Marker,
    _fleet: Fleet<InMemoryServer>,
}

impl Fixture {
    /// Three users, one of whom has sent a chat that all have received.
    async fn start() -> Self {
        let clock = Clock::start();
        let server = InMemoryServer::new(clock);
        let context = Arc::new(crate::in_memory_server::run_context(server.clone(), USERS, TERMS));
        let fleet = Fleet::new(Arc::clone(&context));
        fleet.first().await.unwrap();
        fleet.others(20.0).await;
        context.dispatch(Intent { action: Action::Chat, intended: clock.now() }, DropReason::Backpressure);
        sleep(Duration::from_secs(1)).await;
        let (sender, text) = server.last_chat().unwrap();
        let Decoded::Intact(marker) = Marker::decode(id(sender), &text) else { panic!("{text}") };
        let fixture = Self { context, server, sender, text, marker, _fleet: fleet };
        assert_eq!(fixture.tally(Origin::Local).outcomes[Outcome::OnTime as usize], USERS as u64);
        fixture
    }

    fn tally(&self, origin: Origin) -> DeliveryCounts {
        *self.context.ledger.lock().tally().origin(origin)
    }

    /// Lets this many seconds pass, each with its verdicts.
    async fn pass(&self, seconds: u32) {
        for _ in 0..seconds {
            sleep(Duration::from_secs(1)).await;
            self.context.sweep();
        }
    }

    /// All users receive this chat of `user`; returns the anomalies counted, local and remote.
    async fn receive(&self, user: u64, text: &str) -> [[u64; 4]; 2] {
        let anomalies = || [Origin::Local, Origin::Remote].map(|origin| self.tally(origin).anomalies);
        let before = anomalies();
        self.server.broadcast(user, text);
        sleep(Duration::from_secs(1)).await;
        let after = anomalies();
        let local = self.tally(Origin::Local);
        assert_eq!((local.expected, local.decided()), (USERS as u64, USERS as u64), "no forgery is expected or lost");
        std::array::from_fn(|i| std::array::from_fn(|j| after[i][j] - before[i][j]))
    }
}

const NONE: [u64; 4] = [0; 4];

/// This many of one anomaly.
fn each(anomaly: Anomaly) -> [u64; 4] {
    let mut counts = NONE;
    counts[anomaly as usize] = USERS as u64;
    counts
}

#[tokio::test(start_paused = true)]
async fn a_wrong_checksum_is_corrupt() {
    let fixture = Fixture::start().await;
    let damaged = format!("{}x", fixture.text);
    assert_eq!(fixture.receive(OUTSIDER, &damaged).await, [NONE, each(Anomaly::Corrupt)]);
    assert_eq!(fixture.receive(fixture.sender, &damaged).await, [each(Anomaly::Corrupt), NONE]);
    let run = fixture.text.split('-').nth(1).unwrap();
    let torn = format!("see {PREFIX}{run}-?");
    assert_eq!(fixture.receive(OUTSIDER, &torn).await, [NONE, each(Anomaly::Corrupt)], "its run is this one");
    assert_eq!(fixture.receive(OUTSIDER, "hello").await, [NONE, NONE], "no marker, not ours: only counted as a frame");
    assert_eq!(fixture.receive(fixture.sender, "hello").await, [each(Anomaly::Corrupt), NONE], "we mark all we say");
}

#[tokio::test(start_paused = true)]
async fn history_is_counted_as_frames_only() {
    let fixture = Fixture::start().await;
    let figures = || {
        let (local, remote) = (fixture.tally(Origin::Local), fixture.tally(Origin::Remote));
        (
            local.outcomes,
            local.anomalies,
            remote.expected,
            remote.anomalies,
            fixture.context.ledger.lock().tally().foreign,
        )
    };
    let before = figures();
    let unread = Marker { seq: fixture.marker.seq + 1, ..fixture.marker };
    let of_another = Marker { generator: GeneratorTag(77), ..fixture.marker };
    for text in
        [&*fixture.text, &unread.encode(id(OUTSIDER), "x"), &of_another.encode(id(OUTSIDER), "x"), "sr2-", "hello"]
    {
        fixture.server.replay(fixture.sender, text);
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(figures(), before);
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_marker_of_another_run_is_foreign() {
    let fixture = Fixture::start().await;
    let another = Marker { run: RunTag::of("another"), ..fixture.marker }.encode(id(OUTSIDER), "x");
    let said = ["sr2-", "sr2-|", "see sr2-1-2", "look at sr2-1f3ql3u-\u{2026}-| text"].map(str::to_owned);
    for text in said.into_iter().chain([format!("{another}y")]) {
        assert_eq!(fixture.receive(OUTSIDER, &text).await, [NONE, NONE], "{text}");
        assert_eq!(
            fixture.receive(fixture.sender, &text).await,
            [each(Anomaly::Corrupt), NONE],
            "{text}, from one of ours"
        );
    }
    assert_eq!(fixture.context.ledger.lock().tally().foreign, 5 * USERS as u64);
}

#[tokio::test(start_paused = true)]
async fn our_marker_from_another_sender_is_corrupt() {
    let fixture = Fixture::start().await;
    assert_eq!(fixture.receive(OUTSIDER, &fixture.text).await, [NONE, each(Anomaly::Corrupt)], "word for word");
    let reencoded = fixture.marker.encode(id(OUTSIDER), "mine");
    assert_eq!(
        fixture.receive(OUTSIDER, &reencoded).await,
        [NONE, each(Anomaly::Corrupt)],
        "with a checksum that fits"
    );
    let other = if fixture.sender == 1 { 2 } else { 1 };
    let by_another_of_ours = fixture.marker.encode(id(other), "mine");
    assert_eq!(fixture.receive(other, &by_another_of_ours).await, [each(Anomaly::Corrupt), NONE]);
}

#[tokio::test(start_paused = true)]
async fn our_chat_repeated_is_a_duplicate_and_later_unexpected() {
    let fixture = Fixture::start().await;
    assert_eq!(fixture.receive(fixture.sender, &fixture.text).await, [each(Anomaly::Duplicate), NONE]);
    fixture.pass(130).await;
    assert_eq!(fixture.context.ledger.lock().remembered(), 0);
    assert_eq!(fixture.receive(fixture.sender, &fixture.text).await, [each(Anomaly::Unexpected), NONE]);
}

#[tokio::test(start_paused = true)]
async fn a_sequence_number_never_issued_is_corrupt() {
    let fixture = Fixture::start().await;
    for seq in [fixture.marker.seq + 1, SEQ_LIMIT - 1] {
        let text = Marker { seq, ..fixture.marker }.encode(id(fixture.sender), "from the future");
        assert_eq!(fixture.receive(fixture.sender, &text).await, [each(Anomaly::Corrupt), NONE]);
        let text = Marker { seq, ..fixture.marker }.encode(id(OUTSIDER), "from the future");
        assert_eq!(fixture.receive(OUTSIDER, &text).await, [NONE, each(Anomaly::Corrupt)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_marker_of_another_generator_is_tracked_as_remote() {
    let fixture = Fixture::start().await;
    let other = |seq| Marker { generator: GeneratorTag(7), seq, ..fixture.marker };
    assert_eq!(fixture.receive(OUTSIDER, &other(10).encode(id(OUTSIDER), "a")).await, [NONE, NONE]);
    assert_eq!(fixture.receive(OUTSIDER, &other(12).encode(id(OUTSIDER), "c")).await, [NONE, NONE]);
    let remote = fixture.tally(Origin::Remote);
    assert_eq!((remote.expected, remote.outcomes[Outcome::OnTime as usize]), (6, 6));
    fixture.pass(70).await;
    let remote = fixture.tally(Origin::Remote);
    assert_eq!(remote.outcomes[Outcome::Lost as usize], 3, "the number between the two was missed by all three");
}

#[tokio::test(start_paused = true)]
async fn a_marker_of_another_run_or_time_or_version_is_foreign() {
    let fixture = Fixture::start().await;
    let own = fixture.marker;
    let before = own.intended_micros - 3_600_000_000;
    for foreign in [
        Marker { run: RunTag::of("another"), ..own },
        Marker { run: RunTag::of("another"), room: RoomTag::of("another"), generator: GeneratorTag(7), seq: 10, ..own },
        Marker { generator: GeneratorTag(7), seq: 12, intended_micros: before, ..own },
        Marker { generator: GeneratorTag(7), room: RoomTag::of("another"), intended_micros: before, ..own },
    ] {
        assert_eq!(fixture.receive(OUTSIDER, &foreign.encode(id(OUTSIDER), "x")).await, [NONE, NONE], "{foreign:?}");
    }
    // As version 0.1 wrote it, even from one of our users.
    for from in [OUTSIDER, fixture.sender] {
        assert_eq!(fixture.receive(from, "sr1-1z141wg-7-3-hcumlsa-1mr04bt|hello").await, [NONE, NONE]);
    }
    fixture.pass(70).await;
    let remote = fixture.tally(Origin::Remote);
    assert_eq!((remote.expected, remote.raced, remote.anomalies), (0, 0, NONE));
    let ledger = fixture.context.ledger.lock();
    assert_eq!((ledger.tally().foreign, ledger.clock_offset()), (6 * USERS as u64, None));
}

#[tokio::test(start_paused = true)]
async fn a_marker_of_another_room_of_this_run_is_unexpected() {
    let fixture = Fixture::start().await;
    let leaked = Marker { room: RoomTag::of("another"), ..fixture.marker };
    let own = leaked.encode(id(fixture.sender), "x");
    assert_eq!(fixture.receive(fixture.sender, &own).await, [each(Anomaly::Unexpected), NONE], "of this generator");
    let others = Marker { generator: GeneratorTag(7), ..leaked }.encode(id(OUTSIDER), "x");
    assert_eq!(fixture.receive(OUTSIDER, &others).await, [NONE, each(Anomaly::Unexpected)], "of another generator");
    fixture.pass(70).await;
    let remote = fixture.tally(Origin::Remote);
    assert_eq!((remote.expected, fixture.context.ledger.lock().tally().foreign), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn forged_numbers_of_a_thousand_generators_take_little_memory() {
    let fixture = Fixture::start().await;
    let before = resident();
    for generator in 2..1_002 {
        for seq in [0, 60_000] {
            let marker =
                Marker { generator: GeneratorTag(generator), seq, intended_micros: u64::MAX, ..fixture.marker };
            fixture.server.broadcast(OUTSIDER, &marker.encode(id(OUTSIDER), "x"));
        }
    }
    sleep(Duration::from_secs(1)).await;
    let (local, remote) = (fixture.tally(Origin::Local), fixture.tally(Origin::Remote));
    assert_eq!(local.anomalies, NONE);
    // Sixty-four generators are followed; chats of the others are not judged. Where a log had to
    // restart, one user may still receive a number from before.
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
