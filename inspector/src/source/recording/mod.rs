//! What a process has told, in a file.
//!
//! A recording has the messages of the protocol as they came. Whoever asks it is answered as the
//! process would have answered at the moment at which it is looked at: at its end, unless another
//! is said. What goes on, such as changes and events, comes from there or from the beginning, as
//! fast as it is taken.
//!
//! | file | holds |
//! |---|---|
//! | `block` | blocks of bytes, and finding them again in a file that was cut or damaged |
//! | `entries` | messages as the bytes of a block |
//! | `writer` | writing a recording |
//! | `past` | a recording that can be read |
//! | `moment` | how things stood at a moment |
//! | `timeline` | how the process went on |
//! | `memory` | what a process has told lately, in memory |
//! | `events`, `waits` | what happened, and the latencies that follow from it |
//! | `sending` | messages one after another |
//! | `service`, `streams` | answers in the messages of the protocol |
//! | `console` | what tokio-console is told of it |
//! | `replay` | telling it to others as it went on |

mod block;
mod console;
mod entries;
mod events;
mod memory;
mod moment;
mod past;
mod replay;
mod sending;
mod service;
mod streams;
mod timeline;
mod waits;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::at::At;
use super::cursor::Cursor;
use super::endpoint::{Connection, Peer};
use super::serve;
use super::target::{Recorded, Target};
use crate::failure::Failure;
use past::Past;
use service::Service;

pub(crate) use memory::{Memory, Recalled};
pub(crate) use replay::Replay;
pub(crate) use writer::Writer;

/// Opens a recording.
pub(super) async fn connect(file: &Recorded, timeout: Duration) -> Result<Connection, Failure> {
    let path = file.path.clone();
    let past = tokio::task::spawn_blocking(move || Past::open(&path)).await;
    let target = Target::File(file.clone());
    let past = past.map_err(|error| Failure::Runtime(format!("reading {target}: {error}")))?;
    open(past?, file.at.as_ref(), &target, timeout).await
}

/// A connection to what answers for the past.
async fn open(
    past: Past,
    at: Option<&At>,
    target: &Target,
    timeout: Duration,
) -> Result<Connection, Failure> {
    let past = Arc::new(past);
    let span = (past.begins_at_ns, past.ends_at_ns);
    let service = Service::new(Arc::clone(&past));
    let at_ns = match at {
        None => None,
        Some(at) => {
            let at_ns = at.within(span, service.anchor()).map_err(Failure::Usage)?;
            Some(at_ns)
        }
    };
    let cursor = Arc::new(Cursor::new(span.0, span.1, at_ns));
    let service = service.at(Arc::clone(&cursor));
    let connection = serve::connect(service, target, timeout, &Peer::default()).await?;
    let (mut wanted, marks) = (cursor.timeline_wanted(), Arc::downgrade(&cursor));
    tokio::spawn(async move {
        // All of it is read for that, and few ask.
        if wanted.wait_for(|it| *it).await.is_err() {
            return;
        }
        let timeline = tokio::task::spawn_blocking(move || timeline::of(&past)).await;
        if let Some(cursor) = marks.upgrade() {
            cursor.mark(timeline.unwrap_or_default());
        }
    });
    Ok(connection.of_recording(cursor))
}
