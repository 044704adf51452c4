use std::sync::mpsc::Sender as Stop;

use super::*;
use crate::clock::Stamp;
use crate::ledger::{Identity, RoomShare};
use crate::marker::{Decoded, GeneratorTag, RoomTag};
use crate::model::{DeliveryRules, DeliveryTerms, UserIndex};

const USERS: u32 = 100;

fn at(seconds: u64) -> Stamp {
    Stamp::default().plus(Duration::from_secs(seconds))
}

/// A ledger in which each of `messages` messages was lost by everyone.
fn lossy(messages: u64) -> Mutex<Ledger> {
    let terms = DeliveryTerms { deadline: Duration::from_secs(1), horizon: Duration::from_secs(4) };
    let room = RoomShare { tag: RoomTag::of("test"), users: USERS };
    let identity =
        Identity { run: RunTag::of("night"), generator: GeneratorTag(2), origin_micros: 1_763_900_000_000_000 };
    let mut books = Ledger::new(terms, DeliveryRules::ALL, identity, &[room]);
    books.keep_notes();
    for user in (0..USERS).map(UserIndex) {
        books.introduce(user, SenderId::number(100 + u64::from(user.0)));
        books.opening(user);
        books.connected(user, at(0));
    }
    for _ in 0..messages {
        books.record_send(UserIndex(3), at(1), at(1));
    }
    books.sweep(at(10));
    Mutex::new(books)
}

fn names() -> Vec<Box<str>> {
    (0..USERS).map(|n| format!("soak{n}").into_boxed_str()).collect()
}

/// A pause of a run that has just begun; the run ends when the other side is dropped.
fn pause() -> (Stop<()>, Pause) {
    let (stop, stopped) = channel();
    (stop, Pause(stopped))
}

fn lines(text: &[u8]) -> Vec<serde_json::Value> {
    String::from_utf8(text.to_vec()).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Takes a few bytes, then fails a few times, then goes on.
struct Hiccups<'a> {
    taken: &'a mut Vec<u8>,
    turns: u32,
    stuck_after: Option<usize>,
}

impl Write for Hiccups<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.turns += 1;
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        if self.stuck_after.is_some_and(|limit| self.taken.len() >= limit) {
            return Err(full());
        }
        let n = bytes.len().min(if self.turns.is_multiple_of(3) { 7 } else { 1_000 });
        self.taken.extend(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_lost_delivery_of_a_burst_has_one_line() {
    let (ledger, names, mut text) = (lossy(500), names(), Vec::new());
    let terms = LineContext { usernames: &names, room: "test", run: "night", path: "a.jsonl" };
    let (_, pause) = pause();
    Journal::new(Hiccups { taken: &mut text, turns: 0, stuck_after: None }, terms, &ledger, pause).write_all();
    let lines = lines(&text);
    assert_eq!(lines.len(), 50_000);
    let different: std::collections::HashSet<String> =
        lines.iter().map(|line| format!("{} {}", line["receiver"], line["seq"])).collect();
    assert_eq!(different.len(), 50_000);
    let dropped = ledger.lock().close_log();
    assert_eq!((dropped, ledger.lock().log_lines().unwrap().written), (0, 50_000));
}

#[test]
fn a_file_that_takes_no_more_leaves_the_rest_counted() {
    let (ledger, names, mut text) = (lossy(500), names(), Vec::new());
    let terms = LineContext { usernames: &names, room: "test", run: "night", path: "a.jsonl" };
    let (_, pause) = pause();
    Journal::new(Hiccups { taken: &mut text, turns: 0, stuck_after: Some(1_000_000) }, terms, &ledger, pause)
        .write_all();
    let whole = text.iter().filter(|byte| **byte == b'\n').count() as u64;
    let dropped = ledger.lock().close_log();
    assert_eq!((ledger.lock().log_lines().unwrap().written, dropped), (whole, 50_000 - whole));
}

/// Fails in the middle of a line, twice, and then lets the run end.
struct Filling<'a> {
    taken: &'a mut Vec<u8>,
    failures: u32,
    stop: Option<Stop<()>>,
}

