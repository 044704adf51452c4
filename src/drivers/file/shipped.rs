//! The protocol files that ship with soakrig.

/// A protocol file that ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    /// The name by which `--protocol` finds it.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// All of them, by name.
pub const SHIPPED: [Shipped; 7] = [
    Shipped { name: "actioncable", text: include_str!("../../../protocols/actioncable.toml") },
    Shipped { name: "channels", text: include_str!("../../../protocols/channels.toml") },
    Shipped { name: "graphql-ws", text: include_str!("../../../protocols/graphql-ws.toml") },
    Shipped { name: "irc", text: include_str!("../../../protocols/irc.toml") },
    Shipped { name: "plain", text: include_str!("../../../protocols/plain.toml") },
    Shipped { name: "socketio", text: include_str!("../../../protocols/socketio.toml") },
    Shipped { name: "xmpp", text: include_str!("../../../protocols/xmpp.toml") },
];

impl Shipped {
    /// The file with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        SHIPPED.into_iter().find(|file| file.name == name)
    }

    /// Its purpose: the leading comment, in one line.
    #[must_use]
    pub fn about(self) -> String {
        let comment = self.text.lines().map_while(|line| line.strip_prefix('#'));
        comment.map(str::trim).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests;
