//! A run and a server, with one fault after another. After each fault, the run must be as before:
//! load, sockets, files, tasks; and nothing is counted that the fault does not explain.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use soakrig::server::proxy::{NetworkConditions, Proxy};

use crate::support::{LENIENT, PATIENCE, Rig, Target, balances, eventually, number};

pub const USERS: f64 = 20.0;
/// Chats per second.
pub const RATE: f64 = 10.0;
/// Within this time, everything must be as before a fault, on any machine. `outage` shows, on paused
/// time, that it takes a minute at most.
pub const RECOVERY: Duration = PATIENCE;
/// The window of a rate.
const RATE_WINDOW: Duration = Duration::from_secs(3);
/// Connections kept for later requests, each a file and a task.
const IDLE_CONNECTIONS: f64 = 16.0;
/// Interval between two readings.
const READ_INTERVAL: Duration = Duration::from_millis(200);
const TARGET: [&str; 2] = ["--control", "127.0.0.1:0"];
/// Errors that follow from intents without a user and from missing deliveries: every fault may cause
/// them. On a busy machine, a step may exceed its limit, or the intents may fall behind.
const CONSEQUENCES: [&str; 6] = ["not_connected", "backpressure", "lost", "corrupt", "timeout", "overdue"];

/// How a fault is made.
#[derive(Clone, Copy)]
pub enum Method {
    /// Fault settings of the server while the fault lasts, and actions at its start.
    Settings(&'static str, &'static [&'static str]),
    /// Network conditions, and whether open connections are reset at the start.
    Network(NetworkConditions, bool),
    /// The server is stopped (SIGSTOP) and continued (SIGCONT).
    Frozen,
    /// The server is killed, and another one without accounts listens there afterwards.
    Killed,
}

/// A fault, and how it must show.
#[derive(Clone, Copy)]
pub struct Fault {
    pub name: &'static str,
    pub method: Method,
    /// It lasts this long, and until it shows.
    pub lasts: Duration,
    /// Series that grow: a metric, and parts of its labels.
    pub shows: &'static [(&'static str, &'static str)],
    /// The kinds of errors it explains.
    pub kinds: &'static [&'static str],
    /// Maximum seconds of CPU per second.
    pub cpu: f64,
}

/// A fault by settings of the server that lasts for two seconds.
pub const fn settings(
    name: &'static str,
    settings: &'static str,
    actions: &'static [&'static str],
    shows: &'static [(&'static str, &'static str)],
    kinds: &'static [&'static str],
) -> Fault {
    Fault { name, method: Method::Settings(settings, actions), lasts: Duration::from_secs(2), shows, kinds, cpu: 0.6 }
}

impl Fault {
    pub const fn lasting(self, seconds: u64) -> Self {
        Self { lasts: Duration::from_secs(seconds), ..self }
    }

    /// One that needs CPU for itself: frames of megabytes, endless pages.
    pub const fn costly(self) -> Self {
        Self { cpu: 1.9, ..self }
    }
}

/// A reading of every series.
struct Reading {
    at: Instant,
    series: BTreeMap<String, f64>,
}

impl Reading {
    fn of(scrape: &str) -> Self {
        let lines = scrape.lines().filter(|line| !line.starts_with('#'));
        let series = lines.filter_map(|line| line.rsplit_once(' '));
        Self { at: Instant::now(), series: series.map(|(name, n)| (name.to_owned(), n.parse().unwrap())).collect() }
    }

    /// The sum over a metric's series whose labels hold `labels`.
    fn sum(&self, metric: &str, labels: &str) -> f64 {
        self.of_metric(metric).filter(|(name, _)| labels.split(',').all(|l| name.contains(l))).map(|(_, n)| n).sum()
    }

    fn of_metric<'a>(&'a self, metric: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let fits =
            move |name: &str| name.strip_prefix(metric).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'));
        self.series.iter().filter(move |(name, _)| fits(name)).map(|(name, n)| (name.as_str(), *n))
    }

    /// The kinds of errors, and the reasons of failed connects, that have grown since.
    fn kinds_since(&self, before: &Self) -> BTreeSet<String> {
        let grown =
            |metric| self.of_metric(metric).filter(|(name, n)| *n > before.series.get(*name).copied().unwrap_or(0.0));
        let label = |name: &str, label: &str| {
            let value = name.split_once(&format!("{label}=\"")).unwrap().1;
            value.split('"').next().unwrap().to_owned()
        };
        let errors = grown("soakrig_errors_total").map(|(name, _)| label(name, "kind"));
        errors.chain(grown("soakrig_connect_failures_total").map(|(name, _)| label(name, "reason"))).collect()
    }

    /// Checks what holds at every moment.
    fn check_invariants(&self, during: &str) {
        assert_eq!(self.sum("soakrig_users", ""), USERS, "{during}: the states sum up");
        assert_eq!(self.sum("soakrig_errors_total", "kind=\"panic\""), 0.0, "{during}: a panic");
        let connections = self.sum("soakrig_connections", "");
        assert!((0.0..=USERS).contains(&connections), "{during}: {connections} connections");
        // A figure of the bookkeeping; verdicts on open deliveries are still to come.
        let (expected, judged) =
            (self.sum("soakrig_deliveries_expected_total", ""), self.sum("soakrig_deliveries_total", ""));
        assert!(judged <= expected, "{during}: {judged} verdicts over {expected} deliveries");
    }

    fn connected(&self) -> bool {
        self.sum("soakrig_users", "state=\"connected\"") == USERS && self.sum("soakrig_connections", "") == USERS
    }
}

