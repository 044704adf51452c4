//! The embedded server's leak and replay faults: chats in another plenary, or again for new sockets.

use crate::client::{Client, WebSocket, wait_until};
use soakrig::server::{ChatFaults, Faults, Frequency, Injection, Options, PresenceMode, Server, serve};

const CHATS: usize = 10;

async fn start_server(chat: ChatFaults, presence: PresenceMode) -> Server {
    let faults = Faults { chat, ..Faults::default() };
    serve(Options { presence, faults, ..Options::default() }).await.unwrap()
}

async fn join(server: &Server, name: &str, slug: &str) -> WebSocket {
    let (socket, first) = Client::signed_up(server.addr(), name).await.join(&format!("/event/{slug}/")).await;
    assert_eq!(first["type"], "presence");
    socket
}

/// The texts of the next chats.
async fn chats(socket: &mut WebSocket, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        texts.push(socket.json_of("chat").await["payload"]["message"].as_str().unwrap().to_owned());
    }
    texts
}

async fn send(socket: &mut WebSocket, numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
    let texts: Vec<String> = numbers.map(|number| format!("number {number}")).collect();
    for text in &texts {
        socket.chat(text).await;
        // Its own copy, so that each chat is done before the next.
        assert_eq!(chats(socket, 1).await, *std::slice::from_ref(text));
    }
    texts
}

fn texts_for(injections: &[Injection], username: &str) -> Vec<String> {
    injections.iter().filter(|it| it.username == username).map(|it| it.text.clone()).collect()
}

#[tokio::test]
async fn a_leaked_chat_reaches_every_socket_of_the_other_plenaries_and_is_counted() {
    let every_second = ChatFaults { leak: "every:2".parse().unwrap(), ..ChatFaults::default() };
    let server = start_server(every_second, PresenceMode::Off).await;
    let mut speaker = join(&server, "speaker", "test").await;
    let mut neighbour = join(&server, "neighbour", "test").await;
    let mut others = Vec::new();
    for name in ["other0", "other1", "other2"] {
        others.push(join(&server, name, "nobreak").await);
    }
    let sent = send(&mut speaker, 1..=CHATS).await;
    let leaked: Vec<String> = sent.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(chats(&mut neighbour, CHATS).await, sent);
    for (n, other) in others.iter_mut().enumerate() {
        assert_eq!(chats(other, leaked.len()).await, leaked);
        assert_eq!(texts_for(&server.injections(0), &format!("other{n}")), leaked);
    }
    let counts = server.counts();
    let leaks = (others.len() * leaked.len()) as u64;
    assert_eq!((counts.injected["leak"], server.injections(0).len() as u64), (leaks, leaks));
    assert_eq!((counts.sent.chats_due, counts.sent.chats_written), (2 * CHATS as u64, 2 * CHATS as u64 + leaks));
}

#[tokio::test]
async fn replay_sends_a_new_socket_the_last_chats_after_its_member_list() {
    for presence in ["full", "off", "batched:1h"] {
        let server = start_server(ChatFaults { replay: 3, ..ChatFaults::default() }, presence.parse().unwrap()).await;
        let mut speaker = join(&server, "speaker", "test").await;
        let sent = send(&mut speaker, 1..=2).await;
        // Fewer chats exist than the setting replays.
        let mut early = join(&server, "early", "test").await;
        assert_eq!(chats(&mut early, 2).await, sent);
        let sent = [sent, send(&mut speaker, 3..=5).await].concat();
        let mut late = join(&server, "late", "test").await;
        let after = send(&mut speaker, 6..=6).await;
        assert_eq!(chats(&mut late, 4).await, [&sent[2..], &after[..]].concat(), "{presence}");
        assert_eq!(chats(&mut early, 4).await, [&sent[2..], &after[..]].concat(), "{presence}: nothing comes again");
        assert_eq!(texts_for(&server.injections(0), "early"), sent[..2], "{presence}");
        assert_eq!(texts_for(&server.injections(0), "late"), sent[2..], "{presence}");
        assert_eq!(server.counts().injected["replay"], 5, "{presence}");
        // Another plenary has nothing to replay.
        let _line = join(&server, "elsewhere", "nobreak").await;
        wait_until("it is in", || server.counts().sockets.plenary_now == 4).await;
        assert_eq!(server.counts().injected["replay"], 5, "{presence}");
    }
}

#[tokio::test]
async fn replay_above_the_history_size_is_refused() {
    let server = start_server(ChatFaults::default(), PresenceMode::Off).await;
    let chat = |replay| Faults {
        chat: ChatFaults { replay, leak: Frequency::Never, ..ChatFaults::default() },
        ..Faults::default()
    };
    assert_eq!(server.set_faults(chat(101)).unwrap_err().to_string(), "chat.replay is 100 at most");
    server.set_faults(chat(100)).unwrap();
}
