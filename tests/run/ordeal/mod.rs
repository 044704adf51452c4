//! One rig and one target, and fault after fault between them. After each the rig must be as it
//! was before: load, sockets, files, tasks; with nothing counted but what the fault explains.

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
/// Chats a second.
pub const RATE: f64 = 10.0;
/// By then everything has to be as before a fault, on any machine. That it takes a minute at most is
/// what `outage` shows, on paused time.
pub const RECOVERY: Duration = PATIENCE;
/// Over so much time a rate is looked at.
const STRETCH: Duration = Duration::from_secs(3);
/// Connections that are kept for further requests, each a file and a task.
const IDLE: f64 = 16.0;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
const TARGET: [&str; 2] = ["--control", "127.0.0.1:0"];
/// Errors that follow from intents that nobody could take, and from deliveries that did not come:
/// every fault may have them. On a busy machine a step may take longer than it may, or the intents
/// fall behind.
const CONSEQUENCES: [&str; 6] = ["not_connected", "backpressure", "lost", "corrupt", "timeout", "overdue"];

/// What is done wrong.
#[derive(Clone, Copy)]
pub enum How {
    /// Knobs of the target, set as long as the fault lasts, and acts at its beginning.
    Knobs(&'static str, &'static [&'static str]),
    /// The wire, and whether what is open is reset at the beginning.
    Wire(NetworkConditions, bool),
    /// The target is stopped (SIGSTOP) and goes on (SIGCONT).
    Frozen,
    /// The target is killed, and another one listens there afterwards, who knows nobody.
    Killed,
}

/// A fault, and what it is to look like.
#[derive(Clone, Copy)]
pub struct Fault {
    pub name: &'static str,
    pub how: How,
    /// It lasts so long, and until it shows.
    pub lasts: Duration,
    /// Series that grow: a metric, and parts of its labels.
    pub shows: &'static [(&'static str, &'static str)],
    /// The kinds of errors that it explains.
    pub kinds: &'static [&'static str],
    /// Seconds of CPU for each second, at most.
    pub cpu: f64,
}

/// A fault of the target's knobs that lasts for two seconds.
pub const fn knobs(
    name: &'static str,
    knobs: &'static str,
    acts: &'static [&'static str],
    shows: &'static [(&'static str, &'static str)],
    kinds: &'static [&'static str],
) -> Fault {
    Fault { name, how: How::Knobs(knobs, acts), lasts: Duration::from_secs(2), shows, kinds, cpu: 0.6 }
}

impl Fault {
    pub const fn lasting(self, seconds: u64) -> Self {
        Self { lasts: Duration::from_secs(seconds), ..self }
    }

    /// One that costs CPU by itself: frames of megabytes, pages without end.
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

    /// What holds at every moment.
    fn is_sound(&self, during: &str) {
        assert_eq!(self.sum("soakrig_users", ""), USERS, "{during}: the states sum up");
        assert_eq!(self.sum("soakrig_errors_total", "kind=\"panic\""), 0.0, "{during}: a panic");
        let connections = self.sum("soakrig_connections", "");
        assert!((0.0..=USERS).contains(&connections), "{during}: {connections} connections");
        // A figure of the bookkeeping; the verdicts of what is under way are still to come.
        let (expected, judged) =
            (self.sum("soakrig_deliveries_expected_total", ""), self.sum("soakrig_deliveries_total", ""));
        assert!(judged <= expected, "{during}: {judged} verdicts over {expected} deliveries");
    }

    fn connected(&self) -> bool {
        self.sum("soakrig_users", "state=\"connected\"") == USERS && self.sum("soakrig_connections", "") == USERS
    }
}

/// What the rig holds open when all is well.
#[derive(Clone, Copy, Default)]
struct Calm {
    files: f64,
    tasks: f64,
    memory: f64,
    /// Seconds of CPU for each second, as this machine has it.
    cpu: f64,
}

pub struct Ordeal {
    rig: Rig,
    target: Option<Target>,
    /// Where a target that was killed listened.
    address: String,
    /// In front of the target, where the wire is to be bad.
    proxy: Option<(Proxy, tokio::runtime::Runtime)>,
    calm: Calm,
    _cache: tempfile::TempDir,
}

