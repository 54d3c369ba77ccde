//! Dialling.

use std::io;

use netpoller::Poller;
use netpoller::net::{TcpStream, UnixSeqpacket, UnixStream};

use super::script::Kind;
use super::thing::{Address, Thing, misused};

/// Connects to a listener.
pub(super) async fn dial(poller: &Poller, listener: Kind, to: Address) -> io::Result<Thing> {
    match (listener, to) {
        (Kind::TcpListener, Address::Internet(to)) => Ok(Thing::Tcp(
            poller.in_scope(|| TcpStream::connect(to)).await?,
        )),
        (Kind::UnixListener, Address::Path(to)) => Ok(Thing::Unix(
            poller.in_scope(|| UnixStream::connect(to)).await?,
        )),
        (Kind::PacketListener, Address::Path(to)) => Ok(Thing::Packet(
            poller.in_scope(|| UnixSeqpacket::connect(to)).await?,
        )),
        _ => Err(misused()),
    }
}
