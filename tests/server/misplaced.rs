//! The embedded target's chats in the wrong place: in another plenary, or again for newcomers.

use crate::target_client::{Line, Person, until};
use soakrig::server::{ChatFaults, Faults, Frequency, Injection, Options, PresenceMode, Server, serve};

const CHATS: usize = 10;

async fn target(chat: ChatFaults, presence: PresenceMode) -> Server {
    let faults = Faults { chat, ..Faults::default() };
    serve(Options { presence, faults, ..Options::default() }).await.unwrap()
}

async fn enter(target: &Server, name: &str, slug: &str) -> Line {
    let (line, first) = Person::signed_up(target.addr(), name).await.enter(&format!("/event/{slug}/")).await;
    assert_eq!(first["type"], "presence");
    line
}

/// The texts of the next chats.
async fn chats(line: &mut Line, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        texts.push(line.json_of("chat").await["payload"]["message"].as_str().unwrap().to_owned());
    }
    texts
}

async fn say(line: &mut Line, numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
    let texts: Vec<String> = numbers.map(|number| format!("number {number}")).collect();
    for text in &texts {
        line.chat(text).await;
        // Its own copy, so that each chat is through before the next.
        assert_eq!(chats(line, 1).await, *std::slice::from_ref(text));
    }
    texts
}

fn texts_for(injections: &[Injection], username: &str) -> Vec<String> {
    injections.iter().filter(|it| it.username == username).map(|it| it.text.clone()).collect()
}

#[tokio::test]
async fn a_leaked_chat_reaches_every_socket_of_the_other_plenaries_and_each_is_counted() {
    let every_second = ChatFaults { leak: "every:2".parse().unwrap(), ..ChatFaults::default() };
    let target = target(every_second, PresenceMode::Off).await;
    let mut speaker = enter(&target, "speaker", "test").await;
    let mut neighbour = enter(&target, "neighbour", "test").await;
    let mut others = Vec::new();
    for name in ["other0", "other1", "other2"] {
        others.push(enter(&target, name, "nobreak").await);
    }
    let said = say(&mut speaker, 1..=CHATS).await;
    let leaked: Vec<String> = said.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(chats(&mut neighbour, CHATS).await, said);
    for (n, other) in others.iter_mut().enumerate() {
        assert_eq!(chats(other, leaked.len()).await, leaked);
        assert_eq!(texts_for(&target.injections(0), &format!("other{n}")), leaked);
    }
    let counts = target.counts();
    let leaks = (others.len() * leaked.len()) as u64;
    assert_eq!((counts.injected["leak"], target.injections(0).len() as u64), (leaks, leaks));
    assert_eq!((counts.sent.chats_due, counts.sent.chats_written), (2 * CHATS as u64, 2 * CHATS as u64 + leaks));
}

#[tokio::test]
async fn a_newcomer_gets_the_last_chats_again_after_its_member_list() {
    for presence in ["full", "off", "batched:1h"] {
        let target = target(ChatFaults { replay: 3, ..ChatFaults::default() }, presence.parse().unwrap()).await;
        let mut speaker = enter(&target, "speaker", "test").await;
        let said = say(&mut speaker, 1..=2).await;
        // Fewer were said than are to be replayed.
        let mut early = enter(&target, "early", "test").await;
        assert_eq!(chats(&mut early, 2).await, said);
        let said = [said, say(&mut speaker, 3..=5).await].concat();
        let mut late = enter(&target, "late", "test").await;
        let after = say(&mut speaker, 6..=6).await;
        assert_eq!(chats(&mut late, 4).await, [&said[2..], &after[..]].concat(), "{presence}");
        assert_eq!(chats(&mut early, 4).await, [&said[2..], &after[..]].concat(), "{presence}: nothing comes again");
        assert_eq!(texts_for(&target.injections(0), "early"), said[..2], "{presence}");
        assert_eq!(texts_for(&target.injections(0), "late"), said[2..], "{presence}");
        assert_eq!(target.counts().injected["replay"], 5, "{presence}");
        // Another plenary has nothing to replay.
        let _line = enter(&target, "elsewhere", "nobreak").await;
        until("it is in", || target.counts().sockets.plenary_now == 4).await;
        assert_eq!(target.counts().injected["replay"], 5, "{presence}");
    }
}

#[tokio::test]
async fn more_than_is_remembered_cannot_be_replayed() {
    let target = target(ChatFaults::default(), PresenceMode::Off).await;
    let chat = |replay| Faults {
        chat: ChatFaults { replay, leak: Frequency::Never, ..ChatFaults::default() },
        ..Faults::default()
    };
    assert_eq!(target.set_faults(chat(101)).unwrap_err().to_string(), "chat.replay is 100 at most");
    target.set_faults(chat(100)).unwrap();
}
