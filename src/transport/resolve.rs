//! Names as addresses, without the C library: the hosts file first, then DNS by `resolv.conf`.
//!
//! A binary linked statically against glibc cannot resolve names, and a container may lack `nsswitch.conf`, so this is
//! always `hosts: files dns`. Both files are read again when they change, and answers are kept for their TTL, up to a
//! minute.

mod clients;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hickory_resolver::config::{
    LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};
use parking_lot::Mutex;
use tokio::time::Instant;

pub use self::clients::Names;
use super::errors;
use crate::model::{Failure, FailureKind};

/// Longest time for which an answer is kept, as in Chrome.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Time for which a name without an address is remembered.
const NEGATIVE_LIMIT: Duration = Duration::from_secs(1);

/// Interval of checks whether the files have changed.
const LOOK: Duration = Duration::from_secs(5);

/// Maximum number of addresses used of a name.
const ADDRESS_LIMIT: usize = 16;

/// Resolves names.
pub struct Resolver {
    files: Files,
    fixed: Vec<Resolve>,
    current: Mutex<Option<Current>>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Addresses of a host and port that replace DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolve {
    /// The name, in lower case.
    pub host: String,
    /// The port for which they apply.
    pub port: u16,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
}

/// The files that configure look-ups.
#[derive(Debug, Clone)]
pub struct Files {
    /// The hosts file.
    pub hosts: PathBuf,
    /// The file that lists name servers.
    pub resolv_conf: PathBuf,
    /// A port of the name servers other than 53; for tests.
    pub port: Option<u16>,
}

impl Default for Files {
    fn default() -> Self {
        Self { hosts: "/etc/hosts".into(), resolv_conf: "/etc/resolv.conf".into(), port: None }
    }
}

/// The contents of the hosts file, and the DNS resolver.
type Known = (Arc<Hosts>, Arc<TokioResolver>);

/// The files as last read.
struct Current {
    known: Known,
    made_of: [Option<SystemTime>; 2],
    looked: Instant,
}

impl Resolver {
    /// A resolver that reads these files; `fixed` addresses take precedence.
    #[must_use]
    pub fn new(files: Files, fixed: Vec<Resolve>) -> Self {
        Self { files, fixed, current: Mutex::new(None) }
    }

    /// The addresses of a name, IPv6 first, or the address that it spells; at most sixteen.
    ///
    /// # Errors
    /// `Dns`: the name has no address, or no name server answers.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        if let Some(given) = self.given(host, port) {
            return Ok(given.iter().map(|ip| SocketAddr::new(*ip, port)).collect());
        }
        let name = host.trim_end_matches('.');
        let failed = |e: String| Failure::with(FailureKind::Dns, format!("{host}: {e}"));
        let (hosts, resolver) = self.current().map_err(|e| failed(e.to_string()))?;
        let known = in_file(&hosts, name);
        if !known.is_empty() {
            return Ok(known.into_iter().map(|ip| SocketAddr::new(ip, port)).collect());
        }
        match resolver.lookup_ip(host).await {
            Ok(found) => Ok(found.iter().take(ADDRESS_LIMIT).map(|ip| SocketAddr::new(ip, port)).collect()),
            // A lack of descriptors is this machine's fault, not the name's.
            Err(e) => match errors::of_error(&e, FailureKind::Dns) {
                ours if ours.kind == FailureKind::NoFiles => Err(ours),
                _ if e.is_nx_domain() => Err(failed("there is no such name".to_owned())),
                _ if e.is_no_records_found() => Err(failed("the name has no address".to_owned())),
                _ => Err(failed(e.to_string())),
            },
        }
    }

    /// The fixed addresses for a host and port, if any.
    pub(super) fn given(&self, host: &str, port: u16) -> Option<&[IpAddr]> {
        let name = host.trim_end_matches('.');
        let is_given = |fixed: &&Resolve| fixed.port == port && fixed.host.eq_ignore_ascii_case(name);
        self.fixed.iter().find(is_given).map(|fixed| fixed.addresses.as_slice())
    }

    /// The resolver for the current files.
    fn current(&self) -> io::Result<Known> {
        let mut current = self.current.lock();
        if let Some(known) = current.as_mut() {
            if known.looked.elapsed() < LOOK {
                return Ok(known.known.clone());
            }
            known.looked = Instant::now();
            if known.made_of == self.files.changed() {
                return Ok(known.known.clone());
            }
        }
        let made_of = self.files.changed();
        let known: Known = (Arc::new(self.files.hosts()), Arc::new(self.files.resolver()?));
        *current = Some(Current { known: known.clone(), made_of, looked: Instant::now() });
        Ok(known)
    }
}

/// The addresses of a name in the hosts file, IPv6 first. If it is there, DNS is not queried, not even for addresses
/// of the other family.
fn in_file(hosts: &Hosts, name: &str) -> Vec<IpAddr> {
    let Ok(name) = name.to_ascii_lowercase().parse::<Name>() else { return Vec::new() };
    let found = [RecordType::AAAA, RecordType::A]
        .into_iter()
        .filter_map(|kind| hosts.lookup_static_host(&Query::query(name.clone(), kind)));
    let addresses = found.flat_map(|found| found.answers().iter().filter_map(|r| r.data.ip_addr()).collect::<Vec<_>>());
    addresses.take(ADDRESS_LIMIT).collect()
}

impl Files {
    /// When the files last changed; `None` for a missing one.
    fn changed(&self) -> [Option<SystemTime>; 2] {
        let changed = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        [changed(&self.hosts), changed(&self.resolv_conf)]
    }

    fn resolver(&self) -> io::Result<TokioResolver> {
        let (config, mut options) = self.name_servers();
        options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        options.use_hosts_file = ResolveHosts::Never;
        options.positive_max_ttl = Some(ANSWER_LIMIT);
        options.negative_max_ttl = Some(NEGATIVE_LIMIT);
        // As in the C library, the first server in the file is queried first.
        options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
        options.try_tcp_on_error = true;
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        builder.build().map_err(io::Error::other)
    }

    /// Reads the hosts file; a missing one is empty.
    fn hosts(&self) -> Hosts {
        let mut hosts = Hosts::default();
        if let Ok(file) = std::fs::File::open(&self.hosts) {
            // A line that cannot be parsed ends the file, as in the C library.
            let _ = hosts.read_hosts_conf(file);
        }
        hosts
    }

    /// Reads the name servers; if the file is missing or names none, there is one on this machine, as in the C library.
    fn name_servers(&self) -> (ResolverConfig, ResolverOpts) {
        let read = std::fs::read(&self.resolv_conf).ok().and_then(|text| system_conf::parse_resolv_conf(text).ok());
        let (config, options) = read.unwrap_or_else(|| {
            let local = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
            (ResolverConfig::from_parts(None, Vec::new(), vec![local]), ResolverOpts::default())
        });
        let Some(port) = self.port else { return (config, options) };
        let (domain, search) = (config.domain().cloned(), config.search().to_vec());
        let mut servers = config.name_servers().to_vec();
        servers.iter_mut().flat_map(|server| &mut server.connections).for_each(|way| way.port = port);
        (ResolverConfig::from_parts(domain, search, servers), options)
    }
}

#[cfg(test)]
mod tests;
