//! Accounts, sessions and the log-in lock, in memory.
//!
//! Pure state: time is passed in; knows no HTTP. Passwords leave it in no form.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::password;

/// Refused log-ins that lock a name.
const ATTEMPTS: u32 = 5;
/// Names under watch for refused log-ins; beyond it the expired are swept out, then new ones go unwatched.
const WATCHED_LIMIT: usize = 100_000;
/// The longest username, in characters.
const NAME_LIMIT: usize = 30;
/// Names that nobody may take.
const RESERVED: [&str; 8] = ["admin", "administrator", "root", "superuser", "staff", "api", "unhangout", "null"];

/// Somebody with an account, as the rooms know them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct User {
    /// The numeric id, from 1.
    pub id: u64,
    /// The name as it was typed at the sign-up.
    pub username: String,
}

struct Account {
    user: Arc<User>,
    email: String,
    password: String,
}

struct Watched {
    refused: u32,
    until: Instant,
}

/// What was typed into the sign-up form.
pub(super) struct Application<'a> {
    pub username: &'a str,
    pub email: &'a str,
    pub password: &'a str,
    pub again: &'a str,
}

/// A field of the sign-up form and the text of its refusal.
pub(super) type Reason = (&'static str, String);

/// Why a log-in was refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Unknown name or another password; the application does not say which.
    Wrong,
    /// Too many refusals before.
    Locked,
}

/// All accounts and sessions.
pub(super) struct Accounts {
    by_name: HashMap<String, Account>,
    emails: HashMap<String, u64>,
    sessions: HashMap<String, Arc<User>>,
    watched: HashMap<String, Watched>,
    last_id: u64,
    lock: Duration,
}

impl Accounts {
    /// No accounts yet; `lock` is how long a name stays locked.
    pub(super) fn new(lock: Duration) -> Self {
        let (by_name, emails) = (HashMap::new(), HashMap::new());
        Self { by_name, emails, sessions: HashMap::new(), watched: HashMap::new(), last_id: 0, lock }
    }

    /// Makes an account, or says why not.
    pub(super) fn sign_up(&mut self, typed: &Application<'_>) -> Result<Arc<User>, Vec<Reason>> {
        let reasons = self.reasons(typed);
        if !reasons.is_empty() {
            return Err(reasons);
        }
        self.last_id += 1;
        let user = Arc::new(User { id: self.last_id, username: typed.username.to_owned() });
        let email = typed.email.to_lowercase();
        if !email.is_empty() {
            self.emails.insert(email.clone(), user.id);
        }
        let account = Account { user: Arc::clone(&user), email, password: typed.password.to_owned() };
        self.by_name.insert(typed.username.to_lowercase(), account);
        Ok(user)
    }

