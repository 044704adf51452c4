//! The protocol of a command, and the errors for options that the protocol does not support.

use super::build::Draft;
use super::types::{ProtocolChoice, Users};

/// The protocol if none is named.
pub const DEFAULT_PROTOCOL: &str = "plenary";

/// Options that only a protocol with side rooms can follow.
const SIDE_ROOM_OPTIONS: [&str; 3] = ["breakout_rate", "breakout_stay", "disable_breakout_joining"];

impl Draft<'_> {
    /// The protocol, with the columns of these users' accounts.
    pub(super) fn protocol_of(&self, users: &Users) -> ProtocolChoice {
        let choice = self.protocol();
        let Some(accounts) = &users.accounts else { return choice };
        let no_passwords = (!accounts.has_passwords() && users.password.is_none()).then(|| {
            let why = format!("the file has no column password, which the protocol {} asks for", choice.name);
            let remedy = "add the column, or give --password-file if all accounts have the same";
            self.layers.conflict(&["accounts"], why).remedy(remedy)
        });
        ProtocolChoice { columns: accounts.columns().to_vec(), no_passwords, ..choice }
    }

    pub(super) fn protocol(&self) -> ProtocolChoice {
        let layers = &self.layers;
        let name = layers.settings.protocol.protocol.as_ref().map_or(DEFAULT_PROTOCOL, |name| name.as_str());
        let set = layers.settings.protocol.set.iter().flatten();
        let set: Vec<_> = set.map(|variable| (variable.name.clone(), variable.value.clone())).collect();
        let given: Vec<&str> = SIDE_ROOM_OPTIONS.into_iter().filter(|key| layers.origin(key).is_some()).collect();
        let none = || {
            layers
                .conflict(&given, format!("the protocol {name} has no side rooms (breakouts)"))
                .remedy("leave it out, or name a protocol that has them with --protocol")
        };
        ProtocolChoice {
            name: name.to_owned(),
            unknown: layers.conflict(&["protocol"], format!("there is no protocol {name}")),
            variables: (!set.is_empty())
                .then(|| layers.conflict(&["set"], format!("the protocol {name} has no variables"))),
            set,
            allow_exec: self.allow_exec,
            columns: Vec::new(),
            no_passwords: None,
            run: layers.settings.report.run_id.as_ref().map_or_else(String::new, |run| run.as_str().to_owned()),
            too_long: layers
                .conflict(&["message_size"], "too long")
                .remedy("give a smaller MAX in --message-size MIN..MAX"),
            long_username: layers.conflict(&["username_template", "user_range_max"], "too long"),
            side_rooms: (!given.is_empty()).then(none),
        }
    }
}