/// What the run holds open without faults.
#[derive(Clone, Copy, Default)]
struct Baseline {
    files: f64,
    tasks: f64,
    memory: f64,
    /// Seconds of CPU per second on this machine.
    cpu: f64,
}

pub struct FaultHarness {
    rig: Rig,
    target: Option<Target>,
    /// The address of a server that was killed.
    address: String,
    /// In front of the server, for network faults.
    proxy: Option<(Proxy, tokio::runtime::Runtime)>,
    baseline: Baseline,
    _cache: tempfile::TempDir,
}

impl FaultHarness {
    /// A run at full load.
    pub fn start(over_a_proxy: bool, args: &[&str]) -> Self {
        let target = Target::start(&TARGET);
        let proxy = over_a_proxy.then(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            (runtime.block_on(Proxy::start(target.address().parse().unwrap())).unwrap(), runtime)
        });
        let url = proxy.as_ref().map_or(target.url.clone(), |(proxy, _)| format!("http://{}", proxy.addr()));
        let cache = tempfile::tempdir().unwrap();
        let load = ["--user-range-max", "20", "--chat-rate", "10/s", "--disable-event-leaving"];
        let quick =
            ["--disable-breakout-joining", "--ramp", "100/s", "--sign-in-rate", "100/s", "--connect-rate", "100/s"];
        let terms = ["--http-timeout", "2s", "--delivery-deadline", "1s", "--delivery-horizon", "3s", "--grace", "2m"];
        let all = [&load[..], &quick, &terms, &LENIENT, args].concat();
        let mut rig = Rig::run(&url, "test", &cache.path().join("s.json"), &all);
        rig.wait_until_ready();
        let baseline = Baseline::default();
        let mut harness = Self { rig, target: Some(target), address: String::new(), proxy, baseline, _cache: cache };
        harness.baseline = harness.wait_for_baseline();
        harness
    }

    /// Waits until nothing is closed any more: connections kept for further requests are given up
    /// within eight seconds.
    fn wait_for_baseline(&self) -> Baseline {
        let mut baseline = Baseline::default();
        let mut since = Instant::now();
        let begin = self.read("baseline");
        eventually("baseline", || {
            let now = self.read("baseline");
            let (files, tasks) = (now.sum("process_open_fds", ""), now.sum("tokio_alive_tasks", ""));
            if files < baseline.files || baseline.files == 0.0 || tasks < baseline.tasks {
                since = Instant::now();
                let cpu = cpu_share(&begin, &now);
                baseline = Baseline { files, tasks, memory: now.sum("process_resident_memory_bytes", ""), cpu };
            }
            baseline.cpu = cpu_share(&begin, &now);
            since.elapsed() > Duration::from_secs(9) && now.connected()
        });
        baseline
    }

    fn read(&self, during: &str) -> Reading {
        std::thread::sleep(READ_INTERVAL);
        let reading = Reading::of(&self.rig.scrape());
        reading.check_invariants(during);
        reading
    }

    fn target(&self) -> &Target {
        self.target.as_ref().unwrap()
    }

    /// Injects a fault, ends it, and waits for recovery.
    pub fn run_fault(&mut self, fault: &Fault) {
        let before = self.read(fault.name);
        self.start_fault(fault);
        let worst = loop {
            let now = self.read(fault.name);
            let missing: Vec<_> = fault.shows.iter().filter(|(m, l)| now.sum(m, l) <= before.sum(m, l)).collect();
            let passed = now.at - before.at;
            if missing.is_empty() && passed >= fault.lasts {
                break now;
            }
            assert!(passed < RECOVERY, "{}: does not show in {missing:?}", fault.name);
        };
        self.end_fault(fault);
        let over = Instant::now();
        let after = self.wait_for_recovery(fault.name, over);
        let seen = after.kinds_since(&before);
        let odd: Vec<_> = seen.iter().filter(|kind| !explains(fault, kind)).collect();
        assert!(odd.is_empty(), "{}: {odd:?} of {seen:?} cannot come from it", fault.name);
        let share = cpu_share(&before, &worst);
        // On a slow machine, normal work costs more, too.
        let most = fault.cpu.max(6.0 * self.baseline.cpu);
        assert!(share < most, "{}: {share:.2} s of CPU a second, {most:.2} at most", fault.name);
        println!(
            "{:<36} lasted {:>4.1} s, {:>3.0} % of a core; recovered {:>4.1} s after its end; errors: {}",
            fault.name,
            (over - before.at).as_secs_f64(),
            share * 100.0,
            (after.at - over).as_secs_f64(),
            seen.into_iter().collect::<Vec<_>>().join(" ")
        );
    }

    fn start_fault(&mut self, fault: &Fault) {
        match fault.method {
            Method::Settings(settings, actions) => {
                self.target().set_faults(settings);
                actions.iter().for_each(|action| self.target().act(action));
            }
            Method::Network(conditions, reset) => {
                let proxy = &self.proxy.as_ref().unwrap().0;
                proxy.set(conditions);
                if reset {
                    proxy.reset();
                }
            }
            Method::Frozen => self.target().signal(Signal::SIGSTOP),
            Method::Killed => {
                self.address = self.target.take().unwrap().kill();
            }
        }
    }

    fn end_fault(&mut self, fault: &Fault) {
        match fault.method {
            Method::Settings(..) => self.target().clear_faults(),
            Method::Network(..) => self.proxy.as_ref().unwrap().0.set(NetworkConditions::default()),
            Method::Frozen => self.target().signal(Signal::SIGCONT),
            Method::Killed => {
                self.target = Some(Target::listen(&self.address, &TARGET));
            }
        }
    }

    /// Waits until all users are connected, the set rate is sent and received, and nothing more is open
    /// than in the baseline, but for connections kept for further requests.
    fn wait_for_recovery(&self, name: &str, over: Instant) -> Reading {
        let mut past: Vec<Reading> = Vec::new();
        loop {
            let now = self.read(name);
            let earlier = past.iter().rev().find(|then| now.at - then.at >= RATE_WINDOW);
            let (files, tasks) = (now.sum("process_open_fds", ""), now.sum("tokio_alive_tasks", ""));
            let rates = earlier.map(|then| rates(then, &now));
            let loaded = rates.is_some_and(|(sent, received)| {
                (0.9..1.15).contains(&(sent / RATE)) && (0.9..1.15).contains(&(received / RATE / USERS))
            });
            if now.connected()
                && loaded
                && files <= self.baseline.files + IDLE_CONNECTIONS
                && tasks <= self.baseline.tasks + IDLE_CONNECTIONS
            {
                return now;
            }
            assert!(
                over.elapsed() < RECOVERY,
                "{name}: not recovered: {files} files, {tasks} tasks (it was {}, {}), sent and received {rates:?}, {:?}",
                self.baseline.files,
                self.baseline.tasks,
                now.of_metric("soakrig_users").collect::<Vec<_>>()
            );
            past.push(now);
        }
    }

    /// Ends the run; its ledger must balance.
    pub fn finish(self) {
        let last = self.read("the end");
        let memory = last.sum("process_resident_memory_bytes", "");
        let grown = (memory - self.baseline.memory) / 1e6;
        println!("resident memory: {:.1} MB, {grown:+.1} MB since the beginning", memory / 1e6);
        assert!(grown < 100.0, "{grown} MB more than at the beginning");
        eventually("no more files and tasks than at the beginning", || {
            let now = self.read("the end");
            now.sum("process_open_fds", "") <= self.baseline.files
                && now.sum("tokio_alive_tasks", "") <= self.baseline.tasks
        });
        let Self { rig, target: _target, .. } = self;
        rig.process.signal(Signal::SIGTERM);
        let (ended, summary) = rig.end(PATIENCE);
        // On a busy machine the run may be invalid; it must not fail in another way.
        assert!(matches!(ended.code, Some(0 | 106)), "{:?}: {}\n{}", ended.code, ended.stdout, ended.stderr);
        assert!(balances(&summary), "{}", ended.stdout);
        assert!(!ended.stdout.contains("DO NOT BALANCE") && !ended.stdout.contains("defects"), "{}", ended.stdout);
        assert_eq!(number(&summary, "/deliveries/outstanding"), 0, "{}", ended.stdout);
    }
}

