//! Everything about one descriptor: its row, its last transitions, its latencies, and what the
//! kernel says.

use std::collections::BTreeMap;
use std::sync::Arc;

use netpoller_core::internals::{self, KEPT_SHIFT, RawRow, Waiters};
use netpoller_core::view::recorder::{self, Event};
use netpoller_core::view::{self, Reader, Sockets};
use netpoller_core::{DescId, Direction, Kind, Poller};
use netpoller_proto::v1::{Elsewhere, GetDescriptorRequest, GetDescriptorResponse, KernelView};
use tonic::Status;

use super::event::Encoder;
use super::latencies::latencies;
use super::{encode, find};

/// Most events of one answer: the last ones.
const MAX_EVENTS: usize = 4096;

pub(crate) fn describe(
    request: &GetDescriptorRequest,
    redact: bool,
    sockets: Arc<Sockets>,
) -> Result<GetDescriptorResponse, Status> {
    let poller = find::poller(&request.poller)?;
    let id = find::id(&request.id)?;
    let gone = || find::gone(&poller, &request.id);
    let desc = internals::slot(&poller, id.slot).ok_or_else(gone)?;
    let captured_at_ns = view::now_ns();
    let raw = desc
        .read()
        .filter(|raw| raw.generation == id.generation)
        .ok_or_else(gone)?;
    let mut reader = Reader::default();
    reader.sockets(Some(sockets));
    let row = desc.row(&mut reader, &poller, &raw);
    let ran_instead =
        Direction::ALL.map(|it| internals::ran_instead(&poller, &mut reader, &row, it));
    let mut descriptor = encode::descriptor(poller.name(), row, redact);
    for (side, ran) in [&mut descriptor.read, &mut descriptor.write]
        .into_iter()
        .zip(ran_instead)
    {
        if let Some(wake) = side.as_mut().and_then(|side| side.last_wake.as_mut()) {
            wake.ran_instead = ran.map(encode::waiter);
        }
    }
    let mut encoder = Encoder::new();
    let events = history(&poller, id).into_iter();
    let history: Vec<_> = events
        .map(|event| encoder.event(poller.name(), &event))
        .collect();
    Ok(GetDescriptorResponse {
        captured_at_ns,
        descriptor: Some(descriptor),
        histograms: latencies(&history),
        history,
        kernel: Some(kernel(view::kernel_view(&poller, id), redact)),
        epoch: view::started_at_ns(),
        elsewhere: elsewhere(&poller, &raw),
        polled_by: encode::polled_by(&poller),
        kept: None,
    })
}

/// What those who waited last wait for instead.
fn elsewhere(poller: &Poller, raw: &RawRow) -> Vec<Elsewhere> {
    let rows: Vec<_> = internals::slots(poller, 0)
        .filter_map(internals::Slot::read)
        .filter(RawRow::is_waiting)
        .collect();
    let waiters = Waiters::of(rows.iter());
    let of = |direction: Direction| {
        let wait = waiters.elsewhere(&raw.sides[direction.index()])?;
        Some(Elsewhere {
            waited: encode::mode(direction).into(),
            id: wait.id.to_string(),
            direction: encode::mode(wait.direction).into(),
            sleeps: wait.kind == Kind::Timer,
            since_ns: wait.since_ns,
            location: wait.line(),
        })
    };
    Direction::ALL.into_iter().filter_map(of).collect()
}

/// What the flight recorder holds of it, and before that what it keeps itself.
fn history(poller: &Poller, id: DescId) -> Vec<Event> {
    let mut events = internals::recorded_of(poller, id);
    // It keeps its own times less exactly.
    let mark = |event: &Event| {
        (
            event.at_ns >> KEPT_SHIFT,
            event.direction.map(Direction::index),
            event.kind,
        )
    };
    let mut known: BTreeMap<_, usize> = BTreeMap::new();
    for event in &events {
        *known.entry(mark(event)).or_default() += 1;
    }
    for kept in recorder::history(poller, id) {
        match known.get_mut(&mark(&kept)) {
            Some(times) if *times > 0 => *times -= 1,
            _ => events.push(kept),
        }
    }
    events.sort_by_key(|event| event.at_ns);
    let excess = events.len().saturating_sub(MAX_EVENTS);
    events.split_off(excess)
}

/// `redact` hides the inode as well: with it /proc/net, which everybody on the machine can read,
/// tells the addresses.
fn kernel(view: view::KernelView, redact: bool) -> KernelView {
    let number =
        |value: Option<u64>| value.map_or(-1, |value| i64::try_from(value).unwrap_or(i64::MAX));
    KernelView {
        registered: view.registered,
        events: view.events,
        ready: view.ready,
        blocking: view.blocking,
        receive_queue: number(view.receive_queue),
        send_queue: number(view.send_queue),
        tcp_state: view.tcp_state.to_owned(),
        last_data_received_ns: number(view.last_data_received_ns),
        rtt_ns: number(view.rtt_ns),
        retransmits: number(view.retransmits),
        inode: if redact { 0 } else { view.inode },
        error: if redact && view.error.contains("inode") {
            "the number stands for another file than the one that was registered: it was closed behind the poller's back"
                .to_owned()
        } else {
            view.error
        },
    }
}
