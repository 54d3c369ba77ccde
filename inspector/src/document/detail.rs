//! All about one descriptor.

use netpoller_proto::v1;

use super::poller::{PollingThread, polled_by};
use super::{Descriptor, Histogram, descriptor, event, histogram, present};
use crate::table::{Context, Entry, epoll_names};

/// The item of `describe`.
#[derive(serde::Serialize)]
pub(crate) struct Detail<'a> {
    #[serde(flatten)]
    descriptor: Descriptor<'a>,
    history: Vec<event::Event<'a>>,
    histograms: Vec<Histogram<'a>>,
    kernel: Option<Kernel<'a>>,
    polled_by: Vec<PollingThread<'a>>,
    /// What its runtime keeps of it in the memory of the process, where that was read from outside.
    kept: Option<Kept<'a>>,
    hints: &'a [String],
}

#[derive(serde::Serialize)]
struct Kept<'a> {
    r#type: &'a str,
    address: String,
    /// `null` where the runtime has none.
    sequence: Option<u64>,
}

/// What the kernel says; `null` for what it does not have for this kind of file.
#[derive(serde::Serialize)]
struct Kernel<'a> {
    registered: bool,
    events: u32,
    events_names: String,
    ready: u32,
    ready_names: String,
    blocking: bool,
    receive_queue: Option<i64>,
    send_queue: Option<i64>,
    tcp_state: Option<&'a str>,
    last_data_received_ns: Option<i64>,
    rtt_ns: Option<i64>,
    retransmits: Option<i64>,
    inode: Option<u64>,
    error: Option<&'a str>,
}

pub(crate) fn detail<'a>(
    entry: &'a Entry,
    answer: &'a v1::GetDescriptorResponse,
    hints: &'a [String],
    context: &Context,
) -> Detail<'a> {
    let events = answer.history.iter();
    Detail {
        descriptor: descriptor(entry, context),
        history: events.map(|it| event::event(it, context)).collect(),
        histograms: answer.histograms.iter().map(histogram).collect(),
        kernel: answer.kernel.as_ref().map(kernel),
        polled_by: polled_by(&answer.polled_by),
        kept: answer.kept.as_ref().map(|kept| Kept {
            r#type: &kept.r#type,
            address: format!("{:#x}", kept.address),
            sequence: kept.sequence,
        }),
        hints,
    }
}

fn kernel(view: &v1::KernelView) -> Kernel<'_> {
    let known = |number: i64| (number >= 0).then_some(number);
    Kernel {
        registered: view.registered,
        events: view.events,
        events_names: epoll_names(view.events),
        ready: view.ready,
        ready_names: epoll_names(view.ready),
        blocking: view.blocking,
        receive_queue: known(view.receive_queue),
        send_queue: known(view.send_queue),
        tcp_state: present(&view.tcp_state),
        last_data_received_ns: known(view.last_data_received_ns),
        rtt_ns: known(view.rtt_ns),
        retransmits: known(view.retransmits),
        inode: (view.inode != 0).then_some(view.inode),
        error: present(&view.error),
    }
}
