//! Checks the file of saved sessions, on any bytes.

use std::os::unix::fs::PermissionsExt;

use http::HeaderValue;
use soakrig::store::{Mode, SavedSession, Store, StoreError, read_contents, salvage_password};

/// The target that the files of these tests are for.
pub const TARGET: &str = "https://example.org";

/// The fuzz target. Reading never panics; what is read reads back the same once written; every
/// session can be sent, and nothing but it; a salvaged password stands in the file.
pub fn check(bytes: &[u8]) {
    match read_contents(bytes) {
        Err(damage) => assert!(format!("{damage:?}").len() < 200),
        Ok(contents) => {
            let mut again = read_contents(&contents.to_bytes()).expect("what was written reads back");
            assert_eq!(again.left_out, 0);
            again.left_out = contents.left_out;
            assert_eq!(again, contents);
            for session in contents.sessions.values().map(SavedSession::session) {
                for (name, value) in session.cookies.pairs() {
                    let header = format!("{name}={value}");
                    assert!(HeaderValue::from_bytes(header.as_bytes()).is_ok(), "{header:?}");
                    assert!(!header.contains(';'), "{header:?}");
                }
            }
        }
    }
    if let Some(password) = salvage_password(bytes, TARGET) {
        let password = password.reveal().as_bytes();
        assert!(!password.is_empty() && password.iter().all(u8::is_ascii_alphanumeric));
        assert!(bytes.windows(password.len()).any(|part| part == password));
    }
}

/// Opens these bytes as a file: it is used, repaired or refused for a reason, and a file that was
/// repaired is whole the next time. Slow, as it waits for the disk: not for the fuzzer.
pub fn check_file(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.json");
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    match Store::open(&path, TARGET, Mode::ReadWrite) {
        Ok(mut store) => {
            let password = store.password().unwrap();
            let mut again = Store::open(&path, TARGET, Mode::ReadWrite).unwrap();
            assert_eq!(again.password().unwrap(), password);
            if store.take_notices().iter().any(|notice| notice.contains("damaged")) {
                assert_eq!(again.take_notices(), Vec::<String>::new());
            }
            assert_eq!(again.sessions(), store.sessions());
        }
        Err(StoreError::OtherTarget { .. } | StoreError::OtherVersion { .. }) => {
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "a refused file stays as it is");
        }
        Err(other) => panic!("{other}"),
    }
}
