//! A connection on which the user sends nothing, beside one on which it sends keepalives.

use std::time::Duration;

use tokio::time::Instant;

use super::finding::Finding;
use super::recorder::shown;
use super::seat::Seat;
use super::talk::{DOUBT, Talk};
use crate::marker::PREFIX;
use crate::protocol::{Connection, SignOfLife};
use crate::telemetry::stdio::tell;

/// How long the connections are watched at most.
const SILENCE: Duration = Duration::from_secs(90);

impl<C: Connection> Talk<'_, C> {
    /// Tests what happens to a connection on which the user sends nothing, and whether keepalives hold the other
    /// open: that one is watched until the server could have ended it twice.
    pub(super) async fn silence(&mut self, patient: bool) {
        if !patient {
            let what = format!("silence: not tried; --patient watches silent connections for {} s", SILENCE.as_secs());
            return self.findings.add(Finding::note(what));
        }
        tell(&format!("    silence for {} s", SILENCE.as_secs()));
        let begin = Instant::now();
        for (who, seat) in self.seats.iter_mut().enumerate() {
            seat.talks = who > 0;
            seat.news.last_read = Some(begin);
        }
        let before = self.seats.get(1).map_or(0, |other| other.recorder.strays().len());
        let mut silenced = None;
        self.until(SILENCE, |seats| {
            if seats.first().is_some_and(has_ended) {
                silenced.get_or_insert_with(|| begin.elapsed());
            }
            seats.iter().all(has_ended) || silenced.is_some_and(|after| begin.elapsed() > 2 * after + DOUBT)
        })
        .await;
        let gap = self.seats.iter().filter_map(|seat| seat.news.last_read).map(|at| at.elapsed()).max();
        let every = self.seats.first().map(|seat| seat.connection.keepalive().every).unwrap_or_default();
        let finding = match (silenced, self.seats.get(1).filter(|seat| has_ended(seat))) {
            (Some(after), Some(other)) if every < after => self.unkept((other, before), every, after),
            (Some(after), _) => self.silenced(after),
            (None, Some(other)) => self.unkept((other, before), every, begin.elapsed()),
            (None, None) => self.stayed_open(gap.unwrap_or_default()),
        };
        self.findings.add(finding);
    }

    /// The finding if the server ended a connection although keepalives went out: it waits for something else,
    /// such as an answer to the first frame without a rule after the first `before`.
    fn unkept(&self, (seat, before): (&Seat<C>, usize), every: Duration, after: Duration) -> Finding {
        let how = seat.recorder.close().map(|close| format!(" ({close})")).unwrap_or_default();
        let (after, every) = (after.as_secs_f64(), every.as_secs_f64());
        let what = format!(
            "the server ends a connection after {after:.1} s, although it gets a keepalive every {every:.1} s{how}"
        );
        let remedy = match seat.recorder.strays().iter().skip(before).find(|stray| !stray.contains(PREFIX)) {
            Some(stray) => format!("if it wants an answer to {}, add a [[reply]]", shown(stray)),
            None => "add a [keepalive] whose send is what the server expects".to_owned(),
        };
        let text = format!("{what}: {remedy}");
        let place = (self.place)("keepalive").or_else(|| (self.place)("socket"));
        Finding::wrong(place.map_or_else(|| text.clone(), |place| format!("{place}: {text}")))
    }

    /// The finding if the server ended the silent connection.
    fn silenced(&self, after: Duration) -> Finding {
        let Some(seat) = self.seats.first() else { return Finding::note("no connection") };
        let how = seat.recorder.close().map(|close| format!(" ({close})")).unwrap_or_default();
        let what = format!("the server ends a connection that is silent for {:.1} s{how}", after.as_secs_f64());
        let every = seat.connection.keepalive().every;
        if every < after {
            return Finding::fine(format!("{what}; a keepalive every {:.1} s comes sooner", every.as_secs_f64()));
        }
        let now = every.as_secs_f64();
        let place = (self.place)("keepalive.every");
        let remedy = match place {
            Some(_) => format!("set every below that; it is {now:.1} s"),
            None => {
                format!("add a [keepalive] with every below that; without one, soakrig sends one every {now:.1} s")
            }
        };
        let place = place.or_else(|| (self.place)("socket"));
        let text = format!("{what}: {remedy}");
        Finding::wrong(place.map_or_else(|| text.clone(), |place| format!("{place}: {text}")))
    }

    /// The finding if silent connections stayed open; `gap` is the longest silence of the server.
    fn stayed_open(&self, gap: Duration) -> Finding {
        let keepalive = self.seats.first().map(|seat| seat.connection.keepalive()).unwrap_or_default();
        let what = format!("a silent connection stays open for {} s", SILENCE.as_secs());
        // Every server answers a websocket ping, but perhaps not the protocol's own keepalive.
        if keepalive.sign == SignOfLife::Heartbeat && gap > keepalive.silent_after {
            let limit = keepalive.silent_after.as_secs_f64();
            let why = format!("silent_after = {limit:.0} s, but the server is silent for {:.0} s", gap.as_secs_f64());
            return Finding::wrong(self.at("socket.silent_after", &format!("{why}: set it higher")));
        }
        Finding::fine(what)
    }
}

fn has_ended<C>(seat: &Seat<C>) -> bool {
    seat.news.ended.is_some()
}
