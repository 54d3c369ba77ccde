//! What a future has spent, as fields of a span of `tracing`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tracing::Span;

use super::{Awaited, Measured, Spent, measured};

/// Names of the fields by what was waited for, in the order of [`Awaited::ALL`].
const PARKED: [&str; Awaited::COUNT] = [
    "read_ns",
    "write_ns",
    "accept_ns",
    "connect_ns",
    "sleep_ns",
    "other_ns",
];

impl Spent {
    /// Records where the time went in those of these fields that `span` was made with, all in
    /// nanoseconds but the first:
    ///
    /// | field | |
    /// |---|---|
    /// | `spent` | all of it, as one line of text |
    /// | `before_first_poll_ns` | the time before, from the call of [`traced`] to its first poll |
    /// | `wall_ns`, `running_ns` | the whole, and the time in which it ran |
    /// | `read_ns`, `write_ns`, `accept_ns`, `connect_ns`, `sleep_ns`, `other_ns` | the time parked, by what it waited for |
    /// | `kernel_ns`, `unpolled_ns`, `poller_ns`, `scheduler_ns` | the time parked, by who had it |
    pub fn record(&self, span: &Span) {
        let ns = |duration: std::time::Duration| duration.as_nanos() as u64;
        let total = self.parked_total();
        span.record("spent", tracing::field::display(self))
            .record("before_first_poll_ns", ns(self.before_first_poll()))
            .record("wall_ns", ns(self.wall()))
            .record("running_ns", ns(self.running()))
            .record("kernel_ns", ns(total.kernel()))
            .record("unpolled_ns", ns(total.unpolled()))
            .record("poller_ns", ns(total.poller()))
            .record("scheduler_ns", ns(total.scheduler()));
        for (field, awaited) in PARKED.into_iter().zip(Awaited::ALL) {
            span.record(field, ns(self.parked(awaited).total()));
        }
    }
}

/// Measures `future`, as [`measured`] does, and records where its time went in the fields of the
/// current span ([`Spent::record`]) when it is done, or dropped before.
///
/// A span has the fields that it was made with, so those that are wanted are declared there. Inside
/// `instrument` the current span is that one.
///
/// ```
/// use netpoller::task;
/// use tracing::field::Empty;
/// use tracing::{Instrument, info_span};
///
/// # netpoller::block_on(async {
/// let span = info_span!("request", path = "/item", spent = Empty, scheduler_ns = Empty);
/// let answer = task::traced(async { "answer" }).instrument(span).await;
/// # assert_eq!(answer, "answer");
/// # });
/// ```
pub fn traced<F: Future>(future: F) -> Traced<F> {
    Traced {
        measured: measured(future),
        is_done: false,
    }
}

/// The future of [`traced`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Traced<F> {
    measured: Measured<F>,
    is_done: bool,
}

impl<F: Future> Future for Traced<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let (output, spent) = ready!(Pin::new(&mut self.measured).poll(cx));
        self.is_done = true;
        spent.record(&Span::current());
        Poll::Ready(output)
    }
}

impl<F> Drop for Traced<F> {
    fn drop(&mut self) {
        if !self.is_done && self.measured.spent().polls() > 0 {
            self.measured.spent().record(&Span::current());
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::fmt::Debug;
    use std::sync::{Arc, Mutex};

    use tracing::field::{Empty, Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Instrument, Metadata, Subscriber};
    use tracing_core::span::Current;

    use super::*;

    /// What was recorded, by field. The one span there is, is the current one.
    #[derive(Clone, Default)]
    struct Records(Arc<Mutex<Vec<(&'static str, String)>>>);

    static SPAN: Mutex<Option<&'static Metadata<'static>>> = Mutex::new(None);

    impl Visit for Records {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            let record = (field.name(), format!("{value:?}"));
            self.0.lock().unwrap().push(record);
        }
    }

    impl Subscriber for Records {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, span: &Attributes<'_>) -> Id {
            *SPAN.lock().unwrap() = Some(span.metadata());
            Id::from_u64(1)
        }

        fn current_span(&self) -> Current {
            let span = SPAN.lock().unwrap().expect("a span");
            Current::new(Id::from_u64(1), span)
        }

        fn record(&self, _: &Id, values: &Record<'_>) {
            values.record(&mut self.clone());
        }

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {}

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_span_is_told_what_it_has_asked_for_once_when_the_future_is_done_and_when_it_is_dropped() {
        for is_done in [true, false] {
            let records = Records::default();
            tracing::subscriber::with_default(records.clone(), || {
                let traced = traced(async {
                    if !is_done {
                        std::future::pending::<()>().await;
                    }
                });
                let span = tracing::info_span!("request", wall_ns = Empty, spent = Empty);
                let mut future = Box::pin(traced.instrument(span));
                let poll = futures_lite::future::poll_once(&mut future);
                assert_eq!(futures_lite::future::block_on(poll).is_some(), is_done);
                drop(future);
            });
            let records = records.0.lock().unwrap();
            let fields: Vec<_> = records.iter().map(|record| record.0).collect();
            assert_eq!(fields, ["spent", "wall_ns"], "{is_done}");
            assert!(records[0].1.contains(": running "), "{records:?}");
            assert!(
                records[1].1.parse::<u64>().is_ok_and(|ns| ns > 0),
                "{records:?}"
            );
        }
    }
}
