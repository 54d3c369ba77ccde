//! Gives up a client that takes nothing.
//!
//! `door::subscription` breaks its connection off. That ends what a stream has sent already; what
//! makes the next message ends here, at the same limit, and holds no memory beyond it.

use tokio::sync::mpsc::{Permit, Sender};
use tokio::time::timeout;
use tonic::Status;

use crate::limits::STALLED;

/// Sends a message. `false` if nobody takes it.
pub(crate) async fn send<T>(
    messages: &Sender<Result<T, Status>>,
    message: Result<T, Status>,
) -> bool {
    room(messages)
        .await
        .map(|room| room.send(message))
        .is_some()
}

/// Waits for the room for a message, for one that is made only then: while there is none it would
/// grow old. `None` if nobody takes those before it.
pub(crate) async fn room<T>(
    messages: &Sender<Result<T, Status>>,
) -> Option<Permit<'_, Result<T, Status>>> {
    timeout(STALLED, messages.reserve()).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up_and_one_that_is_gone_at_once() {
        let (messages, taken) = mpsc::channel(1);
        assert!(send(&messages, Ok(1)).await);
        let began = Instant::now();
        assert!(!send(&messages, Ok(2)).await);
        assert!(began.elapsed() >= STALLED);
        drop(taken);
        let began = Instant::now();
        assert!(room(&messages).await.is_none());
        assert!(began.elapsed() < STALLED);
    }
}
