//! The gauge of open sockets, held for as long as one is open.

use std::sync::Arc;

use crate::metrics::Metrics;
use crate::model::SocketKind;

/// One open socket: counted from its making to its dropping, whatever ends it, a panic included.
pub(super) struct Open {
    metrics: Arc<Metrics>,
    socket: SocketKind,
}

impl Open {
    pub(super) fn new(metrics: &Arc<Metrics>, socket: SocketKind) -> Self {
        metrics.connection_opened(socket);
        Self { metrics: Arc::clone(metrics), socket }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.connection_closed(self.socket);
    }
}
