//! `soakrig ctl`: the commands that steer a running generator, and its Unix socket.
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`command`] | the commands, as typed and as sent |
//! | [`answer`] | what comes back |
//! | [`listener`] | the generator's side of the socket |
//! | [`client`] | the side of `soakrig ctl` |
//!
//! One line in, one line of JSON out, then the connection ends. Knows nothing of a run: its
//! [`Steer`](listener::Steer) carries out the commands.

pub mod answer;
pub mod client;
pub mod command;
pub mod listener;

/// The longest line, its line break included, in bytes.
pub const LONGEST_LINE: usize = 4_096;
