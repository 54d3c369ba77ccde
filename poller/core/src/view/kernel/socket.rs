//! What the kernel knows of one socket, made of what sock_diag says.

use crate::sys::query::{TcpInfo, tcp_state_name};
use crate::sys::sock_diag::{Diag, Family};

/// What the kernel knows of a socket, at one moment. What it does not have for this kind of socket
/// is `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Socket {
    /// By it ss(8) and /proc know the socket.
    pub inode: u64,
    /// State of a TCP socket, for example `ESTABLISHED`; empty for all else.
    pub tcp_state: &'static str,
    /// Bytes that came and were not read. Of UDP with what the kernel spends on them.
    pub recvq: Option<u64>,
    /// Bytes that were written and have not been acknowledged by the peer, or not been read by it
    /// if it is a Unix socket. Of all but TCP with what the kernel spends on them.
    pub sendq: Option<u64>,
    /// Those of `sendq` that were sent (TCP).
    pub unacked: Option<u64>,
    /// Those of `sendq` that were not sent yet (TCP).
    pub unsent: Option<u64>,
    /// Smoothed round trip, a duration (TCP).
    pub rtt_ns: Option<u64>,
    /// Segments sent again since the connection was made (TCP).
    pub retrans: Option<u64>,
    /// When data last came (TCP), CLOCK_MONOTONIC to within some milliseconds; `None` if none has.
    pub last_recv_ns: Option<u64>,
    /// When data was last sent (TCP), alike.
    pub last_send_ns: Option<u64>,
    /// Connections that wait to be accepted, of a listener.
    pub acceptq: Option<u64>,
    /// How many may.
    pub acceptq_limit: Option<u64>,
    /// Bytes that came (TCP).
    pub bytes_received: Option<u64>,
    /// Bytes that were sent, each counted once (TCP).
    pub bytes_sent: Option<u64>,
    /// What was dropped because a queue was full: datagrams, or connections of a listener.
    pub drops: Option<u64>,
}

impl Socket {
    pub(super) fn of(diag: &Diag, family: Family, now_ns: u64) -> Self {
        let is_tcp = matches!(family, Family::Tcp4 | Family::Tcp6);
        let is_udp = matches!(family, Family::Udp4 | Family::Udp6);
        let listens = !is_udp && diag.state == TcpInfo::LISTEN;
        let queue = |of: usize, of_listener: bool| {
            let queues = diag.queues.filter(|_| listens == of_listener)?;
            Some(u64::from(queues[of]))
        };
        let tcp = diag.tcp.filter(|_| !listens);
        let connected = tcp.filter(TcpInfo::is_connected);
        let moment =
            |ago_ms: Option<u32>| Some(now_ns.saturating_sub(u64::from(ago_ms?) * 1_000_000));
        let sendq = queue(1, false);
        let unsent = tcp.map(|tcp| u64::from(tcp.unsent));
        Self {
            inode: diag.inode,
            tcp_state: if is_tcp {
                tcp_state_name(diag.state)
            } else {
                ""
            },
            recvq: queue(0, false),
            sendq,
            unacked: sendq
                .zip(unsent)
                .map(|(all, unsent)| all.saturating_sub(unsent)),
            unsent,
            rtt_ns: tcp
                .and_then(|tcp| tcp.rtt_us)
                .map(|us| u64::from(us) * 1_000),
            retrans: tcp.map(|tcp| tcp.retransmits.into()),
            last_recv_ns: moment(connected.and_then(|tcp| tcp.last_received_ms)),
            last_send_ns: moment(connected.and_then(|tcp| tcp.last_sent_ms)),
            acceptq: queue(0, true),
            acceptq_limit: queue(1, true),
            bytes_received: connected.map(|tcp| tcp.bytes_received),
            bytes_sent: connected.map(|tcp| tcp.bytes_sent),
            drops: diag.dropped.map(Into::into),
        }
    }
}
