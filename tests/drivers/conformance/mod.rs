//! What every driver must do, whatever its protocol. A driver brings its own server for this: it
//! implements [`ServerForDriver`] and names it in `conformance!`.

#![allow(unreachable_pub)]

mod file_lines;
mod line_chat;
mod line_server;
mod plenary;
mod suite;
mod whole_run;

use std::future::Future;

use soakrig::protocol::{Protocol, Session};

/// The password that a server without sign-up knows, for every username.
pub const PASSWORD: &str = "correct horse battery 9";

/// A server to test a driver on.
pub trait ServerForDriver: Sized + Send + 'static {
    /// The protocol that it speaks.
    type Protocol: Protocol + Default;

    /// A room that is open.
    const ROOM: &'static str;

    /// A room that the server refuses.
    const REFUSED_ROOM: &'static str;

    /// Starts it on 127.0.0.1; it listens when this returns.
    fn start() -> impl Future<Output = Self> + Send;

    /// Its base URL.
    fn url(&self) -> String;

    /// A session that the server does not know; `None` if the protocol has no sessions.
    fn unknown_session() -> Option<Session>;

    /// Ends every connection cleanly.
    fn stop(self) -> impl Future<Output = ()> + Send;
}

/// The suite for one server, as tests.
macro_rules! conformance {
    ($server:ty: $($test:ident)+) => {
        $(#[test]
        fn $test() {
            crate::conformance::suite::$test::<$server>();
        })+
    };
    ($server:ty) => {
        crate::conformance::conformance! { $server:
            a_user_joins_once_and_an_open_room_passes_the_preflight
            a_message_reaches_others_and_its_sender_only_if_the_protocol_echoes
            a_close_by_the_user_ends_the_connection
            a_close_by_the_server_is_reported_as_the_servers
            a_wrong_password_is_final
            a_taken_name_leads_to_the_log_in
            a_refused_room_is_hopeless_at_start
            an_unknown_session_is_signed_out
            a_server_that_is_gone_is_hopeless_at_start
            a_connection_at_rest_is_small
            a_message_allocates_nothing
        }
    };
}

pub(crate) use conformance;

/// The accounts, the room and the way to both are the same: a password, a cookie, a websocket.
#[test]
fn a_user_of_the_file_driver_takes_at_most_a_tenth_more_memory_than_one_of_plenarys() {
    let file = suite::bytes_of_a_user::<file_lines::LineServerForFile>();
    let plenary = suite::bytes_of_a_user::<plenary::EmbeddedServer>();
    assert!(file * 10 <= plenary * 11, "{file} bytes instead of {plenary}");
}
