//! Forecasts the cost of a run: deliveries, bytes, sockets, memory, and what exceeds the machine.
//!
//! Pure arithmetic on the plan, the protocol's frame sizes, and [`Machine`].

use std::fmt;

use crate::model::{FrameSizes, ListSizes};
use crate::report::machine::Machine;
use crate::report::numbers::{bytes, count, rate};

/// Open files besides the users' sockets: HTTP connections of the ramp, metrics, logs.
const OTHER_FILES: f64 = 200.0;
/// Memory of the process without users, of a user, and of a delivery within the horizon, in bytes;
/// a user without TLS was measured at about half of this (docs/performance.md), and a process
/// under all faults at this (docs/endurance.md).
const PROCESS_MEMORY: f64 = 48e6;
const USER_MEMORY: f64 = 8e3;
const DELIVERY_MEMORY: f64 = 16.0;
/// Total CPU time of a delivery that arrives in its own read, in seconds (docs/performance.md).
const DELIVERY_CPU: f64 = 7e-6;
/// Traffic that fills a gigabit line, in bytes per second.
const FULL_LINE: f64 = 110e6;

/// The load to forecast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Users of this generator.
    pub users: u64,
    /// Users in all rooms, those of other generators included.
    pub room: u64,
    /// Number of rooms that they are divided among.
    pub rooms: u64,
    /// Chats per second in all rooms.
    pub chats: f64,
    /// Users who leave per second in all rooms; as many come back.
    pub leaves: f64,
    /// Users who join a side room per second in all rooms; as many leave one.
    pub side_rooms: f64,
    /// Average length of a visit to a side room, in seconds.
    pub side_room_stay: f64,
    /// Time that a message stays in the ledger, in seconds: the horizon.
    pub horizon: f64,
    /// Local addresses to connect from.
    pub sources: u64,
    /// Sizes of the protocol's frames.
    pub sizes: FrameSizes,
}

/// The cost of a load; bytes are received bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    load: Load,
    /// Deliveries per second: every chat to every user of this generator.
    pub deliveries: f64,
    /// Bytes per second of chats.
    pub chat_bytes: f64,
    /// Bytes per second of member lists, if the server sends full ones, while users come and go.
    pub list_bytes: f64,
    /// Bytes of member lists while the room fills, if the server sends full ones.
    pub ramp_list_bytes: f64,
    /// Bytes of one page of the full room.
    pub page_bytes: f64,
    /// Sockets at a time.
    pub sockets: f64,
    /// Resident memory, in bytes.
    pub memory: f64,
    /// What exceeds the machine, in words, with remedies.
    pub warnings: Vec<String>,
}

/// A limit of the machine that makes a load impossible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// What is too small.
    pub what: &'static str,
    /// What is needed, and what there is.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
}

impl Forecast {
    /// The forecast for a load and the machine that should carry it.
    #[must_use]
    pub fn of(load: &Load, machine: &Machine) -> Self {
        let (users, all, rooms) = (load.users as f64, load.room.max(load.users) as f64, load.rooms.max(1) as f64);
        // Users of one room.
        let room = all / rooms;
        let if_listed = |bytes: &dyn Fn(&ListSizes) -> f64| load.sizes.lists.as_ref().map_or(0.0, bytes);
        let list = if_listed(&|sizes| sizes.list_of(room));
        let side_room_list = if_listed(&|sizes| sizes.list_of(sizes.side_room_members));
        let deliveries = load.chats / rooms * users;
        let in_side_rooms = (load.side_rooms * load.side_room_stay * users / all.max(1.0)).min(users);
        let mut forecast = Self {
            load: *load,
            deliveries,
            chat_bytes: deliveries * load.sizes.chat,
            // Each join and each leave sends a list to each user.
            list_bytes: 2.0 * users * (load.leaves * list + load.side_rooms * side_room_list) / rooms,
            ramp_list_bytes: if_listed(&|sizes| sizes.filling(room) * users / room.max(1.0)),
            page_bytes: if_listed(&|sizes| sizes.page + sizes.page_user * room),
            sockets: users + in_side_rooms,
            memory: PROCESS_MEMORY + users * USER_MEMORY + deliveries * load.horizon * DELIVERY_MEMORY + list,
            warnings: Vec::new(),
        };
        forecast.warnings = forecast.warn(machine);
        forecast
    }

    /// What remains of the machine for another load of the same process on the same server.
    #[must_use]
    pub fn leaves(&self, machine: Machine) -> Machine {
        let less = |limit: Option<u64>, needed: f64| limit.map(|limit| limit.saturating_sub(needed.ceil() as u64));
        Machine {
            open_files: machine.open_files,
            files: less(machine.files, self.sockets),
            ports: less(machine.ports, self.sockets / self.load.sources.max(1) as f64),
            memory: less(machine.memory, self.memory),
            cores: machine.cores,
        }
    }

