//! Messages one after another, as fast as they are taken.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Messages one after another.
pub(super) type Stream<T> = ReceiverStream<Result<T, Status>>;

/// Does work that reads, on a thread for such work, and gives what it says.
pub(super) fn stream<T: Send + 'static>(
    work: impl FnOnce(&dyn Fn(T) -> bool) + Send + 'static,
) -> Stream<T> {
    let (sender, stream) = mpsc::channel(1);
    tokio::task::spawn_blocking(move || {
        work(&|message| sender.blocking_send(Ok(message)).is_ok());
    });
    ReceiverStream::new(stream)
}