impl Write for Filling<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.taken.len() == 100 && self.failures < 2 {
            self.failures += 1;
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        let room = if self.failures < 2 { 100 - self.taken.len() } else { bytes.len() };
        if self.failures == 2 {
            self.stop = None;
        }
        self.taken.extend(&bytes[..room.min(bytes.len())]);
        Ok(room.min(bytes.len()))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_write_that_failed_goes_on_where_it_stopped() {
    let (ledger, names, mut text) = (lossy(3), names(), Vec::new());
    let terms = LineContext { usernames: &names, room: "test", run: "night", path: "a.jsonl" };
    let (stop, pause) = pause();
    let out = Filling { taken: &mut text, failures: 0, stop: Some(stop) };
    let mut journal = Journal::new(out, terms, &ledger, pause);
    journal.retry = Duration::from_millis(1);
    journal.write_all();
    assert_eq!(lines(&text).len(), 300);
    let dropped = ledger.lock().close_log();
    assert_eq!((dropped, ledger.lock().log_lines().unwrap().written), (0, 300));
}

#[test]
fn a_full_log_says_so_and_counts_the_rest() {
    let (ledger, names, mut text) = (lossy(3), names(), Vec::new());
    let terms = LineContext { usernames: &names, room: "test", run: "night", path: "a.jsonl" };
    let (_, pause) = pause();
    let mut journal = Journal::new(&mut text, terms, &ledger, pause);
    journal.limit = 250;
    journal.write_all();
    let lines = lines(&text);
    assert_eq!((lines.len(), &lines[250]["kind"]), (252, &"log_full".into()));
    assert_eq!((&lines[251]["kind"], &lines[251]["lines"]), (&"dropped".into(), &50.into()));
    assert_eq!(ledger.lock().close_log(), 50);
}

#[test]
fn a_line_leads_to_the_message() {
    let (ledger, names, mut text) = (lossy(0), names(), Vec::new());
    let marker = ledger.lock().record_send(UserIndex(3), at(20), at(20)).marker;
    ledger.lock().receive(UserIndex(5), SenderId::number(103), Decoded::Intact(marker), at(21));
    ledger.lock().receive(UserIndex(5), SenderId::number(103), Decoded::Intact(marker), at(22));
    let terms = LineContext { usernames: &names, room: "test", run: "night", path: "a.jsonl" };
    let (_, pause) = pause();
    Journal::new(&mut text, terms, &ledger, pause).write_all();
    let line = lines(&text).remove(0);
    assert_eq!(
        (&line["kind"], &line["sender"], &line["receiver"]),
        (&"duplicate".into(), &"soak3".into(), &"soak5".into())
    );
    assert_eq!((&line["room"], &line["run"], &line["user"]), (&"test".into(), &"night".into(), &"soak5".into()));
    assert_eq!(line["intended"], "2025-11-23T12:13:40.000000Z");
    assert_eq!((&line["received"], &line["at"]), (&"2025-11-23T12:13:42.000000Z".into(), &line["received"]));
    assert!(marker.encode(SenderId::number(103), "hello").starts_with(line["marker"].as_str().unwrap()));
}

#[test]
fn a_forged_time_has_no_date_and_breaks_no_line() {
    assert_eq!(time(u64::MAX), None);
    assert_eq!(time(LAST_MICROS).unwrap(), "9999-12-31T23:59:59.999999Z");
}

#[test]
fn names_are_escaped() {
    let (ledger, mut names, mut text) = (lossy(1), names(), Vec::new());
    names[3] = "a\"b\n{\u{1b}[31m".into();
    let terms = LineContext { usernames: &names, room: "te\"st", run: "night", path: "a.jsonl" };
    let (_, pause) = pause();
    Journal::new(&mut text, terms, &ledger, pause).write_all();
    let lines = lines(&text);
    assert_eq!((lines.len(), lines[0]["sender"].as_str().unwrap()), (100, &*names[3]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_needs_a_reader_at_the_start_and_fails_where_that_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error = open_pipe(&path, Instant::now()).unwrap_err();
    assert!(error.to_string().contains("nothing has read this FIFO"), "{error}");
    let reader = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&path).unwrap();
    let mut pipe = open_pipe(&path, Instant::now()).unwrap();
    pipe.write_all(b"{}\n").unwrap();
    drop(reader);
    assert_eq!(pipe.write_all(b"{}\n").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}
