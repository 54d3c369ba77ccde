//! A recording that is told to others as it went on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use netpoller_endpoint::told::Teller;
use netpoller_proto::v1::inspector_server::Inspector;
use tokio::time::{MissedTickBehavior, interval};

use super::console::Console;
use super::past::Past;
use super::service::Service;
use crate::failure::Failure;
use crate::source::cursor::Cursor;
use crate::source::target::Recorded;

/// How often it goes on.
const TICK: Duration = Duration::from_millis(250);

/// A recording that is told to others as it went on: for all of them it is the same moment.
#[derive(Debug)]
pub(crate) struct Replay {
    past: Arc<Past>,
    cursor: Arc<Cursor>,
}

impl Replay {
    /// Opens a recording, from its beginning or from the moment that was said.
    pub(crate) async fn open(file: &Recorded) -> Result<Self, Failure> {
        let path = file.path.clone();
        let past = tokio::task::spawn_blocking(move || Past::open(&path)).await;
        let past = past.map_err(|error| Failure::Runtime(format!("reading it: {error}")))?;
        let past = Arc::new(past?);
        let span = (past.begins_at_ns, past.ends_at_ns);
        let anchor = Service::new(Arc::clone(&past)).anchor();
        let at_ns = match &file.at {
            Some(at) => at.within(span, anchor).map_err(Failure::Usage)?,
            None => span.0,
        };
        let cursor = Arc::new(Cursor::new(span.0, span.1, Some(at_ns)));
        cursor.hold();
        Ok(Self { past, cursor })
    }

    /// What of it cannot be read, in words.
    pub(crate) fn missing(&self) -> &[String] {
        &self.past.missing
    }

    /// How long it goes on from here.
    pub(crate) fn left(&self) -> Duration {
        let left = self.cursor.ends_at_ns().saturating_sub(self.cursor.at_ns());
        Duration::from_nanos(left)
    }

    /// Who answers for it.
    pub(crate) fn inspector(&self) -> impl Inspector + use<> {
        Service::new(Arc::clone(&self.past)).at(Arc::clone(&self.cursor))
    }

    /// Who answers tokio-console for it.
    pub(crate) fn console(&self) -> impl Teller + use<> {
        Console::new(Arc::clone(&self.past), Arc::clone(&self.cursor))
    }

    /// Goes on to its end, so many times as fast as it was; then it stays there, and is told again
    /// and again as a process is of which nothing changes. `ended` is called once.
    pub(crate) async fn go_on(&self, speed: f64, ended: impl FnOnce()) -> std::convert::Infallible {
        let (mut ticks, mut ended) = (interval(TICK), Some(ended));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        loop {
            ticks.tick().await;
            let now = Instant::now();
            let time = Duration::try_from_secs_f64((now - last).as_secs_f64() * speed);
            last = now;
            self.cursor.forward(time.unwrap_or(Duration::MAX));
            if self.cursor.is_at_end()
                && let Some(ended) = ended.take()
            {
                ended();
            }
        }
    }
}
