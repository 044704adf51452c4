//! Connections on which the user says nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::finding::Finding;
use super::talk::Talk;
use crate::protocol::{Connection, SignOfLife};
use crate::telemetry::stdio::tell;

/// How long a silent connection is watched.
const SILENCE: Duration = Duration::from_secs(90);

impl<C: Connection> Talk<'_, C> {
    /// What happens to a connection that says nothing.
    pub(super) async fn silence(&mut self, patient: bool) {
        if !patient {
            let what = format!("silence: not tried; --patient watches silent connections for {} s", SILENCE.as_secs());
            return self.findings.add(Finding::note(what));
        }
        tell(&format!("    silence for {} s", SILENCE.as_secs()));
        let begin = Instant::now();
        self.seats.iter_mut().for_each(|seat| {
            seat.talks = false;
            seat.news.last_read = Some(begin);
        });
        let mut gap = Duration::ZERO;
        let over = self.until(SILENCE, |seats| seats.iter().all(|seat| seat.news.ended.is_some())).await;
        let silent = begin.elapsed();
        for seat in &self.seats {
            gap = gap.max(seat.news.last_read.map_or(silent, |at| at.elapsed()));
        }
        let finding = if over { self.silenced(silent) } else { self.stayed_open(gap) };
        self.findings.add(finding);
    }

    /// The server ended connections that said nothing.
    fn silenced(&self, after: Duration) -> Finding {
        let Some(seat) = self.seats.first() else { return Finding::note("no connection") };
        let how = seat.recorder.close().map(|close| format!(" ({close})")).unwrap_or_default();
        let what = format!("the server ends a connection that says nothing for {:.1} s{how}", after.as_secs_f64());
        let every = seat.connection.keepalive().every;
        if every < after {
            return Finding::fine(format!("{what}; a sign of life every {:.1} s comes before", every.as_secs_f64()));
        }
        let now = every.as_secs_f64();
        let place = (self.place)("keepalive.every");
        let remedy = match place {
            Some(_) => format!("set every below it; it is {now:.1} s now"),
            None => format!("add a [keepalive] with every below it; now a sign of life comes every {now:.1} s"),
        };
        let place = place.or_else(|| (self.place)("socket"));
        let text = format!("{what}: {remedy}");
        Finding::wrong(place.map_or_else(|| text.clone(), |place| format!("{place}: {text}")))
    }

    /// The connections stayed open; `gap` is how long the server said nothing itself.
    fn stayed_open(&self, gap: Duration) -> Finding {
        let keepalive = self.seats.first().map(|seat| seat.connection.keepalive()).unwrap_or_default();
        let what = format!("a connection that says nothing stays open for {} s", SILENCE.as_secs());
        // A websocket ping is answered by every server, the protocol's own sign of life perhaps not.
        if keepalive.sign == SignOfLife::Heartbeat && gap > keepalive.silent_after {
            let limit = keepalive.silent_after.as_secs_f64();
            let why =
                format!("silent_after = {limit:.0} s, but the server says nothing for {:.0} s", gap.as_secs_f64());
            return Finding::wrong(self.at("socket.silent_after", &format!("{why}: set it higher")));
        }
        Finding::fine(what)
    }
}
