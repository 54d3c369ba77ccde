//! The addresses of a socket, asked of the kernel by number, although somebody else owns the
//! descriptor.
//!
//! A number can be closed, and given to another file, between the reading of the slot and the call.
//! It cannot have been if the slot's generation is still live and not closing after the call,
//! because closing is published, and the registration removed, before close(2). What cannot be
//! vouched for is not shown.

use std::sync::Arc;

use socket2::SockAddr;

use super::raw::RawRow;
use crate::desc::{Kind, PollDesc};
use crate::observe::visible;
use crate::sys::socket;

/// Both ends of a socket.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    pub(super) local: Arc<str>,
    pub(super) peer: Arc<str>,
    /// They stay what they are for as long as the descriptor lives.
    pub(super) settled: bool,
}

impl Addresses {
    pub(super) fn of(desc: &PollDesc, row: &RawRow) -> Self {
        let is_socket = !matches!(row.kind, Kind::Timer | Kind::Pipe) && row.fd >= 0;
        if !is_socket || row.closing {
            return Self {
                settled: !is_socket,
                ..Self::default()
            };
        }
        let local = socket::local_addr(row.fd);
        let peer = socket::peer_addr(row.fd);
        if !desc.is_live(row.generation) || desc.info().closing() {
            return Self::default();
        }
        let settled = match row.kind {
            Kind::TcpListener | Kind::UnixListener => local.is_ok(),
            Kind::Tcp | Kind::Unix | Kind::UnixSeqpacket => peer.is_ok(),
            // Of any kind; if it is no socket now, it never will be.
            Kind::Other => local.is_err(),
            // Can be connected anew at any time.
            _ => false,
        };
        let text = |address: std::io::Result<SockAddr>| {
            address.map_or_else(|_| Arc::default(), |a| text(&a).into())
        };
        Self {
            local: text(local),
            peer: text(peer),
            settled,
        }
    }
}

/// `127.0.0.1:8080`, `[::1]:80`, `unix:/path`, `unix:@abstract`; empty for an unnamed socket.
fn text(address: &SockAddr) -> String {
    if let Some(address) = address.as_socket() {
        return address.to_string();
    }
    if let Some(path) = address.as_pathname() {
        return format!("unix:{}", printable(&path.to_string_lossy()));
    }
    match address.as_abstract_namespace() {
        Some(name) => format!("unix:@{}", printable(&String::from_utf8_lossy(name))),
        None => String::new(),
    }
}

/// A path may hold anything but a zero byte; a terminal must not obey it.
fn printable(text: &str) -> String {
    text.chars().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_like_the_targets_that_people_type() {
        let shown = |address: &str| text(&address.parse::<std::net::SocketAddr>().unwrap().into());
        assert_eq!(shown("127.0.0.1:8080"), "127.0.0.1:8080");
        assert_eq!(shown("[::1]:80"), "[::1]:80");
        assert_eq!(
            text(&SockAddr::unix("/run/x\x1b[2J").unwrap()),
            "unix:/run/x\u{fffd}[2J"
        );
        assert_eq!(
            text(&SockAddr::unix("/run/\u{202e}x\u{200b}\u{2028}").unwrap()),
            "unix:/run/\u{fffd}x\u{fffd}\u{fffd}"
        );
        assert_eq!(text(&SockAddr::unix("\0hidden").unwrap()), "unix:@hidden");
        let (unnamed, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(
            text(&socket2::SockRef::from(&unnamed).local_addr().unwrap()),
            ""
        );
    }
}
