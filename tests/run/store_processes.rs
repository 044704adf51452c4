//! The session file shared by concurrent processes that are killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use soakrig::protocol::Session;
use soakrig::store::{Mode, Store};
use soakrig::transport::http::cookies::Jar;

const TARGET: &str = "https://example.org";
const FILE: &str = "SOAKRIG_TEST_STORE";
const WRITER: &str = "SOAKRIG_TEST_WRITER";
const USERS: usize = 200;

fn open(path: &Path) -> Store {
    Store::open(path, TARGET, Mode::ReadWrite).unwrap()
}

/// Not a test: the process that the tests start and kill. It saves its users once for each byte on
/// its input, and reports each save.
#[test]
fn writer() {
    let (Ok(path), Ok(name)) = (std::env::var(FILE), std::env::var(WRITER)) else { return };
    let mut store = open(Path::new(&path));
    println!("\npassword {}", store.password().unwrap().reveal());
    for (round, _) in std::io::stdin().lock().bytes().enumerate() {
        let session = Session::with(Jar::from([("sessionid", format!("{round}").as_str())]));
        store.save((0..USERS).map(|user| (format!("{name}{user}"), Some(session.clone())))).unwrap();
        println!("\nsaved {round}");
    }
}

struct Writer {
    child: Child,
    orders: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Writer {
    fn start(path: &Path, name: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store_processes::writer", "--nocapture"])
            .env(FILE, path)
            .env(WRITER, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, orders, lines }
    }

    /// Orders this many saves, without waiting for them.
    fn order(&mut self, saves: usize) {
        self.orders.write_all(&vec![b'.'; saves]).unwrap();
    }

    /// What follows the word on the next line that starts with it.
    fn next(&mut self, word: &str) -> String {
        let rest = |line: String| line.strip_prefix(word).map(|rest| rest.trim().to_owned());
        self.lines.by_ref().map(Result::unwrap).find_map(rest).expect("the writer has ended")
    }

    /// Kills it (SIGKILL), as dropping it does.
    fn kill(self) {}
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_writer_killed_at_any_moment_leaves_a_whole_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache.json");
    let mut password = None;
    for turn in 0..8 {
        let mut writer = Writer::start(&path, "u");
        // More than it can do before it is killed.
        writer.order(60_000);
        let made = writer.next("password");
        assert_eq!(*password.get_or_insert(made.clone()), made, "the password changed");
        let saved: u64 = (0..=turn).map(|_| writer.next("saved").parse::<u64>().unwrap()).last().unwrap();
        writer.kill();

        let mut store = open(&path);
        assert_eq!(store.take_notices(), Vec::<String>::new());
        let sessions = store.sessions();
        assert_eq!(sessions.len(), USERS);
        let round = |session: &Session| session.cookies.value("sessionid").unwrap().parse::<u64>().unwrap();
        let found = round(&sessions["u0"]);
        assert!(sessions.values().all(|session| round(session) == found), "a mixture of two saves");
        assert!(found >= saved, "save {saved} was told of, and {found} was found");
    }
    let left: Vec<_> = std::fs::read_dir(&directory).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 2, "the file and its lock are all that stays: {left:?}");
}

#[test]
fn two_processes_share_a_password_and_keep_each_others_sessions() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache.json");
    let (mut one, mut other) = (Writer::start(&path, "a"), Writer::start(&path, "b"));
    assert_eq!(one.next("password"), other.next("password"));
    const SAVES: usize = 10;
    one.order(SAVES);
    other.order(SAVES);
    for writer in [&mut one, &mut other] {
        let last = (0..SAVES).map(|_| writer.next("saved")).last();
        assert_eq!(last, Some((SAVES - 1).to_string()));
    }
    one.kill();
    other.kill();
    let sessions = open(&path).sessions();
    let of = |name: char| sessions.keys().filter(|user| user.starts_with(name)).count();
    assert_eq!((of('a'), of('b')), (USERS, USERS));
}
