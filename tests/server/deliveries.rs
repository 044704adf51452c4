//! The embedded target's faults of deliveries: what listeners saw must be exactly what was injected.

use std::collections::BTreeMap;

use crate::target_client::{Line, Person, until};
use serde_json::Value;
use soakrig::server::{
    ChatFaults, Faults, Frequency, Injection, Options, PresenceMode, Scope, Server, ServerCounts, serve,
};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

const LISTENERS: usize = 9;
const SENDERS: usize = 3;
const CHATS: usize = 300;

/// What one listener saw of one sender, number by number.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    intact: u64,
    duplicate: u64,
    reordered: u64,
    corrupt: u64,
    malformed: u64,
}

/// Reads to the end and keeps every text.
fn listen(mut line: Line) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut texts = Vec::new();
        while let Some(Ok(message)) = line.next().await {
            if let Message::Text(text) = message {
                texts.push(text.to_string());
            }
        }
        texts
    })
}

fn text(sender: usize, number: usize) -> String {
    format!("sr2-a-{sender}-{number}-x|the quick brown fox {number} of {sender}")
}

/// Sender and number of an intact chat.
fn intact(message: &str) -> Option<(usize, usize)> {
    let mut fields = message.strip_prefix("sr2-a-")?.split('-');
    let (sender, number) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (message == text(sender, number)).then_some((sender, number))
}

fn judge(texts: &[String], seen: &mut Seen) {
    let mut counts: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    let mut highest: BTreeMap<usize, usize> = BTreeMap::new();
    for text in texts {
        let Ok(frame) = serde_json::from_str::<Value>(text) else {
            assert!(text.contains("sr2-"), "{text}");
            seen.malformed += 1;
            continue;
        };
        if frame["type"] != "chat" {
            continue;
        }
        let message = frame["payload"]["message"].as_str().unwrap();
        let Some((sender, number)) = intact(message) else {
            assert!(message.starts_with("sr2-"), "{message}");
            seen.corrupt += 1;
            continue;
        };
        let times = counts.entry((sender, number)).or_default();
        *times += 1;
        if *times > 1 {
            seen.duplicate += 1;
            continue;
        }
        seen.intact += 1;
        let highest = highest.entry(sender).or_default();
        if number < *highest {
            seen.reordered += 1;
        }
        *highest = number.max(*highest);
    }
}

/// Runs chats through a target with these faults.
async fn run(chat: ChatFaults) -> (Seen, ServerCounts, Vec<Injection>) {
    let faults = Faults { seed: 11, chat, ..Faults::default() };
    let target = serve(Options { presence: PresenceMode::Off, faults, ..Options::default() }).await.unwrap();
    let mut listeners = Vec::new();
    for n in 0..LISTENERS {
        let person = Person::signed_up(target.addr(), &format!("listener{n}")).await;
        listeners.push(listen(person.enter("/event/test/").await.0));
    }
    // The senders are in the room too, and read what came when all is said.
    let mut lines = Vec::new();
    for n in 0..SENDERS {
        let person = Person::signed_up(target.addr(), &format!("sender{n}")).await;
        lines.push(person.enter("/event/test/").await.0);
    }
    for number in 1..=CHATS {
        for (sender, line) in lines.iter_mut().enumerate() {
            line.chat(&text(sender, number)).await;
        }
    }
    listeners.extend(lines.into_iter().map(listen));
    until("all chats are taken in", || target.counts().received.chats == (CHATS * SENDERS) as u64).await;
    // The page is asked for behind all chats, so when it comes they are on their way.
    Person::signed_up(target.addr(), "visitor").await.get("/event/test/").await;
    until("nothing is held back", || nothing_is_held(&target)).await;
    let injections = target.injections(0);
    let counts = target.stop().await;
    let mut seen = Seen::default();
    for listener in listeners {
        judge(&listener.await.unwrap(), &mut seen);
    }
    (seen, counts, injections)
}

fn nothing_is_held(target: &Server) -> bool {
    let held = ["delay", "reorder"];
    target.injections(0).iter().filter(|it| held.contains(&it.fault.as_str())).all(|it| it.written.is_some())
}

fn dose(text: &str) -> Frequency {
    text.parse().unwrap()
}

const EXPECTED: u64 = (CHATS * SENDERS * (LISTENERS + SENDERS)) as u64;

