//! Messages one after another, as fast as they are taken.

use tokio::sync::{mpsc, watch};
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

/// The same while a cursor is moved: each time `work` says what there is to say of where it is.
pub(super) fn follow<T: Send + 'static>(
    mut moves: watch::Receiver<u64>,
    mut work: impl FnMut(u64, &dyn Fn(T) -> bool) + Send + 'static,
) -> Stream<T> {
    let (sender, stream) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let at_ns = *moves.borrow_and_update();
            let to = sender.clone();
            let told = tokio::task::spawn_blocking(move || {
                work(at_ns, &|message| to.blocking_send(Ok(message)).is_ok());
                work
            });
            let Ok(again) = told.await else { return };
            work = again;
            tokio::select! {
                moved = moves.changed() => if moved.is_err() { return },
                () = sender.closed() => return,
            }
        }
    });
    ReceiverStream::new(stream)
}
