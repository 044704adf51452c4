//! Spans of sampled chats: from the intended time of the schedule to the last delivery.
//!
//! Samples one number in a hundred, with an offset drawn from the seed; at most ten per second and 64 open at once, so
//! that the cost does not grow with the load. Callers pass in the ledger's view of whether a chat has settled.

use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use parking_lot::Mutex;

use super::Traces;

/// One chat in this many is traced: one percent of the chats bear the cost, not each chat a percent.
const ONE_IN: u64 = 100;
/// Maximum number of chats traced per second. With 10,000 receivers each, that is 100,000 arrivals per second, the
/// throughput of a core.
const MOST_A_SECOND: u32 = 10;
/// Maximum number of open chats. Ten per second stay open for the default deadline of 10 s only if the server is slow;
/// then a part of them is enough.
const MOST_OPEN: usize = 64;

/// Identity of a chat of this generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatId {
    /// The tag of its room.
    pub room: u32,
    /// Its number in this room.
    pub seq: u64,
}

/// A chat that was handed to its sender's socket.
#[derive(Debug, Clone, Copy)]
pub struct Chat<'a> {
    /// Its identity.
    pub id: ChatId,
    /// The sender's name.
    pub sender: &'a str,
    /// Number of connections that should receive it.
    pub expected: u32,
    /// Its intended time.
    pub intended: SystemTime,
    /// When it was handed over.
    pub handed: SystemTime,
}

/// The ledger's view of a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Number of deliveries without a verdict.
    pub outstanding: u32,
    /// Number of lost deliveries.
    pub lost: u32,
}

/// The traced chats; does nothing if traces are off.
#[derive(Debug, Default)]
pub struct ChatTraces(Option<Sampled>);

#[derive(Debug)]
struct Sampled {
    tracer: SdkTracer,
    /// Remainder of the traced numbers modulo [`ONE_IN`].
    rest: u64,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    chats: Vec<Under>,
    /// The second for which `begun` counts, since the Unix epoch.
    second: u64,
    begun: u32,
}

/// An open chat.
#[derive(Debug)]
struct Under {
    id: ChatId,
    span: Span,
    arrivals: u32,
}

impl ChatTraces {
    /// Sampling by this seed, exported with these traces.
    #[must_use]
    pub fn sampled(traces: &Traces, seed: u64) -> Self {
        Self(Some(Sampled { tracer: traces.tracer.clone(), rest: seed % ONE_IN, open: Mutex::default() }))
    }

    /// Whether a chat with this number may be traced; cheap enough for every arrival.
    #[must_use]
    pub fn samples(&self, seq: u64) -> bool {
        self.0.as_ref().is_some_and(|sampled| seq % ONE_IN == sampled.rest)
    }

    /// Opens the span of a chat, if it is sampled.
    pub fn begin(&self, chat: Chat<'_>) {
        if !self.samples(chat.id.seq) {
            return;
        }
        let Some(sampled) = &self.0 else { return };
        let mut open = sampled.open.lock();
        if open.chats.len() >= MOST_OPEN || !open.admit(chat.handed) {
            return;
        }
        let lag = chat.handed.duration_since(chat.intended).unwrap_or_default();
        let span = sampled
            .tracer
            .span_builder("chat")
            .with_kind(SpanKind::Producer)
            .with_start_time(chat.intended)
            .with_attributes([
                KeyValue::new("soakrig.user", chat.sender.to_owned()),
                KeyValue::new("soakrig.seq", i64::try_from(chat.id.seq).unwrap_or(i64::MAX)),
                KeyValue::new("soakrig.expected", i64::from(chat.expected)),
                KeyValue::new("soakrig.lag_seconds", lag.as_secs_f64()),
            ])
            .start_with_context(&sampled.tracer, &opentelemetry::Context::new());
        open.chats.push(Under { id: chat.id, span, arrivals: 0 });
    }

    /// Notes that a user read a chat at `at`; closes its span if that settled it.
    pub fn arrived(&self, id: ChatId, at: SystemTime, progress: impl FnOnce() -> Option<Progress>) {
        let Some(sampled) = &self.0 else { return };
        let mut open = sampled.open.lock();
        let Some(place) = open.chats.iter().position(|chat| chat.id == id) else { return };
        if let Some(chat) = open.chats.get_mut(place) {
            chat.arrivals += 1;
            if chat.arrivals == 1 {
                chat.span.add_event_with_timestamp("first arrival", at, Vec::new());
            }
        }
        let Some(progress) = progress() else { return };
        if progress.outstanding == 0 {
            open.chats.swap_remove(place).close(at, Some(progress));
        }
    }

    /// Closes the spans of chats that have settled without an arrival, by a verdict or the end of a connection.
    pub fn sweep(&self, now: SystemTime, mut progress: impl FnMut(ChatId) -> Option<Progress>) {
        let Some(sampled) = &self.0 else { return };
        let mut open = sampled.open.lock();
        for chat in std::mem::take(&mut open.chats) {
            match progress(chat.id) {
                Some(progress) if progress.outstanding > 0 => open.chats.push(chat),
                settled => chat.close(now, settled),
            }
        }
    }

