//! Going through a recording, forth and back.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;

use super::super::known::Wanted;
use crate::source::Connection;

/// Moves the moment at which a recording is looked at, as somebody steps through it.
pub(super) async fn travel(
    connection: &Connection,
    interval: Duration,
    mut wanted: watch::Receiver<Wanted>,
) -> Infallible {
    let mut steps = wanted.borrow().travelled;
    while wanted.changed().await.is_ok() {
        let now = wanted.borrow_and_update().travelled;
        let time = interval.saturating_mul(now.abs_diff(steps));
        match now > steps {
            true if connection.is_recording() => connection.pass(time).await,
            true => {}
            false => connection.back(time),
        }
        steps = now;
    }
    std::future::pending().await
}