    fn reasons(&self, typed: &Application<'_>) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if let Some(reason) = self.name_reason(typed.username) {
            reasons.push(("username", reason));
        }
        if !typed.email.is_empty() {
            if !typed.email.contains('@') {
                reasons.push(("email", "Enter a valid email address.".to_owned()));
            } else if self.emails.contains_key(&typed.email.to_lowercase()) {
                reasons.push(("email", "A user is already registered with this e-mail address.".to_owned()));
            }
        }
        reasons.extend(password::reasons(typed.password).into_iter().map(|reason| ("password1", reason.to_owned())));
        if typed.password != typed.again {
            reasons.push(("password2", "You must type the same password each time.".to_owned()));
        }
        reasons
    }

    fn name_reason(&self, name: &str) -> Option<String> {
        let length = name.chars().count();
        let lower = name.to_lowercase();
        if length == 0 {
            Some("This field is required.".to_owned())
        } else if length > NAME_LIMIT {
            Some(format!("Ensure this value has at most {NAME_LIMIT} characters (it has {length})."))
        } else if !name.chars().all(|c| c.is_alphanumeric() || "@.+-_".contains(c)) {
            Some("Enter a valid username.".to_owned())
        } else if RESERVED.contains(&lower.as_str()) || self.by_name.contains_key(&lower) {
            Some("An account with that username already exists.".to_owned())
        } else {
            None
        }
    }

    /// Checks a name and a password at `now`.
    pub(super) fn log_in(&mut self, name: &str, password: &str, now: Instant) -> Result<Arc<User>, Refusal> {
        let name = name.to_lowercase();
        if let Some(watched) = self.watched.get(&name) {
            if watched.until <= now {
                self.watched.remove(&name);
            } else if watched.refused >= ATTEMPTS {
                return Err(Refusal::Locked);
            }
        }
        match self.by_name.get(&name) {
            Some(account) if account.password == password => {
                self.watched.remove(&name);
                Ok(Arc::clone(&account.user))
            }
            _ => {
                self.watch(name, now);
                Err(Refusal::Wrong)
            }
        }
    }

    fn watch(&mut self, name: String, now: Instant) {
        if self.watched.len() >= WATCHED_LIMIT {
            self.watched.retain(|_, watched| watched.until > now);
        }
        if self.watched.len() < WATCHED_LIMIT || self.watched.contains_key(&name) {
            let watched = self.watched.entry(name).or_insert(Watched { refused: 0, until: now });
            watched.refused += 1;
            watched.until = now + self.lock;
        }
    }

    /// Remembers a session under its cookie.
    pub(super) fn open_session(&mut self, cookie: String, user: Arc<User>) {
        self.sessions.insert(cookie, user);
    }

    /// Who a session cookie stands for.
    pub(super) fn session(&self, cookie: &str) -> Option<Arc<User>> {
        self.sessions.get(cookie).cloned()
    }

    /// Removes the account of a session, and all its sessions; false where there is none.
    pub(super) fn delete(&mut self, cookie: &str) -> bool {
        let Some(user) = self.sessions.get(cookie).cloned() else { return false };
        self.sessions.retain(|_, other| other.id != user.id);
        match self.by_name.remove(&user.username.to_lowercase()) {
            Some(account) => {
                self.emails.remove(&account.email);
                true
            }
            None => false,
        }
    }

    /// Forgets every session; how many there were.
    pub(super) fn forget_sessions(&mut self) -> u64 {
        let sessions = std::mem::take(&mut self.sessions);
        sessions.len() as u64
    }

    /// How many accounts there are.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed<'a>(username: &'a str, password: &'a str) -> Application<'a> {
        Application { username, email: "", password, again: password }
    }

    fn accounts() -> Accounts {
        Accounts::new(Duration::from_secs(300))
    }

    fn first(result: Result<Arc<User>, Vec<Reason>>) -> String {
        result.unwrap_err().remove(0).1
    }

    #[test]
    fn a_name_is_taken_in_any_case() {
        let mut accounts = accounts();
        assert_eq!(accounts.sign_up(&typed("Alice", "correct-horse")).unwrap().id, 1);
        let taken = "An account with that username already exists.";
        assert_eq!(first(accounts.sign_up(&typed("aLICE", "correct-horse"))), taken);
        assert_eq!(first(accounts.sign_up(&typed("Admin", "correct-horse"))), taken);
    }

    #[test]
    fn refusals_of_the_form() {
        let mut accounts = accounts();
        let long = "a".repeat(31);
        let text = "Ensure this value has at most 30 characters (it has 31).";
        assert_eq!(first(accounts.sign_up(&typed(&long, "correct-horse"))), text);
        assert_eq!(first(accounts.sign_up(&typed("bob", "password"))), "This password is too common.");
        let other = Application { again: "other", ..typed("bob", "correct-horse") };
        assert_eq!(first(accounts.sign_up(&other)), "You must type the same password each time.");
        let mail = |name| Application { email: "A@example.org", ..typed(name, "correct-horse") };
        accounts.sign_up(&mail("bob")).unwrap();
        let text = "A user is already registered with this e-mail address.";
        assert_eq!(first(accounts.sign_up(&mail("carol"))), text);
    }

    #[test]
    fn five_refusals_lock_a_name_that_exists_or_not() {
        let mut accounts = accounts();
        let now = Instant::now();
        accounts.sign_up(&typed("alice", "correct-horse")).unwrap();
        for name in ["alice", "nobody"] {
            for _ in 0..5 {
                assert_eq!(accounts.log_in(name, "wrong", now).unwrap_err(), Refusal::Wrong);
            }
            assert_eq!(accounts.log_in(name, "correct-horse", now).unwrap_err(), Refusal::Locked);
        }
        let later = now + Duration::from_secs(301);
        assert_eq!(accounts.log_in("ALICE", "correct-horse", later).unwrap().id, 1);
    }

    #[test]
    fn a_deleted_account_takes_its_sessions_along() {
        let mut accounts = accounts();
        let user = accounts.sign_up(&typed("alice", "correct-horse")).unwrap();
        accounts.open_session("one".into(), Arc::clone(&user));
        accounts.open_session("two".into(), user);
        assert!(accounts.delete("one"));
        assert_eq!(accounts.session("two"), None);
        assert!(!accounts.delete("two"));
        assert_eq!(accounts.len(), 0);
    }
}