    /// Closes open spans at the end of a run.
    pub fn finish(&self, now: SystemTime) {
        let Some(sampled) = &self.0 else { return };
        for chat in std::mem::take(&mut sampled.open.lock().chats) {
            chat.close(now, None);
        }
    }
}

impl Open {
    fn admit(&mut self, at: SystemTime) -> bool {
        let second = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        if second != self.second {
            (self.second, self.begun) = (second, 0);
        }
        self.begun += 1;
        self.begun <= MOST_A_SECOND
    }
}

impl Under {
    /// Closes the span; without `progress` the run ended before the chat had settled.
    fn close(mut self, at: SystemTime, progress: Option<Progress>) {
        let outcome = match progress {
            None => "outstanding",
            Some(Progress { lost: 0, .. }) => "settled",
            Some(_) => "lost",
        };
        let lost = progress.map_or(0, |progress| progress.lost);
        self.span.set_attribute(KeyValue::new("outcome", outcome));
        self.span.set_attribute(KeyValue::new("soakrig.arrivals", i64::from(self.arrivals)));
        self.span.set_attribute(KeyValue::new("soakrig.lost", i64::from(lost)));
        if lost > 0 {
            self.span.set_status(Status::error("deliveries were lost"));
        }
        self.span.end_with_timestamp(at);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use opentelemetry::Context;
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanProcessor};

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Ended(Arc<Mutex<Vec<SpanData>>>);

    impl SpanProcessor for Ended {
        fn on_start(&self, _: &mut Span, _: &Context) {}
        fn on_end(&self, span: SpanData) {
            self.0.lock().push(span);
        }
        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }
        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    fn traced() -> (ChatTraces, Ended, SdkTracerProvider) {
        let ended = Ended::default();
        let provider = SdkTracerProvider::builder().with_span_processor(ended.clone()).build();
        let sampled = Sampled { tracer: provider.tracer("test"), rest: 3, open: Mutex::default() };
        (ChatTraces(Some(sampled)), ended, provider)
    }

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000 + millis)
    }

    fn id(seq: u64) -> ChatId {
        ChatId { room: 1, seq }
    }

    fn chat(seq: u64, millis: u64) -> Chat<'static> {
        Chat { id: id(seq), sender: "loadtest1", expected: 2, intended: at(millis), handed: at(millis + 5) }
    }

    fn left(outstanding: u32, lost: u32) -> Option<Progress> {
        Some(Progress { outstanding, lost })
    }

    fn outcome(span: &SpanData) -> &str {
        let outcome = span.attributes.iter().find(|pair| pair.key.as_str() == "outcome").unwrap();
        match &outcome.value {
            opentelemetry::Value::String(text) => text.as_str(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_chat_lasts_from_its_intent_to_its_last_delivery() {
        let (chats, ended, _provider) = traced();
        chats.begin(chat(3, 0));
        chats.begin(chat(4, 0));
        chats.arrived(id(3), at(20), || left(1, 0));
        chats.arrived(id(4), at(25), || panic!("it is not traced"));
        chats.arrived(ChatId { room: 2, seq: 3 }, at(25), || panic!("it is another room's"));
        assert!(ended.0.lock().is_empty());
        chats.arrived(id(3), at(70), || left(0, 0));
        let ended = ended.0.lock();
        let [span] = &ended[..] else { panic!("{ended:?}") };
        assert_eq!((span.start_time, span.end_time, outcome(span)), (at(0), at(70), "settled"));
        assert_eq!(span.events.iter().map(|event| event.timestamp).collect::<Vec<_>>(), [at(20)]);
    }

    #[test]
    fn a_verdict_ends_a_chat_and_so_does_the_run() {
        let (chats, ended, _provider) = traced();
        for (seq, millis) in [(3, 0), (103, 1), (203, 2), (303, 3)] {
            chats.begin(chat(seq, millis));
        }
        chats.sweep(at(61_000), |id| match id.seq {
            3 => left(0, 1),
            103 => left(0, 0),
            203 => left(2, 0),
            _ => None,
        });
        chats.finish(at(62_000));
        let told: Vec<String> = ended.0.lock().iter().map(|span| outcome(span).to_owned()).collect();
        assert_eq!(told, ["lost", "settled", "outstanding", "outstanding"]);
        assert_eq!(ended.0.lock()[0].status, Status::error("deliveries were lost"));
    }

    #[test]
    fn neither_a_high_rate_nor_a_silent_server_lets_it_grow() {
        let (chats, ended, _provider) = traced();
        let open = || chats.0.as_ref().unwrap().open.lock().chats.len();
        (0..100_000).for_each(|seq| chats.begin(chat(seq, 0)));
        assert_eq!(open(), MOST_A_SECOND as usize);
        (0..100).for_each(|second| (0..1_000).for_each(|seq| chats.begin(chat(seq, second * 1_000))));
        assert_eq!(open(), MOST_OPEN);
        chats.finish(at(0));
        assert_eq!((open(), ended.0.lock().len()), (0, MOST_OPEN));
        assert!(!ChatTraces::default().samples(3));
    }
}