#[tokio::test]
async fn without_faults_everything_arrives_once_and_in_order() {
    let (seen, counts, injections) = run(ChatFaults::default()).await;
    assert_eq!(seen, Seen { intact: EXPECTED, ..Seen::default() });
    assert_eq!((counts.sent.chats_due, counts.sent.chats_written), (EXPECTED, EXPECTED));
    assert!(injections.is_empty() && counts.injected.values().all(|count| *count == 0));
}

#[tokio::test]
async fn drops_are_exactly_what_is_missing() {
    let (seen, counts, injections) = run(ChatFaults { drop: dose("1%"), ..ChatFaults::default() }).await;
    let dropped = counts.injected["drop"];
    assert!(dropped > 40, "{dropped}");
    assert_eq!(seen, Seen { intact: EXPECTED - dropped, ..Seen::default() });
    assert_eq!(injections.len() as u64, dropped);
    assert_eq!(counts.sent.chats_written, EXPECTED - dropped);
}

#[tokio::test]
async fn every_nth_is_every_nth() {
    let (seen, counts, _) = run(ChatFaults { duplicate: dose("every:100"), ..ChatFaults::default() }).await;
    assert_eq!(counts.injected["duplicate"], EXPECTED / 100);
    assert_eq!(seen, Seen { intact: EXPECTED, duplicate: EXPECTED / 100, ..Seen::default() });
}

#[tokio::test]
async fn reorders_are_true_ones() {
    let reorder_wait = std::time::Duration::from_millis(300);
    let (seen, counts, injections) =
        run(ChatFaults { reorder: dose("2%"), reorder_wait, ..ChatFaults::default() }).await;
    let reordered = counts.injected["reorder"];
    assert!(reordered > 40, "{reordered}");
    assert_eq!(seen, Seen { intact: EXPECTED, reordered, ..Seen::default() });
    assert_eq!(injections.iter().filter(|it| it.overtaken).count() as u64, reordered);
    assert_eq!(injections.len() as u64, reordered + counts.injected["reorder_missed"]);
}

#[tokio::test]
async fn delays_come_late_and_say_whether_they_were_overtaken() {
    let (delay_min, delay_max) = (std::time::Duration::from_millis(5), std::time::Duration::from_millis(400));
    let chat = ChatFaults { delay: dose("1%"), delay_min, delay_max, ..ChatFaults::default() };
    let (seen, counts, injections) = run(chat).await;
    assert!(counts.injected["delay"] > 40);
    assert_eq!(seen, Seen { intact: EXPECTED, reordered: counts.injected["overtaken"], ..Seen::default() });
    for it in injections {
        let late = it.written.unwrap() - it.at;
        assert!(late >= it.delay_ms * 1000 && (5..=400).contains(&it.delay_ms), "{it:?}");
    }
}

/// Sends `number` from every sender under these faults; returns when the plenary has sent it on.
async fn say_under(target: &Server, visitor: &mut Person, lines: &mut [Line], number: usize, chat: ChatFaults) {
    target.set_faults(Faults { chat, ..Faults::default() }).unwrap();
    for (sender, line) in lines.iter_mut().enumerate() {
        line.chat(&text(sender, number)).await;
    }
    until("the chats are taken in", || target.counts().received.chats == (number * lines.len()) as u64).await;
    // The page is asked for behind them, so when it comes they are on their way.
    visitor.get("/event/test/").await;
}

fn all_written(target: &Server, fault: &str) -> bool {
    target.injections(0).iter().filter(|it| it.fault == fault).all(|it| it.written.is_some())
}

