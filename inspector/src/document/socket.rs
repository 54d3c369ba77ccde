//! What the kernel knows of the socket of a descriptor.

use netpoller_proto::v1;

use super::present;

/// `null` is what the kernel does not have for this kind of socket.
#[derive(serde::Serialize)]
pub(super) struct Socket<'a> {
    tcp_state: Option<&'a str>,
    recvq: Option<u64>,
    sendq: Option<u64>,
    unacked: Option<u64>,
    unsent: Option<u64>,
    rtt_ns: Option<u64>,
    retrans: Option<u64>,
    last_recv_ns: Option<u64>,
    last_send_ns: Option<u64>,
    acceptq: Option<u64>,
    acceptq_limit: Option<u64>,
    bytes_received: Option<u64>,
    bytes_sent: Option<u64>,
    drops: Option<u64>,
}

pub(super) fn socket(socket: &v1::Socket) -> Socket<'_> {
    Socket {
        tcp_state: present(&socket.tcp_state),
        recvq: socket.recvq,
        sendq: socket.sendq,
        unacked: socket.unacked,
        unsent: socket.unsent,
        rtt_ns: socket.rtt_ns,
        retrans: socket.retrans,
        last_recv_ns: socket.last_recv_ns,
        last_send_ns: socket.last_send_ns,
        acceptq: socket.acceptq,
        acceptq_limit: socket.acceptq_limit,
        bytes_received: socket.bytes_received,
        bytes_sent: socket.bytes_sent,
        drops: socket.drops,
    }
}
