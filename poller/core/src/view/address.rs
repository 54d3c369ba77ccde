//! The addresses of a socket, asked of the kernel by number, although somebody else owns the
//! descriptor.
//!
//! A number can be closed, and given to another file, between the reading of the slot and the call.
//! It cannot have been if the slot's generation is still live and not closing after the call,
//! because closing is published, and the registration removed, before close(2). What cannot be
//! vouched for is not shown.
//!
//! It can also have been closed behind the poller's back, and stand for another file by now, whose
//! addresses are not this row's: then the row is stale.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use socket2::SockAddr;

use super::kernel::Registration;
use super::raw::RawRow;
use crate::desc::{Kind, PollDesc, Role, Transport};
use crate::observe::visible;
use crate::sys::{query, socket};

/// Both ends of a socket.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    pub(super) local: Arc<str>,
    pub(super) peer: Arc<str>,
    /// The number is closed, or stands for another file than the one that was registered.
    pub(super) stale: bool,
    /// They stay what they are for as long as the descriptor lives.
    settled: bool,
    /// Of the file; 0 if it is not known.
    inode: u64,
}

impl Addresses {
    /// Whether it is worth remembering.
    pub(super) fn is_known(&self) -> bool {
        self.inode != 0
    }

    /// Looks at a row, of which `before` is remembered. `shared`: a younger row has its number.
    /// `entry` asks for the row's entry in the kernel's list, which costs: only where something is
    /// odd. It is `None` if the list does not tell.
    pub(super) fn of(
        desc: &PollDesc,
        row: &RawRow,
        before: Option<&Addresses>,
        shared: impl FnOnce() -> bool,
        entry: impl FnOnce() -> Option<Option<Registration>>,
    ) -> Self {
        if row.fd < 0 || row.closing {
            return Self::default();
        }
        let file = query::file_id(row.fd);
        let is_socket = row.kind != Kind::Pipe;
        let ask = before.is_none_or(|before| !before.settled) && is_socket && file.is_ok();
        let none = || Err(io::Error::from_raw_os_error(libc::ENOTSOCK));
        let (local, peer) = match ask {
            true => (socket::local_addr(row.fd), peer(row)),
            false => (none(), none()),
        };
        if !desc.is_live(row.generation) || desc.info().closing() {
            return Self::default();
        }
        let known = before.cloned().unwrap_or_default();
        let stale = match &file {
            Err(_) => true,
            Ok(file) if known.inode != 0 => known.inode != file.inode || known.stale,
            Ok(_) if shared() => true,
            // The program may have called it what it is not.
            Ok(file) if is_odd(row.kind, file.is_socket, &local) => match entry() {
                Some(Some(entry)) => entry.inode != file.inode,
                missing => missing.is_some(),
            },
            Ok(_) => false,
        };
        // What it was is remembered, so that it stays stale.
        let inode = match known.inode {
            0 => file.map_or(u64::MAX, |file| file.inode),
            inode => inode,
        };
        if stale || !ask {
            return Self {
                stale,
                inode,
                ..known
            };
        }
        let settled = match row.kind.role() {
            // Of any kind; if it is no socket now, it never will be.
            _ if row.kind.transport() == Transport::Unknown => local.is_err(),
            Role::Listener => local.is_ok(),
            Role::Stream | Role::Seqpacket => peer.is_ok() && row.connect_parks != u64::MAX,
            Role::Datagram | Role::Sleep => false,
        };
        let text = |address: io::Result<SockAddr>| {
            address.map_or_else(|_| Arc::default(), |a| text(&a).into())
        };
        Self {
            local: text(local),
            peer: text(peer),
            stale,
            settled,
            inode,
        }
    }
}

fn peer(row: &RawRow) -> io::Result<SockAddr> {
    let peer = socket::peer_addr(row.fd);
    match row.kind {
        Kind::Tcp => peer.or_else(|_| socket::connecting_peer(row.fd)),
        _ => peer,
    }
}

/// Whether a file is not of the kind that was registered.
pub(super) fn is_odd(kind: Kind, is_socket: bool, local: &io::Result<SockAddr>) -> bool {
    let is_unix = local.as_ref().is_ok_and(SockAddr::is_unix);
    match kind.transport() {
        Transport::Pipe => is_socket,
        Transport::Tcp | Transport::Udp => !is_socket || is_unix,
        Transport::Unix => !is_socket || !is_unix,
        Transport::Timer | Transport::Unknown => false,
    }
}

/// `127.0.0.1:8080`, `[::1]:80`, `unix:/path`, `unix:@abstract`; empty for an unnamed socket.
fn text(address: &SockAddr) -> String {
    if let Some(address) = address.as_socket() {
        return address.to_string();
    }
    if let Some(path) = address.as_pathname() {
        return unix_text(path.as_os_str().as_bytes());
    }
    match address.as_abstract_namespace() {
        Some(name) => unix_text(&[&[0], name].concat()),
        None => String::new(),
    }
}

/// The same of a name as the kernel has it: an abstract one begins with a zero byte, and a path may
/// end with one. Empty if it is empty.
pub(super) fn unix_text(name: &[u8]) -> String {
    match name {
        [] => String::new(),
        [0, name @ ..] => format!("unix:@{}", printable(&String::from_utf8_lossy(name))),
        path => {
            let path = path.strip_suffix(&[0]).unwrap_or(path);
            format!("unix:{}", printable(&String::from_utf8_lossy(path)))
        }
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
