//! The accept loop: who is let in, and how many.

use std::io;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, mpsc};

use super::connection::{Connection, Stream};
use crate::host::Backoff;
use crate::sys::effective_uid;

/// Connections at a time.
pub(super) const MAX_CONNECTIONS: usize = 16;

/// A socket that listens.
#[derive(Debug)]
pub(super) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
            Listener::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                // Small answers to small questions.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

/// Accepts until nobody takes the connections any more. Those beyond the limit, and those of other users, are closed at
/// once.
pub(super) async fn accept_loop(
    listener: Listener,
    redact_tcp: bool,
    places: Arc<Semaphore>,
    accepted: mpsc::Sender<io::Result<Connection>>,
) {
    let mut backoff = Backoff::default();
    loop {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                backoff.wait(&error).await;
                continue;
            }
        };
        backoff.reset();
        if !is_allowed(&stream) {
            continue;
        }
        let Ok(place) = places.clone().try_acquire_owned() else {
            continue;
        };
        let redact = redact_tcp && matches!(stream, Stream::Tcp(_));
        if accepted
            .send(Ok(Connection::new(stream, redact, place)))
            .await
            .is_err()
        {
            return;
        }
    }
}

/// The permissions of the socket say the same; but they can be changed, and a descriptor can be passed on.
fn is_allowed(stream: &Stream) -> bool {
    match stream {
        Stream::Unix(stream) => stream
            .peer_cred()
            .is_ok_and(|peer| is_allowed_user(peer.uid(), effective_uid())),
        // Loopback; there is nobody to ask.
        Stream::Tcp(_) => true,
    }
}

/// Whether a process of the user `own` answers to one of the user `peer`.
pub(super) fn is_allowed_user(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}
