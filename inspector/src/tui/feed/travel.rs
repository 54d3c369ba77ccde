//! Going through what was recorded, forth and back.

use std::convert::Infallible;

use tokio::sync::watch;

use super::super::known::{Travel, Wanted};
use super::asked::Asked;

/// Moves the moment at which a recording is looked at, as somebody goes through it from there on.
pub(super) async fn travel(
    asked: &Asked<'_>,
    mut wanted: watch::Receiver<Wanted>,
    from: Travel,
) -> Infallible {
    let (connection, mut seen) = (asked.connection, from);
    if !connection.is_recording() {
        return std::future::pending().await;
    }
    loop {
        let now = wanted.borrow_and_update().travel;
        let time = asked
            .interval
            .saturating_mul(now.steps.abs_diff(seen.steps));
        match now.steps > seen.steps {
            true => connection.pass(time).await,
            false => connection.back(time),
        }
        for _ in 0..now.finds.abs_diff(seen.finds) {
            connection.jump(now.finds > seen.finds).await;
        }
        seen = now;
        if wanted.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
