//! Accounts, sessions and the log-in lock, in memory.
//!
//! Pure state: time is passed in; knows no HTTP. Passwords leave it in no form.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::password;

/// Failed log-ins that lock a name.
const MAX_FAILED_LOGINS: u32 = 5;
/// Names whose failed log-ins are counted; beyond this, expired ones are removed, and then new ones are not counted.
const FAILED_LOGINS_LIMIT: usize = 100_000;
/// The longest username, in characters.
const NAME_LIMIT: usize = 30;
/// Names that no user may take.
const RESERVED: [&str; 8] = ["admin", "administrator", "root", "superuser", "staff", "api", "unhangout", "null"];

/// A user with an account.
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

struct FailedLogins {
    count: u32,
    until: Instant,
}

/// What was typed into the sign-up form.
pub(super) struct SignUpForm<'a> {
    pub username: &'a str,
    pub email: &'a str,
    pub password: &'a str,
    pub password_again: &'a str,
}

/// A field of the sign-up form and its error text.
pub(super) type FieldError = (&'static str, String);

/// Why a log-in was refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LoginError {
    /// Unknown name or another password; the application does not say which.
    WrongCredentials,
    /// Too many failed attempts before.
    Locked,
}

/// All accounts and sessions.
pub(super) struct Accounts {
    by_name: HashMap<String, Account>,
    emails: HashMap<String, u64>,
    sessions: HashMap<String, Arc<User>>,
    failed_logins: HashMap<String, FailedLogins>,
    last_id: u64,
    lock: Duration,
}

impl Accounts {
    /// No accounts yet; `lock` is how long a name stays locked.
    pub(super) fn new(lock: Duration) -> Self {
        let (by_name, emails) = (HashMap::new(), HashMap::new());
        Self { by_name, emails, sessions: HashMap::new(), failed_logins: HashMap::new(), last_id: 0, lock }
    }

    /// Makes an account, or says why not.
    pub(super) fn sign_up(&mut self, typed: &SignUpForm<'_>) -> Result<Arc<User>, Vec<FieldError>> {
        let errors = self.errors(typed);
        if !errors.is_empty() {
            return Err(errors);
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

    fn errors(&self, typed: &SignUpForm<'_>) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if let Some(error) = self.username_error(typed.username) {
            errors.push(("username", error));
        }
        if !typed.email.is_empty() {
            if !typed.email.contains('@') {
                errors.push(("email", "Enter a valid email address.".to_owned()));
            } else if self.emails.contains_key(&typed.email.to_lowercase()) {
                errors.push(("email", "A user is already registered with this e-mail address.".to_owned()));
            }
        }
        errors.extend(password::errors(typed.password).into_iter().map(|error| ("password1", error.to_owned())));
        if typed.password != typed.password_again {
            errors.push(("password2", "You must type the same password each time.".to_owned()));
        }
        errors
    }

    fn username_error(&self, name: &str) -> Option<String> {
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
    pub(super) fn log_in(&mut self, name: &str, password: &str, now: Instant) -> Result<Arc<User>, LoginError> {
        let name = name.to_lowercase();
        if let Some(failed_logins) = self.failed_logins.get(&name) {
            if failed_logins.until <= now {
                self.failed_logins.remove(&name);
            } else if failed_logins.count >= MAX_FAILED_LOGINS {
                return Err(LoginError::Locked);
            }
        }
        match self.by_name.get(&name) {
            Some(account) if account.password == password => {
                self.failed_logins.remove(&name);
                Ok(Arc::clone(&account.user))
            }
            _ => {
                self.record_failure(name, now);
                Err(LoginError::WrongCredentials)
            }
        }
    }

    fn record_failure(&mut self, name: String, now: Instant) {
        if self.failed_logins.len() >= FAILED_LOGINS_LIMIT {
            self.failed_logins.retain(|_, failed_logins| failed_logins.until > now);
        }
        if self.failed_logins.len() < FAILED_LOGINS_LIMIT || self.failed_logins.contains_key(&name) {
            let failed_logins = self.failed_logins.entry(name).or_insert(FailedLogins { count: 0, until: now });
            failed_logins.count += 1;
            failed_logins.until = now + self.lock;
        }
    }

    /// Stores a session under its cookie.
    pub(super) fn open_session(&mut self, cookie: String, user: Arc<User>) {
        self.sessions.insert(cookie, user);
    }

    /// The user of a session cookie.
    pub(super) fn session(&self, cookie: &str) -> Option<Arc<User>> {
        self.sessions.get(cookie).cloned()
    }

    /// Removes the account of a session, and all its sessions; false if there is none.
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

    /// Deletes every session; returns how many there were.
    pub(super) fn forget_sessions(&mut self) -> u64 {
        let sessions = std::mem::take(&mut self.sessions);
        sessions.len() as u64
    }

    /// Number of accounts.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed<'a>(username: &'a str, password: &'a str) -> SignUpForm<'a> {
        SignUpForm { username, email: "", password, password_again: password }
    }

    fn accounts() -> Accounts {
        Accounts::new(Duration::from_secs(300))
    }

    fn first(result: Result<Arc<User>, Vec<FieldError>>) -> String {
        result.unwrap_err().remove(0).1
    }

    #[test]
    fn a_username_is_unique_whatever_its_case() {
        let mut accounts = accounts();
        assert_eq!(accounts.sign_up(&typed("Alice", "correct-horse")).unwrap().id, 1);
        let taken = "An account with that username already exists.";
        assert_eq!(first(accounts.sign_up(&typed("aLICE", "correct-horse"))), taken);
        assert_eq!(first(accounts.sign_up(&typed("Admin", "correct-horse"))), taken);
    }

    #[test]
    fn the_sign_up_form_refuses_with_the_applications_texts() {
        let mut accounts = accounts();
        let long = "a".repeat(31);
        let text = "Ensure this value has at most 30 characters (it has 31).";
        assert_eq!(first(accounts.sign_up(&typed(&long, "correct-horse"))), text);
        assert_eq!(first(accounts.sign_up(&typed("bob", "password"))), "This password is too common.");
        let other = SignUpForm { password_again: "other", ..typed("bob", "correct-horse") };
        assert_eq!(first(accounts.sign_up(&other)), "You must type the same password each time.");
        let mail = |name| SignUpForm { email: "A@example.org", ..typed(name, "correct-horse") };
        accounts.sign_up(&mail("bob")).unwrap();
        let text = "A user is already registered with this e-mail address.";
        assert_eq!(first(accounts.sign_up(&mail("carol"))), text);
    }

    #[test]
    fn five_failed_log_ins_lock_a_name_that_exists_or_not() {
        let mut accounts = accounts();
        let now = Instant::now();
        accounts.sign_up(&typed("alice", "correct-horse")).unwrap();
        for name in ["alice", "unknown"] {
            for _ in 0..5 {
                assert_eq!(accounts.log_in(name, "wrong", now).unwrap_err(), LoginError::WrongCredentials);
            }
            assert_eq!(accounts.log_in(name, "correct-horse", now).unwrap_err(), LoginError::Locked);
        }
        let later = now + Duration::from_secs(301);
        assert_eq!(accounts.log_in("ALICE", "correct-horse", later).unwrap().id, 1);
    }

    #[test]
    fn deleting_an_account_deletes_its_sessions() {
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