impl Ordeal {
    /// A rig at full load.
    pub fn begin(over_a_proxy: bool, args: &[&str]) -> Self {
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
        let calm = Calm::default();
        let mut ordeal = Self { rig, target: Some(target), address: String::new(), proxy, calm, _cache: cache };
        ordeal.calm = ordeal.wait_for_calm();
        ordeal
    }

    /// Waits until nothing is closed any more: connections kept for further requests are given up
    /// within eight seconds.
    fn wait_for_calm(&self) -> Calm {
        let mut calm = Calm::default();
        let mut since = Instant::now();
        let begin = self.look("calm");
        eventually("calm", || {
            let now = self.look("calm");
            let (files, tasks) = (now.sum("process_open_fds", ""), now.sum("tokio_alive_tasks", ""));
            if files < calm.files || calm.files == 0.0 || tasks < calm.tasks {
                since = Instant::now();
                let cpu = cpu_share(&begin, &now);
                calm = Calm { files, tasks, memory: now.sum("process_resident_memory_bytes", ""), cpu };
            }
            calm.cpu = cpu_share(&begin, &now);
            since.elapsed() > Duration::from_secs(9) && now.connected()
        });
        calm
    }

    fn look(&self, during: &str) -> Reading {
        std::thread::sleep(LOOK);
        let reading = Reading::of(&self.rig.scrape());
        reading.is_sound(during);
        reading
    }

    fn target(&self) -> &Target {
        self.target.as_ref().unwrap()
    }

    /// Goes through a fault, and waits until all is well again.
    pub fn suffer(&mut self, fault: &Fault) {
        let before = self.look(fault.name);
        self.start(fault);
        let worst = loop {
            let now = self.look(fault.name);
            let missing: Vec<_> = fault.shows.iter().filter(|(m, l)| now.sum(m, l) <= before.sum(m, l)).collect();
            let passed = now.at - before.at;
            if missing.is_empty() && passed >= fault.lasts {
                break now;
            }
            assert!(passed < RECOVERY, "{}: does not show in {missing:?}", fault.name);
        };
        self.end(fault);
        let over = Instant::now();
        let after = self.wait_for_recovery(fault.name, over);
        let seen = after.kinds_since(&before);
        let odd: Vec<_> = seen.iter().filter(|kind| !explains(fault, kind)).collect();
        assert!(odd.is_empty(), "{}: {odd:?} of {seen:?} cannot come from it", fault.name);
        let share = cpu_share(&before, &worst);
        // On a slow machine, what is usual costs more too.
        let most = fault.cpu.max(6.0 * self.calm.cpu);
        assert!(share < most, "{}: {share:.2} s of CPU a second, {most:.2} at most", fault.name);
        println!(
            "{:<36} lasted {:>4.1} s, {:>3.0} % of a core; all well {:>4.1} s after its end; errors: {}",
            fault.name,
            (over - before.at).as_secs_f64(),
            share * 100.0,
            (after.at - over).as_secs_f64(),
            seen.into_iter().collect::<Vec<_>>().join(" ")
        );
    }

    fn start(&mut self, fault: &Fault) {
        match fault.how {
            How::Knobs(knobs, acts) => {
                self.target().set_faults(knobs);
                acts.iter().for_each(|act| self.target().act(act));
            }
            How::Wire(weather, reset) => {
                let proxy = &self.proxy.as_ref().unwrap().0;
                proxy.set(weather);
                if reset {
                    proxy.reset();
                }
            }
            How::Frozen => self.target().signal(Signal::SIGSTOP),
            How::Killed => {
                self.address = self.target.take().unwrap().kill();
            }
        }
    }

    fn end(&mut self, fault: &Fault) {
        match fault.how {
            How::Knobs(..) => self.target().clear_faults(),
            How::Wire(..) => self.proxy.as_ref().unwrap().0.set(NetworkConditions::default()),
            How::Frozen => self.target().signal(Signal::SIGCONT),
            How::Killed => {
                self.target = Some(Target::listen(&self.address, &TARGET));
            }
        }
    }

