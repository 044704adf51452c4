//! The embedded server's delivery faults: what clients received must be exactly what was injected.

use std::collections::BTreeMap;

use crate::client::{Client, WebSocket, wait_until};
use serde_json::Value;
use soakrig::server::{
    ChatFaults, Faults, Frequency, Injection, Options, PresenceMode, Scope, Server, ServerCounts, serve,
};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

const LISTENERS: usize = 9;
const SENDERS: usize = 3;
const CHATS: usize = 300;

/// What the clients received.
#[derive(Debug, Default, PartialEq, Eq)]
struct Received {
    intact: u64,
    duplicate: u64,
    reordered: u64,
    corrupt: u64,
    malformed: u64,
}

/// Reads to the end and returns every text.
fn collect_texts(mut socket: WebSocket) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut texts = Vec::new();
        while let Some(Ok(message)) = socket.next().await {
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

fn tally(texts: &[String], received: &mut Received) {
    let mut counts: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    let mut highest: BTreeMap<usize, usize> = BTreeMap::new();
    for text in texts {
        let Ok(frame) = serde_json::from_str::<Value>(text) else {
            assert!(text.contains("sr2-"), "{text}");
            received.malformed += 1;
            continue;
        };
        if frame["type"] != "chat" {
            continue;
        }
        let message = frame["payload"]["message"].as_str().unwrap();
        let Some((sender, number)) = intact(message) else {
            assert!(message.starts_with("sr2-"), "{message}");
            received.corrupt += 1;
            continue;
        };
        let times = counts.entry((sender, number)).or_default();
        *times += 1;
        if *times > 1 {
            received.duplicate += 1;
            continue;
        }
        received.intact += 1;
        let highest = highest.entry(sender).or_default();
        if number < *highest {
            received.reordered += 1;
        }
        *highest = number.max(*highest);
    }
}

/// Sends chats through a server with these faults.
async fn run(chat: ChatFaults) -> (Received, ServerCounts, Vec<Injection>) {
    let faults = Faults { seed: 11, chat, ..Faults::default() };
    let server = serve(Options { presence: PresenceMode::Off, faults, ..Options::default() }).await.unwrap();
    let mut listeners = Vec::new();
    for n in 0..LISTENERS {
        let client = Client::signed_up(server.addr(), &format!("listener{n}")).await;
        listeners.push(collect_texts(client.join("/event/test/").await.0));
    }
    // The senders are in the plenary, too, and read once all chats are sent.
    let mut sockets = Vec::new();
    for n in 0..SENDERS {
        let client = Client::signed_up(server.addr(), &format!("sender{n}")).await;
        sockets.push(client.join("/event/test/").await.0);
    }
    for number in 1..=CHATS {
        for (sender, socket) in sockets.iter_mut().enumerate() {
            socket.chat(&text(sender, number)).await;
        }
    }
    listeners.extend(sockets.into_iter().map(collect_texts));
    wait_until("all chats are received", || server.counts().received.chats == (CHATS * SENDERS) as u64).await;
    // The page is requested after all chats, so when it comes they have been broadcast.
    Client::signed_up(server.addr(), "visitor").await.get("/event/test/").await;
    wait_until("nothing is delayed any more", || nothing_is_delayed(&server)).await;
    let injections = server.injections(0);
    let counts = server.stop().await;
    let mut received = Received::default();
    for listener in listeners {
        tally(&listener.await.unwrap(), &mut received);
    }
    (received, counts, injections)
}

fn nothing_is_delayed(server: &Server) -> bool {
    let delaying = ["delay", "reorder"];
    server.injections(0).iter().filter(|it| delaying.contains(&it.fault.as_str())).all(|it| it.written.is_some())
}

fn frequency(text: &str) -> Frequency {
    text.parse().unwrap()
}

const EXPECTED: u64 = (CHATS * SENDERS * (LISTENERS + SENDERS)) as u64;

#[tokio::test]
async fn without_faults_every_delivery_arrives_once_and_in_order() {
    let (received, counts, injections) = run(ChatFaults::default()).await;
    assert_eq!(received, Received { intact: EXPECTED, ..Received::default() });
    assert_eq!((counts.sent.chats_due, counts.sent.chats_written), (EXPECTED, EXPECTED));
    assert!(injections.is_empty() && counts.injected.values().all(|count| *count == 0));
}

#[tokio::test]
async fn dropped_deliveries_are_exactly_those_missing() {
    let (received, counts, injections) = run(ChatFaults { drop: frequency("1%"), ..ChatFaults::default() }).await;
    let dropped = counts.injected["drop"];
    assert!(dropped > 40, "{dropped}");
    assert_eq!(received, Received { intact: EXPECTED - dropped, ..Received::default() });
    assert_eq!(injections.len() as u64, dropped);
    assert_eq!(counts.sent.chats_written, EXPECTED - dropped);
}

#[tokio::test]
async fn a_fault_of_every_nth_fires_at_every_nth_delivery() {
    let (received, counts, _) = run(ChatFaults { duplicate: frequency("every:100"), ..ChatFaults::default() }).await;
    assert_eq!(counts.injected["duplicate"], EXPECTED / 100);
    assert_eq!(received, Received { intact: EXPECTED, duplicate: EXPECTED / 100, ..Received::default() });
}

#[tokio::test]
async fn each_counted_reordering_was_received_out_of_order() {
    let reorder_wait = std::time::Duration::from_millis(300);
    let (received, counts, injections) =
        run(ChatFaults { reorder: frequency("2%"), reorder_wait, ..ChatFaults::default() }).await;
    let reordered = counts.injected["reorder"];
    assert!(reordered > 40, "{reordered}");
    assert_eq!(received, Received { intact: EXPECTED, reordered, ..Received::default() });
    assert_eq!(injections.iter().filter(|it| it.overtaken).count() as u64, reordered);
    assert_eq!(injections.len() as u64, reordered + counts.injected["reorder_missed"]);
}

#[tokio::test]
async fn delayed_deliveries_are_late_and_marked_where_overtaken() {
    let (delay_min, delay_max) = (std::time::Duration::from_millis(5), std::time::Duration::from_millis(400));
    let chat = ChatFaults { delay: frequency("1%"), delay_min, delay_max, ..ChatFaults::default() };
    let (received, counts, injections) = run(chat).await;
    assert!(counts.injected["delay"] > 40);
    assert_eq!(received, Received { intact: EXPECTED, reordered: counts.injected["overtaken"], ..Received::default() });
    for it in injections {
        let late = it.written.unwrap() - it.at;
        assert!(late >= it.delay_ms * 1000 && (5..=400).contains(&it.delay_ms), "{it:?}");
    }
}

/// Sends `number` from every sender under these faults; returns when the plenary has broadcast it.
async fn send_under(server: &Server, visitor: &mut Client, sockets: &mut [WebSocket], number: usize, chat: ChatFaults) {
    server.set_faults(Faults { chat, ..Faults::default() }).unwrap();
    for (sender, socket) in sockets.iter_mut().enumerate() {
        socket.chat(&text(sender, number)).await;
    }
    wait_until("the chats are received", || server.counts().received.chats == (number * sockets.len()) as u64).await;
    // The page is requested after them, so when it comes they have been broadcast.
    visitor.get("/event/test/").await;
}

fn all_written(server: &Server, fault: &str) -> bool {
    server.injections(0).iter().filter(|it| it.fault == fault).all(|it| it.written.is_some())
}

/// Nothing intact is sent here: only deliveries that were delayed themselves can overtake.
#[tokio::test]
async fn a_delayed_delivery_overtakes_others_when_it_is_released() {
    let server = serve(Options { presence: PresenceMode::Off, ..Options::default() }).await.unwrap();
    let mut sockets = Vec::new();
    for n in 0..SENDERS {
        let client = Client::signed_up(server.addr(), &format!("sender{n}")).await;
        sockets.push(client.join("/event/test/").await.0);
    }
    let mut visitor = Client::signed_up(server.addr(), "visitor").await;
    let millis = std::time::Duration::from_millis;
    let delay =
        |ms| ChatFaults { delay: frequency("1"), delay_min: millis(ms), delay_max: millis(ms), ..Default::default() };
    let reorder = |ms| ChatFaults { reorder: frequency("1"), reorder_wait: millis(ms), ..Default::default() };
    let overtaken = |server: &Server| server.injections(0).iter().filter(|it| it.overtaken).count() as u64;
    let (each, mut number) = ((SENDERS * SENDERS) as u64, 0);
    // A reordering that waits in vain overtakes a longer delay; try again if the machine was too
    // slow to release it within that delay.
    while server.counts().injected["reorder_missed"] < 3 * each || overtaken(&server) == 0 {
        assert!(number < 100, "no delay outlasted a reordering");
        send_under(&server, &mut visitor, &mut sockets, number + 1, delay(2_000)).await;
        send_under(&server, &mut visitor, &mut sockets, number + 2, reorder(10)).await;
        number += 2;
        wait_until("the reorderings waited in vain", || all_written(&server, "reorder")).await;
    }
    wait_until("the delays are over", || all_written(&server, "delay")).await;
    let overtaken_delays = server.counts().injected["overtaken"];
    assert_eq!((overtaken(&server), server.counts().injected["reorder"]), (overtaken_delays, 0));
    // A reordering waits for a delay that ends.
    send_under(&server, &mut visitor, &mut sockets, number + 1, reorder(3_600_000)).await;
    send_under(&server, &mut visitor, &mut sockets, number + 2, delay(10)).await;
    wait_until("the delays release the reorderings", || server.counts().injected["reorder"] == each).await;
    let expected = (number as u64 + 2) * each;
    let listeners: Vec<_> = sockets.into_iter().map(collect_texts).collect();
    server.stop().await;
    let mut received = Received::default();
    for listener in listeners {
        tally(&listener.await.unwrap(), &mut received);
    }
    assert_eq!(received, Received { intact: expected, reordered: overtaken_delays + each, ..Received::default() });
}

#[tokio::test]
async fn corrupt_deliveries_are_received_corrupt() {
    let chat = ChatFaults {
        corrupt_bytes: frequency("1%"),
        corrupt_json: frequency("1%"),
        corrupt_marker: frequency("1%"),
        ..ChatFaults::default()
    };
    let (received, counts, _) = run(chat).await;
    let (corrupt, malformed) =
        (counts.injected["corrupt_bytes"] + counts.injected["corrupt_marker"], counts.injected["corrupt_json"]);
    assert!(corrupt > 80 && malformed > 40);
    assert_eq!(
        received,
        Received { intact: EXPECTED - corrupt - malformed, corrupt, malformed, ..Received::default() }
    );
}

#[tokio::test]
async fn mixed_faults_are_counted_exactly() {
    let ms = std::time::Duration::from_millis;
    let chat = ChatFaults {
        drop: frequency("1%"),
        corrupt_bytes: frequency("every:97"),
        corrupt_json: frequency("0.5%"),
        reorder: frequency("1%"),
        delay: frequency("2%"),
        duplicate: frequency("every:53"),
        fragment: frequency("5%"),
        delay_min: ms(1),
        delay_max: ms(300),
        reorder_wait: ms(500),
        ..ChatFaults::default()
    };
    let (received, counts, _) = run(chat).await;
    let count = |fault: &str| counts.injected[fault];
    let damaged = count("corrupt_bytes") + count("corrupt_json");
    assert!(count("fragment") > 40);
    assert_eq!(
        received,
        Received {
            intact: EXPECTED - count("drop") - damaged,
            duplicate: count("duplicate"),
            reordered: count("reorder") + count("overtaken"),
            corrupt: count("corrupt_bytes"),
            malformed: count("corrupt_json"),
        }
    );
}

#[tokio::test]
async fn message_scope_applies_a_fault_to_all_deliveries_of_a_chat() {
    let chat = ChatFaults { drop: frequency("every:10"), scope: Scope::Message, ..ChatFaults::default() };
    let (received, counts, injections) = run(chat).await;
    assert_eq!((counts.injected["drop"], received.intact), (EXPECTED / 10, EXPECTED * 9 / 10));
    let chats: std::collections::BTreeSet<u64> = injections.iter().map(|it| it.chat).collect();
    assert_eq!(chats.len(), CHATS * SENDERS / 10);
}

#[tokio::test]
async fn the_same_seed_hits_the_same_deliveries() {
    let faults = || ChatFaults { drop: frequency("every:7"), ..ChatFaults::default() };
    let hits = |injections: Vec<Injection>| -> Vec<(u64, u64)> {
        injections.iter().map(|it| (it.chat, it.connection)).collect()
    };
    let (one, two) = (hits(run(faults()).await.2), hits(run(faults()).await.2));
    assert_eq!(one, two);
}

#[tokio::test]
async fn connections_younger_than_min_age_get_no_faults() {
    let min_age = std::time::Duration::from_secs(3600);
    let (received, counts, _) = run(ChatFaults { drop: frequency("1"), min_age, ..ChatFaults::default() }).await;
    assert_eq!((received.intact, counts.injected["drop"]), (EXPECTED, 0));
}
