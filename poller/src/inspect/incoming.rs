//! The accept loop: who is let in, and how many.
//!
//! It waits for nobody but the kernel. A TLS handshake has a task and a time of its own, so that one who is slow at it, or
//! sends something else, keeps nobody waiting.

use std::io;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::connection::{Connection, Stream};
use super::limits::Limits;
use crate::host::Backoff;
use crate::sys::effective_uid;

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

/// What is done with those who come.
#[derive(Clone)]
pub(super) struct Door {
    /// Addresses are hidden from those who come over TCP.
    pub(super) redact_tcp: bool,
    pub(super) limits: Limits,
    /// For those who come over TCP.
    #[cfg(feature = "tls")]
    pub(super) tls: Option<tokio_rustls::TlsAcceptor>,
}

type Accepted = mpsc::Sender<io::Result<Connection>>;

/// Accepts until nobody takes the connections any more. Those beyond the limit, and those of other users, are closed at
/// once.
pub(super) async fn accept_loop(listener: Listener, door: Door, accepted: Accepted) {
    let places = Arc::new(Semaphore::new(door.limits.connections));
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
        #[cfg(feature = "tls")]
        if let (Stream::Tcp(_), Some(_)) = (&stream, &door.tls) {
            tokio::spawn(shake_hands(stream, door.clone(), place, accepted.clone()));
            continue;
        }
        if !door.hand_over(stream, place, &accepted).await {
            return;
        }
    }
}

/// A peer that fails is told by the protocol, if at all; there is nobody else to tell.
#[cfg(feature = "tls")]
async fn shake_hands(stream: Stream, door: Door, place: OwnedSemaphorePermit, accepted: Accepted) {
    let (Stream::Tcp(stream), Some(tls)) = (stream, &door.tls) else {
        return;
    };
    if let Ok(Ok(stream)) = tokio::time::timeout(door.limits.handshake, tls.accept(stream)).await {
        door.hand_over(Stream::Tls(Box::new(stream)), place, &accepted)
            .await;
    }
}

impl Door {
    /// `false` when nobody takes it.
    async fn hand_over(
        &self,
        stream: Stream,
        place: OwnedSemaphorePermit,
        accepted: &Accepted,
    ) -> bool {
        let redact = self.redact_tcp && !matches!(stream, Stream::Unix(_));
        let connection = Connection::new(stream, redact, &self.limits, place);
        accepted.send(Ok(connection)).await.is_ok()
    }
}

/// The permissions of the socket say the same; but they can be changed, and a descriptor can be passed on.
fn is_allowed(stream: &Stream) -> bool {
    match stream {
        Stream::Unix(stream) => stream
            .peer_cred()
            .is_ok_and(|peer| is_allowed_user(peer.uid(), effective_uid())),
        // The kernel does not know; the token and the certificate say it.
        _ => true,
    }
}

/// Whether a process of the user `own` answers to one of the user `peer`.
pub(super) fn is_allowed_user(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}