    /// What the load needs and the machine lacks, if anything: each user needs a socket and, for each of the
    /// server's `addresses`, a local port.
    #[must_use]
    pub fn shortage(&self, machine: &Machine, addresses: u64) -> Option<Shortage> {
        let users = self.load.users;
        if let (Some(files), Some(open)) = (machine.files, machine.open_files)
            && users.saturating_add(open) > files
        {
            let needed = (self.sockets + OTHER_FILES).ceil() as u64;
            return Some(Shortage {
                what: "the limit of open files",
                why: format!(
                    "{} users need as many sockets, but this process may open {} files and has {} open",
                    count(users),
                    count(files),
                    count(open)
                ),
                remedy: format!(
                    "raise the hard limit to {needed} (ulimit -n {needed}, LimitNOFILE={needed}), or take fewer users \
                     here (--shard)"
                ),
            });
        }
        let sources = self.load.sources.max(1);
        let ports = machine.ports?.saturating_mul(sources).saturating_mul(addresses.max(1));
        (users > ports).then(|| Shortage {
            what: "local ports",
            why: format!(
                "{} users need as many connections, but there are {} ports for them",
                count(users),
                count(ports)
            ),
            remedy: "give more addresses with --source-ip, each has as many again, or widen \
                     net.ipv4.ip_local_port_range, or take fewer users here (--shard)"
                .to_owned(),
        })
    }

    fn warn(&self, machine: &Machine) -> Vec<String> {
        let over = |needed: f64, limit: Option<u64>| limit.filter(|limit| needed > *limit as f64);
        let mut warnings = Vec::new();
        if let Some(files) = over(self.sockets + OTHER_FILES, machine.files) {
            warnings.push(format!(
                "about {} files will be open, and this process may open {}: raise the hard limit (ulimit -Hn, \
                 LimitNOFILE=), or take fewer users here (--shard)",
                whole(self.sockets + OTHER_FILES),
                count(files)
            ));
        }
        let ports = machine.ports.map(|ports| ports.saturating_mul(self.load.sources.max(1)));
        if let Some(ports) = over(self.sockets, ports) {
            warnings.push(format!(
                "about {} connections to one server, and this machine has {} ports for them: give more addresses \
                 with --source-ip, each has as many again",
                whole(self.sockets),
                count(ports)
            ));
        }
        if let Some(memory) = over(self.memory, machine.memory) {
            warnings.push(format!(
                "about {} of memory will be used, and {} is free: take fewer users here (--shard)",
                bytes(self.memory),
                bytes(memory as f64)
            ));
        }
        if let Some(cores) = over(self.deliveries * DELIVERY_CPU, machine.cores) {
            warnings.push(format!(
                "{} deliveries are more than {} can read: lower --chat-rate, or take fewer users here (--shard)",
                rate(self.deliveries),
                if cores == 1 { "one core".to_owned() } else { format!("{cores} cores") }
            ));
        }
        if self.list_bytes > FULL_LINE {
            warnings.push(format!(
                "member lists alone may come to {}/s, where the server sends all users to all users at each coming and \
                 going: lower --leave-rate, or --disable-event-leaving",
                bytes(self.list_bytes)
            ));
        }
        warnings
    }
}

