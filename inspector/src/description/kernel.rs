//! What the kernel says of it.

use netpoller_proto::v1::{KernelView, Socket};

use super::phrases::ago;
use super::section::{Part, Section};
use crate::paint::Tone;
use crate::table::{Context, epoll_names};
use crate::text;

/// What the kernel says, as far as it was asked.
pub(super) fn kernel(
    view: Option<&KernelView>,
    socket: Option<&Socket>,
    context: &Context,
) -> Option<Section> {
    if view.is_none() && socket.is_none() {
        return None;
    }
    let mut section = Section::new(Part::Kernel, "KERNEL");
    if let Some(view) = view {
        file(&mut section, view, socket);
    }
    if let Some(socket) = socket {
        if view.is_none() {
            alone(&mut section, socket);
        }
        further(&mut section, socket, context);
    }
    Some(section)
}

fn file(section: &mut Section, view: &KernelView, socket: Option<&Socket>) {
    let bytes = |number: i64| match number {
        ..0 => String::new(),
        _ => text::signed(number),
    };
    let time = |number: i64| {
        let number = u64::try_from(number);
        number.map(text::duration).unwrap_or_default()
    };
    let came = match time(view.last_data_received_ns) {
        time if time.is_empty() => time,
        time => format!("{time} ago"),
    };
    // Where its parts are known, they say all of it.
    let is_in_parts = socket.is_some_and(|it| it.unacked.is_some() && it.unsent.is_some());
    let send_queue = match is_in_parts {
        true => String::new(),
        false => bytes(view.send_queue),
    };
    match view.registered {
        true => section.fact("registered", format!("for {}", epoll_names(view.events))),
        false => section.toned("registered", "no", Tone::Warn),
    }
    // From outside nobody can ask for it, and that is told below.
    section.known(
        "ready now",
        match view.ready {
            0 if !view.error.is_empty() => String::new(),
            ready => epoll_names(ready),
        },
    );
    match view.blocking {
        true => section.toned("blocking mode", "yes", Tone::Bad),
        false => section.fact("blocking mode", "no"),
    }
    section.known("to be read", bytes(view.receive_queue));
    section.known("send queue", send_queue);
    section.known("tcp state", &view.tcp_state);
    section.known("data came", came);
    section.known("round trip", time(view.rtt_ns));
    section.known("sent again", bytes(view.retransmits));
    section.known(
        "inode",
        match view.inode {
            0 => String::new(),
            inode => inode.to_string(),
        },
    );
    section.known("not known", &view.error);
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(String::new, text::grouped)
}

/// What the kernel's view of the descriptor would have said, if nobody has asked for that yet.
fn alone(section: &mut Section, socket: &Socket) {
    section.known("to be read", number(socket.recvq));
    section.known("tcp state", &socket.tcp_state);
    section.known(
        "round trip",
        socket.rtt_ns.map_or_else(String::new, text::duration),
    );
    section.known("sent again", number(socket.retrans));
}

/// What the kernel's view of the descriptor has not said.
fn further(section: &mut Section, socket: &Socket, context: &Context) {
    section.known("unacknowledged", number(socket.unacked));
    section.known("unsent", number(socket.unsent));
    section.known("data sent", ago(socket.last_send_ns.unwrap_or(0), context));
    section.known(
        "accept queue",
        match (socket.acceptq, socket.acceptq_limit) {
            (Some(waiting), Some(limit)) => format!("{waiting} of {limit}"),
            _ => String::new(),
        },
    );
    section.known("bytes received", number(socket.bytes_received));
    section.known("bytes sent", number(socket.bytes_sent));
    section.known("dropped", number(socket.drops.filter(|drops| *drops > 0)));
}
