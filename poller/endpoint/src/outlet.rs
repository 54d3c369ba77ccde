//! Takes the messages of one stream, and gives up a client that takes none of them.
//!
//! `door::subscription` breaks its connection off. That ends what a stream has sent already; what
//! makes the next message ends here, at the same limit, and holds no memory beyond it.

use std::time::Duration;

use tokio::sync::mpsc::{Permit, Receiver, Sender, channel};
use tokio::time::timeout;
use tonic::Status;

type Message<T> = Result<T, Status>;

/// Where the messages of one stream go.
#[derive(Debug)]
pub(crate) struct Outlet<T> {
    messages: Sender<Message<T>>,
    /// A client that takes none for so long is given up.
    stalled: Duration,
}

impl<T> Outlet<T> {
    /// For a client that may have so many messages to take.
    pub(crate) fn new(room: usize, stalled: Duration) -> (Self, Receiver<Message<T>>) {
        let (messages, taken) = channel(room);
        (Self { messages, stalled }, taken)
    }

    /// Sends a message. `false` if nobody takes it.
    pub(crate) async fn send(&self, message: Message<T>) -> bool {
        let room = self.room().await;
        room.map(|room| room.send(message)).is_some()
    }

    /// Sends a message if there is room for it now. `false` if not, or if nobody is there.
    pub(crate) fn offer(&self, message: T) -> bool {
        self.messages.try_send(Ok(message)).is_ok()
    }

    /// Waits for the room for a message, for one that is made only then: while there is none it
    /// would grow old. `None` if nobody takes those before it.
    pub(crate) async fn room(&self) -> Option<Permit<'_, Message<T>>> {
        let room = timeout(self.stalled, self.messages.reserve()).await;
        room.ok()?.ok()
    }

    /// Waits until the client has gone.
    pub(crate) async fn closed(&self) {
        self.messages.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up_and_one_that_is_gone_at_once() {
        for stalled in [Duration::from_secs(30), Duration::from_secs(600)] {
            let (outlet, taken) = Outlet::new(1, stalled);
            assert!(outlet.send(Ok(1)).await);
            let began = Instant::now();
            assert!(!outlet.send(Ok(2)).await);
            assert!((stalled..2 * stalled).contains(&began.elapsed()));
            assert!(!outlet.offer(3));
            drop(taken);
            let began = Instant::now();
            assert!(outlet.room().await.is_none());
            assert!(began.elapsed() < stalled);
        }
    }
}
