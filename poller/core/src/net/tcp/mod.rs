//! TCP.

mod listener;
mod stream;

pub use listener::{Incoming, TcpListener};
pub use stream::TcpStream;

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// How long a connection is silent before the kernel asks whether the peer is still there, and how
/// long it waits for each of its answers; Go's `net.Dialer` and `net.ListenConfig` have the same.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How many answers may be missing before the connection is given up, as in Go.
const PROBES: u32 = 9;

/// Sets what Go sets on each connection that it dials or accepts: small writes are sent at once
/// (TCP_NODELAY), and a peer that is gone is noticed (SO_KEEPALIVE). On a listener, for all that it
/// accepts: Linux hands these options on.
///
/// As in Go, a socket without one of them is as good as another.
fn set_defaults(socket: SockRef<'_>) {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE)
        .with_retries(PROBES);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
}
