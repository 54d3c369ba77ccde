//! The accept loop: who is let in, and how many.
//!
//! It waits for nobody but the kernel. A TLS handshake has a task and a time of its own, so that
//! one who is slow at it, or sends something else, keeps nobody waiting.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netpoller_core::internals::effective_uid;
use netpoller_host::{Backoff, Place, Places, Reserve};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::connection::{Connection, Stream};
use crate::limits::Limits;

/// A socket that listens.
#[derive(Debug)]
pub(crate) enum Listener {
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

impl Listener {
    /// A connection that was accepted past the runtime.
    fn adopt(&self, fd: OwnedFd) -> io::Result<Stream> {
        Ok(match self {
            Listener::Unix(_) => Stream::Unix(UnixStream::from_std(fd.into())?),
            Listener::Tcp(_) => {
                let stream = TcpStream::from_std(fd.into())?;
                let _ = stream.set_nodelay(true);
                Stream::Tcp(stream)
            }
        })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Unix(listener) => listener.as_fd(),
            Listener::Tcp(listener) => listener.as_fd(),
        }
    }
}

/// What is done with those who come.
#[derive(Clone)]
pub(crate) struct Door {
    /// Addresses are hidden from those who come over TCP.
    pub(crate) redact_tcp: bool,
    pub(crate) limits: Limits,
    /// For when the process is out of descriptors.
    pub(crate) reserve: Reserve,
    /// For those who come over TCP.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<tokio_rustls::TlsAcceptor>,
}

type Accepted = mpsc::Sender<io::Result<Connection>>;

/// Accepts until nobody takes the connections any more. Those of other users are closed at once,
/// and so are those beyond the limit if nobody is idle who could go.
pub(crate) async fn accept_loop(listener: Listener, door: Door, accepted: Accepted) {
    let places = Places::new(door.limits.connections, None);
    let mut backoff = Backoff::new(door.reserve.clone());
    loop {
        // Whoever came before is served first, else a crowd that comes at once would push itself
        // out.
        tokio::task::yield_now().await;
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => match backoff.wait(&error, &listener).await {
                Some(fd) => match listener.adopt(fd) {
                    Ok(stream) => stream,
                    Err(_) => continue,
                },
                None => continue,
            },
        };
        backoff.reset();
        if !is_allowed(&stream) {
            door.turn_away(stream);
            continue;
        }
        let Some(place) = places.take() else {
            door.turn_away(stream);
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
async fn shake_hands(stream: Stream, door: Door, place: Place, accepted: Accepted) {
    let (Stream::Tcp(stream), Some(tls)) = (stream, &door.tls) else {
        return;
    };
    let hands = tokio::time::timeout(door.limits.handshake, tls.accept(stream));
    let stream = tokio::select! {
        hands = hands => hands,
        // Another one has the place.
        () = place.seat().dismissed() => return,
    };
    if let Ok(Ok(stream)) = stream {
        door.hand_over(Stream::Tls(Box::new(stream)), place, &accepted)
            .await;
    }
}

impl Door {
    /// `false` when nobody takes it.
    async fn hand_over(&self, stream: Stream, place: Place, accepted: &Accepted) -> bool {
        let redact = self.redact_tcp && !matches!(stream, Stream::Unix(_));
        let reserve = self.reserve.clone();
        let connection = Connection::new(stream, redact, &self.limits, place, reserve);
        accepted.send(Ok(connection)).await.is_ok()
    }

    fn turn_away(&self, stream: Stream) {
        if let Some(fd) = stream.into_fd() {
            self.reserve.take_back(fd);
        }
    }
}

/// The permissions of the socket say the same; but they can be changed, and a descriptor can be
/// passed on.
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
pub(crate) fn is_allowed_user(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}
