//! One descriptor of a table, and what the table has of the kernel's side of it.

use std::sync::Arc;

use netpoller_proto::v1::{Descriptor, KernelView, Poller, Socket};
use netpoller_proto::vocabulary::DescId;
use tonic::Status;

/// The id that somebody says.
pub(in crate::source) fn id(text: &str) -> Result<DescId, Status> {
    let wrong = |_| Status::invalid_argument(format!("id: {text:?} is none; one is like 42.7"));
    text.parse().map_err(wrong)
}

/// The row with this id, of one poller if that is named.
pub(in crate::source) fn row<'a>(
    rows: impl IntoIterator<Item = &'a Arc<Descriptor>>,
    id: DescId,
    poller: &str,
) -> Option<&'a Arc<Descriptor>> {
    let is_its = |row: &Descriptor| poller.is_empty() || row.poller == poller;
    rows.into_iter().find(|row| row.id() == id && is_its(row))
}

/// Whether it is registered, and what was told of its socket.
pub(in crate::source) fn kernel(
    row: &Descriptor,
    poller: Option<&Poller>,
    captured_at_ns: u64,
) -> KernelView {
    let socket = row.socket.as_ref();
    let number = |count: Option<u64>| count.and_then(|it| i64::try_from(it).ok()).unwrap_or(-1);
    let count = |of: fn(&Socket) -> Option<u64>| number(socket.and_then(of));
    let received_ns = socket.and_then(|it| it.last_recv_ns);
    KernelView {
        // What is in no epoll set is told as if it were in one that has no number.
        registered: !row.stale && poller.is_none_or(|it| it.epoll_fd >= 0),
        receive_queue: count(|it| it.recvq),
        send_queue: count(|it| it.sendq),
        tcp_state: socket.map_or_else(String::new, |it| it.tcp_state.clone()),
        last_data_received_ns: number(received_ns.map(|it| captured_at_ns.saturating_sub(it))),
        rtt_ns: count(|it| it.rtt_ns),
        retransmits: count(|it| it.retrans),
        ..KernelView::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_by_its_id_and_its_poller() {
        let row = |poller: &str, slot| {
            Arc::new(Descriptor {
                poller: poller.into(),
                slot,
                generation: 7,
                ..Descriptor::default()
            })
        };
        let rows = [row("a", 1), row("b", 1), row("b", 2)];
        let found = |text: &str, poller: &str| {
            let found = super::row(&rows, id(text).expect("an id"), poller);
            found.map(|it| (it.poller.as_str(), it.slot))
        };
        assert_eq!(found("1.7", ""), Some(("a", 1)));
        assert_eq!(found("1.7", "b"), Some(("b", 1)));
        assert_eq!(found("2.7", "a"), None);
        assert_eq!(found("1.8", ""), None);
        let wrong = id("x").expect_err("it is none");
        assert!(wrong.message().contains("like 42.7"), "{wrong}");
    }

    #[test]
    fn what_is_in_no_set_or_is_another_file_is_not_registered() {
        let poller = |epoll_fd| Poller {
            epoll_fd,
            ..Poller::default()
        };
        let row = |stale| Descriptor {
            stale,
            socket: Some(Socket {
                recvq: Some(5),
                last_recv_ns: Some(60),
                ..Socket::default()
            }),
            ..Descriptor::default()
        };
        let (set, none) = (poller(3), poller(-1));
        let is_registered = |row: &Descriptor, poller| kernel(row, poller, 100).registered;
        assert!(is_registered(&row(false), Some(&set)));
        assert!(is_registered(&row(false), None));
        assert!(!is_registered(&row(false), Some(&none)));
        assert!(!is_registered(&row(true), Some(&set)));
        let told = kernel(&row(false), None, 100);
        assert_eq!((told.receive_queue, told.send_queue), (5, -1));
        assert_eq!(told.last_data_received_ns, 40);
    }
}
