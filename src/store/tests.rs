use super::*;
use crate::transport::http::cookies::Jar;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

const TARGET: &str = "https://example.org";

fn session(value: &str) -> Session {
    Session::with(Jar::from([("sessionid", value)]))
}

fn open(path: &Path) -> Store {
    Store::open(path, TARGET, Mode::ReadWrite).unwrap()
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

struct CacheFile {
    directory: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> CacheFile {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state/soakrig/cache.json");
    CacheFile { directory, path }
}

#[test]
fn names_are_readable_and_tell_targets_apart() {
    let name = |target| file_in(Path::new("/s"), target).to_string_lossy().into_owned();
    assert!(name("https://chat.example.org").starts_with("/s/chat.example.org-"));
    assert!(name("http://[::1]:8000/a/../b").starts_with("/s/___1__8000_a_.._b-"));
    assert_ne!(name("http://example.org"), name("https://example.org"));
    assert_ne!(name("http://example.org/a"), name("http://example.org_a"));
}

#[test]
fn what_was_saved_is_there_the_next_time_and_closed_to_others() {
    let place = place();
    let mut store = open(&place.path);
    assert!(store.sessions().is_empty());
    store.save([("a".to_owned(), Some(session("1"))), ("b".to_owned(), Some(session("2")))]).unwrap();
    store.save([("b".to_owned(), None)]).unwrap();

    let again = open(&place.path);
    assert_eq!(again.sessions(), HashMap::from([("a".to_owned(), session("1"))]));
    assert_eq!(mode_of(&place.path), 0o600);
    assert_eq!(mode_of(place.path.parent().unwrap()), 0o700);
    assert_eq!(mode_of(&place.path.with_file_name("cache.json.lock")), 0o600);
}

#[test]
fn the_password_is_made_once() {
    let place = place();
    let (mut one, mut other) = (open(&place.path), open(&place.path));
    let password = one.password().unwrap();
    assert_eq!(password.reveal().len(), 20);
    assert_eq!(other.password().unwrap(), password);
    assert_eq!(open(&place.path).password().unwrap(), password);
}

#[test]
fn two_generators_keep_each_others_sessions() {
    let place = place();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let path = place.path.clone();
            std::thread::spawn(move || {
                let mut store = open(&path);
                let password = store.password().unwrap();
                for round in 0..10 {
                    let value = format!("{round}");
                    store.save((0..5).map(|user| (format!("u{writer}-{user}"), Some(session(&value))))).unwrap();
                }
                store.save([(format!("u{writer}-0"), None)]).unwrap();
                password
            })
        })
        .collect();
    let passwords: Vec<_> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    assert!(passwords.iter().all(|password| *password == passwords[0]));

    let sessions = open(&place.path).sessions();
    assert_eq!(sessions.len(), 4 * 4);
    assert!(sessions.values().all(|saved| *saved == session("9")));
}

#[test]
fn a_reader_beside_a_writer_never_sees_half_a_file() {
    let place = place();
    let mut store = open(&place.path);
    let all = |value: &str| (0..500).map(|user| (format!("u{user}"), Some(session(value)))).collect::<Vec<_>>();
    store.save(all("0")).unwrap();
    let path = place.path.clone();
    let writer = std::thread::spawn(move || {
        for round in 1..20 {
            store.save(all(&round.to_string())).unwrap();
        }
    });
    while !writer.is_finished() {
        let reader = Store::open(&path, TARGET, Mode::ReadOnly).unwrap();
        let sessions = reader.sessions();
        let first = &sessions["u0"];
        assert!(sessions.len() == 500 && sessions.values().all(|saved| saved == first));
    }
    writer.join().unwrap();
}

#[test]
fn a_held_lock_is_waited_for_and_then_told() {
    let place = place();
    let store = open(&place.path);
    let held = store.disk.lock().unwrap();
    let soon = Duration::from_millis(60);
    let error = Store::open_within(place.path.clone(), TARGET, Mode::ReadWrite, soon).unwrap_err();
    assert!(matches!(&error, StoreError::Locked { .. }), "{error}");
    assert!(Store::open(&place.path, TARGET, Mode::ReadOnly).is_ok(), "reading needs no lock");
    drop(held);
    assert!(Store::open_within(place.path.clone(), TARGET, Mode::ReadWrite, soon).is_ok());
}

#[test]
fn another_target_is_refused_and_kept() {
    let place = place();
    open(&place.path).save([("a".to_owned(), Some(session("1")))]).unwrap();
    let before = fs::read(&place.path).unwrap();
    let error = Store::open(&place.path, "https://example.com", Mode::ReadWrite).unwrap_err();
    let text = crate::error::StartError::from(error).to_string();
    for part in ["cache.json", "https://example.org", "https://example.com", "remedy", "--cache-file"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(fs::read(&place.path).unwrap(), before);
}

#[test]
fn another_version_is_refused_and_kept() {
    let place = place();
    drop(open(&place.path));
    fs::write(&place.path, r#"{"version":7}"#).unwrap();
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o600)).unwrap();
    let error = Store::open(&place.path, TARGET, Mode::ReadWrite).unwrap_err();
    assert!(matches!(error, StoreError::OtherVersion { version: 7, .. }));
    assert_eq!(fs::read_to_string(&place.path).unwrap(), r#"{"version":7}"#);
}

#[test]
fn a_truncated_file_is_moved_aside_and_its_password_recovered() {
    let place = place();
    let mut store = open(&place.path);
    let password = store.password().unwrap();
    store.save((0..50).map(|user| (format!("u{user}"), Some(session("1"))))).unwrap();
    let whole = fs::read(&place.path).unwrap();
    fs::write(&place.path, &whole[..whole.len() / 2]).unwrap();

    let mut again = open(&place.path);
    assert!(again.sessions().is_empty());
    assert_eq!(again.password().unwrap(), password);
    let notices = again.take_notices().join("\n");
    assert!(notices.contains("damaged") && notices.contains("password was recovered"), "{notices}");
    let aside: Vec<_> = fs::read_dir(place.path.parent().unwrap())
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains(".damaged-"))
        .collect();
    assert_eq!(aside.len(), 1);
    assert_eq!(fs::read(aside[0].path()).unwrap(), whole[..whole.len() / 2]);
    // The next process finds an intact file.
    assert_eq!(open(&place.path).take_notices(), Vec::<String>::new());
}

