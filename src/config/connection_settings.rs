//! Options for reaching the server.

use std::path::PathBuf;

use super::layered::layered;
use super::value::{ByteSize, HeaderText, ProxyText, ResolveText, SourceIp, Span, Switch};
use crate::model::Reconnect;

layered! {
    /// How to reach the server.
    #[command(next_help_heading = "Connection")]
    pub struct ConnectionSettings {
        /// Trust the certificates in this PEM file too
        #[arg(long, value_name = "FILE")]
        pub ca_file: PathBuf,
        /// Accept any certificate: for test servers only
        #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        pub insecure_skip_verify: Switch,
        /// Connect from this local address; repeat it for more
        ///
        /// One address has about 28,000 ports towards one server; users take the addresses in
                /// turn. The limit is in /proc/sys/net/ipv4/ip_local_port_range.
        #[arg(long, value_name = "IP")]
        pub source_ip: Vec<SourceIp>,
        /// Send this header with every request to the server; repeat it for more, or give @FILE
        ///
        /// Its value is a secret, and other users of this machine can read it in the process list:
        /// prefer @FILE, with a header on each line. It goes to no other origin. soakrig sets Host,
        /// Cookie, Origin, Connection and Sec-WebSocket-* itself.
        #[arg(long, value_name = "NAME: VALUE", allow_hyphen_values = true)]
        pub header: Vec<HeaderText>,
        /// Show this certificate (PEM) to a server that asks for one
        #[arg(long, value_name = "FILE")]
        pub client_cert: PathBuf,
        /// Key of --client-cert (PEM, without a passphrase)
        #[arg(long, value_name = "FILE")]
        pub client_key: PathBuf,
        /// Connect to these addresses for this host and port instead of asking DNS; repeat it for more
        #[arg(long, value_name = "HOST:PORT:ADDR")]
        pub resolve: Vec<ResolveText>,
        /// Connect through this HTTP proxy (CONNECT), or the one in @FILE
        ///
        /// http:// or https://; other users of this machine can read its password in the process
        /// list: prefer @FILE or the variable SOAKRIG_PROXY. NO_PROXY lists servers to connect to
        /// directly; other proxy variables are ignored.
        #[arg(long, value_name = "URL")]
        pub proxy: ProxyText,
        /// How users reconnect after their connection ends: backoff, immediate (ignores
        /// --connect-rate), or fixed:5s [default: backoff]
        #[arg(long, value_name = "HOW")]
        pub reconnect: Reconnect,
        /// Offer compression of websocket messages (permessage-deflate), as browsers do
        #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        pub compression: Switch,
        /// Largest frame accepted from the server [default: 16MiB]
        #[arg(long, value_name = "SIZE")]
        pub max_frame: ByteSize,
        /// Longest wait for an HTTP answer or a websocket handshake [default: 30s]
        #[arg(long, value_name = "DURATION")]
        pub http_timeout: Span,
    }
}