    /// Waits until everybody is in, the set rate is held and heard, and nothing more is open than
    /// when all was well, but for connections that are kept for further requests.
    fn wait_for_recovery(&self, name: &str, over: Instant) -> Reading {
        let mut past: Vec<Reading> = Vec::new();
        loop {
            let now = self.look(name);
            let earlier = past.iter().rev().find(|then| now.at - then.at >= STRETCH);
            let (files, tasks) = (now.sum("process_open_fds", ""), now.sum("tokio_alive_tasks", ""));
            let rates = earlier.map(|then| rates(then, &now));
            let loaded = rates.is_some_and(|(sent, heard)| {
                (0.9..1.15).contains(&(sent / RATE)) && (0.9..1.15).contains(&(heard / RATE / USERS))
            });
            if now.connected() && loaded && files <= self.calm.files + IDLE && tasks <= self.calm.tasks + IDLE {
                return now;
            }
            assert!(
                over.elapsed() < RECOVERY,
                "{name}: not well again: {files} files, {tasks} tasks (it was {}, {}), sent and heard {rates:?}, {:?}",
                self.calm.files,
                self.calm.tasks,
                now.of_metric("soakrig_users").collect::<Vec<_>>()
            );
            past.push(now);
        }
    }

    /// Ends the run; its books must balance.
    pub fn conclude(self) {
        let last = self.look("the end");
        let memory = last.sum("process_resident_memory_bytes", "");
        let grown = (memory - self.calm.memory) / 1e6;
        println!("resident memory: {:.1} MB, {grown:+.1} MB since the beginning", memory / 1e6);
        assert!(grown < 100.0, "{grown} MB more than at the beginning");
        eventually("no more files and tasks than at the beginning", || {
            let now = self.look("the end");
            now.sum("process_open_fds", "") <= self.calm.files && now.sum("tokio_alive_tasks", "") <= self.calm.tasks
        });
        let Self { rig, target: _target, .. } = self;
        rig.process.signal(Signal::SIGTERM);
        let (ended, summary) = rig.end(PATIENCE);
        // On a machine that is busy with other things the run may be invalid; it is not to fail otherwise.
        assert!(matches!(ended.code, Some(0 | 106)), "{:?}: {}\n{}", ended.code, ended.stdout, ended.stderr);
        assert!(balances(&summary), "{}", ended.stdout);
        assert!(!ended.stdout.contains("DO NOT BALANCE") && !ended.stdout.contains("defects"), "{}", ended.stdout);
        assert_eq!(number(&summary, "/deliveries/outstanding"), 0, "{}", ended.stdout);
    }
}

/// Seconds of CPU for each second between two readings.
fn cpu_share(then: &Reading, now: &Reading) -> f64 {
    let used = now.sum("process_cpu_seconds_total", "") - then.sum("process_cpu_seconds_total", "");
    used / (now.at - then.at).as_secs_f64().max(0.001)
}

fn explains(fault: &Fault, kind: &str) -> bool {
    fault.kinds.contains(&kind) || CONSEQUENCES.contains(&kind)
}

/// Chats sent, and chats heard by all together, a second.
fn rates(then: &Reading, now: &Reading) -> (f64, f64) {
    let seconds = (now.at - then.at).as_secs_f64();
    let grown = |metric, labels| (now.sum(metric, labels) - then.sum(metric, labels)) / seconds;
    (grown("soakrig_messages_sent_total", "kind=\"chat\""), grown("soakrig_messages_received_total", "kind=\"chat\""))
}

/// Goes through all faults, one after the other, with one rig.
pub fn endure(over_a_proxy: bool, args: &[&str], faults: &[Fault]) {
    let mut ordeal = Ordeal::begin(over_a_proxy, args);
    for fault in faults {
        ordeal.suffer(fault);
    }
    ordeal.conclude();
}

/// Several of these at the same time: most of an ordeal is waiting.
pub fn at_once(ordeals: &[(bool, &[&str], &[Fault])]) {
    std::thread::scope(|scope| {
        for (over_a_proxy, args, faults) in ordeals {
            scope.spawn(|| endure(*over_a_proxy, args, faults));
        }
    });
}
