//! Options of the embedded target: where it listens and how it behaves.

use crate::server::PresenceMode;

use super::layered::layered;
use super::value::{Listen, PathPrefix};

layered! {
    /// How the embedded target behaves.
    #[command(next_help_heading = "Embedded target")]
    pub struct PresenceSettings {
        /// Member lists: full, batched:DURATION or off [default: full]
        ///
        /// When everyone joins, full lists cost the square of the number of users: use full for up
                /// to 300 users, batched:1s for up to 2,000, and off beyond.
        #[arg(long, value_name = "MODE")]
        pub presence: PresenceMode,
    }
}

layered! {
    /// Where the embedded target is.
    #[command(next_help_heading = "Embedded target")]
    pub struct ListenSettings {
        /// Address of the server; port 0 picks a free one [default: 127.0.0.1:8000]
        #[arg(long, value_name = "IP:PORT")]
        pub listen: Listen,
        /// Address at which you can change faults while it runs; loopback only
        #[arg(long, value_name = "IP:PORT")]
        pub control: Listen,
        /// Path in front of every request, as behind a proxy
        #[arg(long, value_name = "PATH")]
        pub prefix: PathPrefix,
    }
}