fn whole(n: f64) -> String {
    count(n.ceil() as u64)
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Load { users, room, rooms, chats, .. } = self.load;
        let others = match (room > users, rooms > 1) {
            (false, false) => String::new(),
            (true, false) => format!(" of {} in the room", count(room)),
            (false, true) => format!(" in {} rooms", count(rooms)),
            (true, true) => format!(" of {} in {} rooms", count(room), count(rooms)),
        };
        let to = if rooms > 1 { "each chat to each user of its room" } else { "each chat to each user" };
        writeln!(f, "forecast for {} users{others}, chats at {}", count(users), rate(chats))?;
        writeln!(f, "  deliveries   {}, {to}", rate(self.deliveries))?;
        write!(f, "  received     {}/s of chats", bytes(self.chat_bytes))?;
        if self.load.sizes.lists.is_some() {
            writeln!(
                f,
                "; of full member lists, if the server sends them, up to {}/s and {} in the ramp",
                bytes(self.list_bytes),
                bytes(self.ramp_list_bytes)
            )?;
            writeln!(f, "  room page    about {} for each user who joins", bytes(self.page_bytes))?;
        } else {
            writeln!(f)?;
        }
        writeln!(f, "  sockets      up to {}", whole(self.sockets))?;
        writeln!(f, "  memory       about {}", bytes(self.memory))?;
        for warning in &self.warnings {
            writeln!(f, "  warning: {warning}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMO: Load = Load {
        users: 200,
        room: 200,
        rooms: 1,
        chats: 20.0,
        leaves: 1.0,
        side_rooms: 2.0,
        side_room_stay: 165.0,
        horizon: 60.0,
        sources: 1,
        sizes: SIZES,
    };
    const LISTS: ListSizes =
        ListSizes { list: 89.0, member: 188.0, side_room_members: 10.0, page: 29_000.0, page_user: 190.0 };
    const SIZES: FrameSizes = FrameSizes { chat: 300.0, lists: Some(LISTS) };
    const MACHINE: Machine = Machine {
        files: Some(20_000),
        open_files: Some(20),
        ports: Some(28_232),
        memory: Some(8_000_000_000),
        cores: Some(2),
    };

    #[test]
    fn lists_of_a_filling_room_cost_what_was_measured() {
        assert!((LISTS.filling(60.0) / 14e6 - 1.0).abs() < 0.02, "{}", LISTS.filling(60.0));
        assert!((LISTS.filling(200.0) / 0.5e9 - 1.0).abs() < 0.02, "{}", LISTS.filling(200.0));
    }

    #[test]
    fn a_demo_fits_and_reads_well() {
        let forecast = Forecast::of(&DEMO, &MACHINE);
        assert_eq!(forecast.deliveries, 4_000.0);
        insta::assert_snapshot!(forecast.to_string());
    }

    #[test]
    fn without_member_lists_neither_lists_nor_page_are_forecast() {
        let load = Load { users: 18_000, room: 36_000, sizes: FrameSizes::ASSUMED, ..DEMO };
        let forecast = Forecast::of(&load, &MACHINE);
        let said = forecast.to_string();
        assert!(!said.contains("member list") && !said.contains("page"), "{said}");
        assert_eq!((forecast.list_bytes, forecast.ramp_list_bytes, forecast.page_bytes), (0.0, 0.0, 0.0));
        assert!(forecast.memory < Forecast::of(&Load { sizes: SIZES, ..load }, &MACHINE).memory);
    }

    #[test]
    fn every_limit_in_the_way_is_named_with_its_remedy() {
        let small = Machine {
            files: Some(1_024),
            open_files: Some(20),
            ports: Some(5_000),
            memory: Some(64_000_000),
            cores: Some(1),
        };
        let load = Load { users: 18_000, room: 36_000, chats: 50.0, ..DEMO };
        insta::assert_snapshot!(Forecast::of(&load, &small).to_string());
    }

    #[test]
    fn an_unknown_machine_and_an_empty_room_warn_of_nothing() {
        assert!(Forecast::of(&DEMO, &Machine::default()).warnings.is_empty());
        let no_users = Load { users: 0, room: 0, ..DEMO };
        let forecast = Forecast::of(&no_users, &MACHINE);
        assert!(forecast.warnings.is_empty() && forecast.sockets == 0.0 && forecast.ramp_list_bytes == 0.0);
    }

    #[test]
    fn a_second_load_finds_what_the_first_has_left() {
        let half = Load { users: 8_000, room: 8_000, chats: 0.1, leaves: 0.0, side_rooms: 0.0, sources: 2, ..DEMO };
        let first = Forecast::of(&half, &MACHINE);
        assert!(first.warnings.is_empty(), "{:?}", first.warnings);
        let left = first.leaves(MACHINE);
        assert_eq!((left.files, left.ports, left.cores), (Some(12_000), Some(24_232), Some(2)));
        assert!(left.memory < MACHINE.memory);
        let third = Forecast::of(&half, &Forecast::of(&half, &left).leaves(left));
        assert!(third.warnings.iter().any(|warning| warning.contains("files")), "{:?}", third.warnings);
        assert_eq!(first.leaves(Machine::default()), Machine::default());
    }

    #[test]
    fn more_source_addresses_have_more_ports() {
        let load = Load { users: 18_000, room: 18_000, leaves: 0.0, side_rooms: 0.0, chats: 0.1, ..DEMO };
        let few_ports = Machine { ports: Some(10_000), ..MACHINE };
        assert_eq!(Forecast::of(&load, &few_ports).warnings.len(), 1);
        assert!(Forecast::of(&Load { sources: 2, ..load }, &few_ports).warnings.is_empty());
    }

    #[test]
    fn users_without_a_file_or_port_each_are_impossible_and_not_a_risk() {
        let load = Load { users: 100, room: 100, ..DEMO };
        let forecast = Forecast::of(&load, &MACHINE);
        assert_eq!(forecast.shortage(&MACHINE, 1), None);
        assert_eq!(forecast.shortage(&Machine { files: Some(120), ..MACHINE }, 1), None, "a risk");
        let files = forecast.shortage(&Machine { files: Some(119), ..MACHINE }, 1).unwrap();
        assert!(files.why.contains("100 users") && files.why.contains("may open 119 files"), "{files:?}");
        let few = Machine { ports: Some(49), ..MACHINE };
        assert_eq!(forecast.shortage(&few, 1).unwrap().what, "local ports");
        assert_eq!(forecast.shortage(&few, 3), None, "three addresses of the server");
        let two = Forecast::of(&Load { sources: 2, ..load }, &MACHINE);
        assert!(two.shortage(&few, 1).is_some());
        assert_eq!(two.shortage(&Machine { ports: Some(50), ..MACHINE }, 1), None);
        assert_eq!(forecast.shortage(&Machine::default(), 1), None);
    }
}