/// Seconds of CPU per second between two readings.
fn cpu_share(then: &Reading, now: &Reading) -> f64 {
    let used = now.sum("process_cpu_seconds_total", "") - then.sum("process_cpu_seconds_total", "");
    used / (now.at - then.at).as_secs_f64().max(0.001)
}

fn explains(fault: &Fault, kind: &str) -> bool {
    fault.kinds.contains(&kind) || CONSEQUENCES.contains(&kind)
}

/// Chats sent, and chats received by all users together, per second.
fn rates(then: &Reading, now: &Reading) -> (f64, f64) {
    let seconds = (now.at - then.at).as_secs_f64();
    let grown = |metric, labels| (now.sum(metric, labels) - then.sum(metric, labels)) / seconds;
    (grown("soakrig_messages_sent_total", "kind=\"chat\""), grown("soakrig_messages_received_total", "kind=\"chat\""))
}

/// Injects all faults, one after another, into one run.
pub fn run_faults(over_a_proxy: bool, args: &[&str], faults: &[Fault]) {
    let mut harness = FaultHarness::start(over_a_proxy, args);
    for fault in faults {
        harness.run_fault(fault);
    }
    harness.finish();
}

/// Several of these run at the same time: each mostly waits.
pub fn run_in_parallel(runs: &[(bool, &[&str], &[Fault])]) {
    std::thread::scope(|scope| {
        for (over_a_proxy, args, faults) in runs {
            scope.spawn(|| run_faults(*over_a_proxy, args, faults));
        }
    });
}