#[test]
fn damage_is_only_told_where_nothing_may_be_changed() {
    let place = place();
    fs::create_dir_all(place.path.parent().unwrap()).unwrap();
    fs::write(&place.path, "{").unwrap();
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o600)).unwrap();
    let error = Store::open(&place.path, TARGET, Mode::ReadOnly).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }));
    assert!(place.path.exists());
}

#[test]
fn a_file_that_others_can_read_is_closed_with_a_notice() {
    let place = place();
    open(&place.path).save([("a".to_owned(), Some(session("1")))]).unwrap();
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o644)).unwrap();

    let mut read_only = Store::open(&place.path, TARGET, Mode::ReadOnly).unwrap();
    assert!(read_only.take_notices().join("").contains("others can read"));
    assert_eq!(mode_of(&place.path), 0o644);

    let mut store = open(&place.path);
    assert!(store.take_notices().join("").contains("0600"));
    assert_eq!(mode_of(&place.path), 0o600);
    assert_eq!(store.sessions().len(), 1);
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    let place = place();
    open(&place.path).save([("a".to_owned(), Some(session("1")))]).unwrap();
    for mode in [0o620, 0o602, 0o666] {
        fs::set_permissions(&place.path, fs::Permissions::from_mode(mode)).unwrap();
        let error = Store::open(&place.path, TARGET, Mode::ReadWrite).unwrap_err();
        assert!(matches!(error, StoreError::OpenToWriters { .. }), "{error}");
        assert!(error.remedy().contains("chmod 600"));
    }
}

#[test]
fn what_is_not_a_file_is_refused() {
    let place = place();
    fs::create_dir_all(&place.path).unwrap();
    let error = Store::open(&place.path, TARGET, Mode::ReadWrite).unwrap_err();
    assert!(matches!(error, StoreError::NotAFile { .. }), "{error}");
}

#[test]
fn a_huge_file_is_refused_unread() {
    let place = place();
    drop(open(&place.path));
    let file = fs::OpenOptions::new().write(true).create_new(true).open(&place.path).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
    file.set_len((256 << 20) + 1).unwrap();
    let error = Store::open(&place.path, TARGET, Mode::ReadWrite).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
}

#[test]
fn a_directory_that_cannot_be_created_is_reported() {
    let place = place();
    fs::write(place.directory.path().join("state"), "in the way").unwrap();
    let error = Store::open(&place.path, TARGET, Mode::ReadWrite).unwrap_err();
    assert!(matches!(&error, StoreError::Io { doing: "create the directory", .. }), "{error}");
    assert!(error.remedy().contains("--cache-file"));
}

#[test]
fn a_failed_save_is_an_error_and_leaves_the_file() {
    let place = place();
    let mut store = open(&place.path);
    store.save([("a".to_owned(), Some(session("1")))]).unwrap();
    let before = fs::read(&place.path).unwrap();
    // Renaming over a directory fails for every user, root included.
    let kept = place.path.with_extension("kept");
    fs::rename(&place.path, &kept).unwrap();
    fs::create_dir(&place.path).unwrap();
    assert!(store.save([("a".to_owned(), Some(session("2")))]).is_err());
    assert_eq!(store.sessions()["a"], session("1"));
    fs::remove_dir(&place.path).unwrap();
    fs::rename(&kept, &place.path).unwrap();
    assert_eq!(fs::read(&place.path).unwrap(), before);
}

#[test]
fn a_deleted_file_comes_back_with_its_password() {
    let place = place();
    let mut store = open(&place.path);
    let password = store.password().unwrap();
    fs::remove_file(&place.path).unwrap();
    store.save([("a".to_owned(), Some(session("1")))]).unwrap();
    assert_eq!(open(&place.path).password().unwrap(), password);
}

#[test]
fn a_link_stays_a_link() {
    let place = place();
    let real = place.directory.path().join("real.json");
    open(&real).save([("a".to_owned(), Some(session("1")))]).unwrap();
    let link = place.directory.path().join("link.json");
    symlink(&real, &link).unwrap();
    open(&link).save([("a".to_owned(), Some(session("2")))]).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(open(&real).sessions()["a"], session("2"));
}

#[test]
fn what_killed_writers_left_is_swept() {
    let place = place();
    let mut store = open(&place.path);
    store.save([("a".to_owned(), Some(session("1")))]).unwrap();
    let left = place.path.with_file_name(".cache.json.xYz123.tmp");
    let other = place.path.with_file_name(".other.json.xYz123.tmp");
    for stray in [&left, &other] {
        fs::write(stray, "half").unwrap();
    }
    assert_eq!(open(&place.path).sessions().len(), 1);
    assert!(!left.exists());
    assert!(other.exists());
}

#[test]
fn a_read_only_store_creates_and_saves_nothing() {
    let place = place();
    let mut store = Store::open(&place.path, TARGET, Mode::ReadOnly).unwrap();
    store.save([("a".to_owned(), Some(session("1")))]).unwrap();
    assert!(matches!(store.password(), Err(StoreError::NoPassword { .. })));
    assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), 0);
}
