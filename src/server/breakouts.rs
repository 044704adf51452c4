//! The breakouts of a plenary: capacity, one breakout per user, taking over.
//!
//! Owned by the plenary's task, which passes its own channel in to receive the breakouts' lists.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::accounts::User;
use super::channel::Channel;
use super::options::PresenceMode;
use super::plenary::Breakout;
use super::plenary_handle::PlenaryContext;
use super::socket::ServerSocket;
use super::wire::{self, BreakoutRefusal};

#[derive(Debug)]
struct BreakoutChannel {
    id: u64,
    capacity: usize,
    channel: Channel,
}

/// All breakouts of one plenary.
#[derive(Debug)]
pub(super) struct Breakouts {
    breakouts: Vec<BreakoutChannel>,
    context: PlenaryContext,
    /// Breakouts whose list the plenary has not received yet (batched presence).
    stale: BTreeSet<u64>,
}

impl Breakouts {
    pub(super) fn new(breakouts: &[Breakout], context: PlenaryContext) -> Self {
        let channel = |breakout: &Breakout| BreakoutChannel {
            id: breakout.id,
            capacity: breakout.max_attendees,
            channel: Channel::new(format!("breakout-{}", breakout.id)),
        };
        Self { breakouts: breakouts.iter().map(channel).collect(), context, stale: BTreeSet::new() }
    }

    /// Adds a socket to breakout `id`, or tells it why not. With `take_over`, the user's sockets in
    /// other breakouts are removed. A socket that is in already stays.
    pub(super) async fn join(&mut self, id: u64, socket: &Arc<ServerSocket>, take_over: bool, plenary: &Channel) {
        let Some(user) = socket.user.clone() else { return };
        if take_over {
            self.leave_others(id, &user, plenary).await;
        } else if self.breakouts.iter().any(|breakout| breakout.id != id && breakout.channel.members.contains(user.id))
        {
            return socket.send(&[wire::breakout_refused(&own_channel(socket), BreakoutRefusal::AlreadyConnected)]);
        }
        let Some(breakout) = self.breakouts.iter_mut().find(|breakout| breakout.id == id) else { return };
        let members = &breakout.channel.members;
        if members.len() >= breakout.capacity && !members.contains(user.id) {
            return socket.send(&[wire::breakout_refused(&own_channel(socket), BreakoutRefusal::OverCapacity)]);
        }
        if !breakout.channel.contains(socket.id) {
            breakout.channel.join(socket, Instant::now());
            self.context.counters.sockets.breakout_now.increment();
        }
        self.broadcast_list(id, plenary).await;
    }

    /// Removes the user's sockets from every breakout but `id`, and tells them.
    async fn leave_others(&mut self, id: u64, user: &User, plenary: &Channel) {
        for at in 0..self.breakouts.len() {
            let Some(breakout) = self.breakouts.get_mut(at).filter(|breakout| breakout.id != id) else { continue };
            let sockets = breakout.channel.sockets_of(user.id);
            for socket in &sockets {
                breakout.channel.leave(socket.id);
                self.context.counters.sockets.breakout_now.subtract(1);
                socket.send(&[wire::breakout_refused(&own_channel(socket), BreakoutRefusal::AlreadyConnected)]);
            }
            let breakout = breakout.id;
            if !sockets.is_empty() {
                self.broadcast_list(breakout, plenary).await;
            }
        }
    }

    /// Removes a socket from its breakout, if it is in one.
    pub(super) async fn leave(&mut self, socket_id: u64, plenary: &Channel) {
        let Some(breakout) = self.breakouts.iter_mut().find(|breakout| breakout.channel.contains(socket_id)) else {
            return;
        };
        let (id, departure) = (breakout.id, breakout.channel.leave(socket_id));
        self.context.counters.sockets.breakout_now.subtract(1);
        if departure.is_some_and(|departure| departure.changed) {
            self.broadcast_list(id, plenary).await;
        }
    }

    /// Records a keepalive of a user.
    pub(super) fn touch(&mut self, user: u64) {
        for breakout in &mut self.breakouts {
            breakout.channel.members.touch(user, Instant::now());
        }
    }

    /// Removes silent users from the lists.
    pub(super) async fn prune(&mut self, plenary: &Channel) {
        for at in 0..self.breakouts.len() {
            let Some(breakout) = self.breakouts.get_mut(at) else { continue };
            let pruned = breakout.channel.members.prune(Instant::now(), self.context.timing.silence);
            let id = breakout.id;
            if pruned > 0 {
                self.context.counters.sent.pruned.add(pruned as u64);
                self.broadcast_list(id, plenary).await;
            }
        }
    }

    /// Sends the plenary the lists it has not received yet.
    pub(super) async fn send_stale_lists(&mut self, plenary: &Channel) {
        for id in std::mem::take(&mut self.stale) {
            self.send_list_to_plenary(id, plenary).await;
        }
    }

    /// Each breakout's users; empty ones are left out.
    pub(super) fn occupied(&self) -> Vec<(u64, Vec<Arc<User>>)> {
        let listed =
            |breakout: &BreakoutChannel| (breakout.id, breakout.channel.members.users().cloned().collect::<Vec<_>>());
        self.breakouts.iter().map(listed).filter(|(_, users)| !users.is_empty()).collect()
    }

    /// Sends a breakout's list to its sockets, and to the plenary as the presence mode says.
    async fn broadcast_list(&mut self, id: u64, plenary: &Channel) {
        if let Some(breakout) = self.breakouts.iter().find(|breakout| breakout.id == id) {
            let frame = wire::presence(&breakout.channel.member_list(&self.context.image, None));
            breakout.channel.broadcast(&[frame]).await;
        }
        match self.context.presence {
            PresenceMode::Full => self.send_list_to_plenary(id, plenary).await,
            PresenceMode::Batched(_) => {
                self.stale.insert(id);
            }
            PresenceMode::Off => {}
        }
    }

    async fn send_list_to_plenary(&self, id: u64, plenary: &Channel) {
        if let Some(breakout) = self.breakouts.iter().find(|breakout| breakout.id == id) {
            let list = breakout.channel.member_list(&self.context.image, Some(id));
            plenary.broadcast(&[wire::breakout_presence(&list)]).await;
        }
    }
}

/// A socket's own channel name, as refusals show it.
fn own_channel(socket: &ServerSocket) -> String {
    format!("specific.{:032x}!{:032x}", 0x4faf_d98d_39f0_4099_u64, socket.id)
}