/// Nothing intact is sent here: what is overtaken is overtaken by a delivery that was held itself.
#[tokio::test]
async fn a_held_delivery_overtakes_when_it_is_released() {
    let target = serve(Options { presence: PresenceMode::Off, ..Options::default() }).await.unwrap();
    let mut lines = Vec::new();
    for n in 0..SENDERS {
        let person = Person::signed_up(target.addr(), &format!("sender{n}")).await;
        lines.push(person.enter("/event/test/").await.0);
    }
    let mut visitor = Person::signed_up(target.addr(), "visitor").await;
    let held_for = std::time::Duration::from_millis;
    let delay =
        |ms| ChatFaults { delay: dose("1"), delay_min: held_for(ms), delay_max: held_for(ms), ..Default::default() };
    let reorder = |ms| ChatFaults { reorder: dose("1"), reorder_wait: held_for(ms), ..Default::default() };
    let overtaken = |target: &Server| target.injections(0).iter().filter(|it| it.overtaken).count() as u64;
    let (each, mut number) = ((SENDERS * SENDERS) as u64, 0);
    // A reordering that waits in vain overtakes a longer delay; again where the machine was too
    // slow to release it within that delay.
    while target.counts().injected["reorder_missed"] < 3 * each || overtaken(&target) == 0 {
        assert!(number < 100, "no delay outlasted a reordering");
        say_under(&target, &mut visitor, &mut lines, number + 1, delay(2_000)).await;
        say_under(&target, &mut visitor, &mut lines, number + 2, reorder(10)).await;
        number += 2;
        until("the reorderings waited in vain", || all_written(&target, "reorder")).await;
    }
    until("the delays are over", || all_written(&target, "delay")).await;
    let overtaken_delays = target.counts().injected["overtaken"];
    assert_eq!((overtaken(&target), target.counts().injected["reorder"]), (overtaken_delays, 0));
    // A delay that ends is what a reordering waits for.
    say_under(&target, &mut visitor, &mut lines, number + 1, reorder(3_600_000)).await;
    say_under(&target, &mut visitor, &mut lines, number + 2, delay(10)).await;
    until("the delays free the reorderings", || target.counts().injected["reorder"] == each).await;
    let expected = (number as u64 + 2) * each;
    let listeners: Vec<_> = lines.into_iter().map(listen).collect();
    target.stop().await;
    let mut seen = Seen::default();
    for listener in listeners {
        judge(&listener.await.unwrap(), &mut seen);
    }
    assert_eq!(seen, Seen { intact: expected, reordered: overtaken_delays + each, ..Seen::default() });
}

#[tokio::test]
async fn damage_is_seen_as_damage() {
    let chat = ChatFaults {
        corrupt_bytes: dose("1%"),
        corrupt_json: dose("1%"),
        corrupt_marker: dose("1%"),
        ..ChatFaults::default()
    };
    let (seen, counts, _) = run(chat).await;
    let (corrupt, malformed) =
        (counts.injected["corrupt_bytes"] + counts.injected["corrupt_marker"], counts.injected["corrupt_json"]);
    assert!(corrupt > 80 && malformed > 40);
    assert_eq!(seen, Seen { intact: EXPECTED - corrupt - malformed, corrupt, malformed, ..Seen::default() });
}

#[tokio::test]
async fn a_mixture_is_as_exact() {
    let ms = std::time::Duration::from_millis;
    let chat = ChatFaults {
        drop: dose("1%"),
        corrupt_bytes: dose("every:97"),
        corrupt_json: dose("0.5%"),
        reorder: dose("1%"),
        delay: dose("2%"),
        duplicate: dose("every:53"),
        fragment: dose("5%"),
        delay_min: ms(1),
        delay_max: ms(300),
        reorder_wait: ms(500),
        ..ChatFaults::default()
    };
    let (seen, counts, _) = run(chat).await;
    let count = |fault: &str| counts.injected[fault];
    let damaged = count("corrupt_bytes") + count("corrupt_json");
    assert!(count("fragment") > 40);
    assert_eq!(
        seen,
        Seen {
            intact: EXPECTED - count("drop") - damaged,
            duplicate: count("duplicate"),
            reordered: count("reorder") + count("overtaken"),
            corrupt: count("corrupt_bytes"),
            malformed: count("corrupt_json"),
        }
    );
}

#[tokio::test]
async fn a_message_can_be_struck_as_a_whole() {
    let chat = ChatFaults { drop: dose("every:10"), scope: Scope::Message, ..ChatFaults::default() };
    let (seen, counts, injections) = run(chat).await;
    assert_eq!((counts.injected["drop"], seen.intact), (EXPECTED / 10, EXPECTED * 9 / 10));
    let chats: std::collections::BTreeSet<u64> = injections.iter().map(|it| it.chat).collect();
    assert_eq!(chats.len(), CHATS * SENDERS / 10);
}

#[tokio::test]
async fn the_same_seed_strikes_the_same_deliveries() {
    let knobs = || ChatFaults { drop: dose("every:7"), ..ChatFaults::default() };
    let strikes = |injections: Vec<Injection>| -> Vec<(u64, u64)> {
        injections.iter().map(|it| (it.chat, it.connection)).collect()
    };
    let (one, two) = (strikes(run(knobs()).await.2), strikes(run(knobs()).await.2));
    assert_eq!(one, two);
}

#[tokio::test]
async fn young_connections_are_spared() {
    let min_age = std::time::Duration::from_secs(3600);
    let (seen, counts, _) = run(ChatFaults { drop: dose("1"), min_age, ..ChatFaults::default() }).await;
    assert_eq!((seen.intact, counts.injected["drop"]), (EXPECTED, 0));
}
