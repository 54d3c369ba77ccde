//! Dialling.

use std::io;

use netpoller::Poller;
use netpoller::net::{TcpStream, UnixSeqpacket, UnixStream};

use super::script::Kind;
use super::thing::{Address, Thing, misused};

/// Connects to a listener.
pub(super) async fn dial(poller: &Poller, listener: Kind, to: Address) -> io::Result<Thing> {
    match (listener, to) {
        (Kind::TcpListener, Address::Internet(to)) => {
            Ok(Thing::Tcp(TcpStream::connect_on(poller, to, None).await?))
        }
        (Kind::UnixListener, Address::Path(to)) => {
            Ok(Thing::Unix(UnixStream::connect_on(poller, to).await?))
        }
        (Kind::PacketListener, Address::Path(to)) => {
            Ok(Thing::Packet(UnixSeqpacket::connect_on(poller, to).await?))
        }
        _ => Err(misused()),
    }
}
