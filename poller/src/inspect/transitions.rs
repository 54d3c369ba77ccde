//! The stream of the flight recorder: what it still holds, and then what it records.
//!
//! Each subscriber reads the rings for himself, every [`TICK`]. What was overwritten before it was read is counted as lost;
//! what a slow client has no room for is dropped and counted. Nobody waits for a client, and nothing queues up for him
//! beyond [`QUEUE`] frames.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use netpoller_proto::v1::{self, Mode, TransitionsFrame, WatchTransitionsRequest};
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::find;
use super::service::{MAX_MESSAGE, guarded};
use crate::observe::{Direction, EventKind};
use crate::view;
use crate::view::recorder::{Cursor, Event};

/// Between two readings of the rings.
const TICK: Duration = Duration::from_millis(20);
/// Frames that wait for a client.
const QUEUE: usize = 8;
/// Events of one frame.
const MAX_EVENTS: usize = 4096;
/// Bytes of the events in a frame; the rest of the message is for what surrounds them.
const MAX_BYTES: usize = MAX_MESSAGE - 4096;
/// A client that takes no frame of a dump for so long gets no more of it.
const STALLED: Duration = Duration::from_secs(30);

type Frames = mpsc::Sender<Result<TransitionsFrame, Status>>;

pub(super) fn start(
    request: WatchTransitionsRequest,
) -> Result<ReceiverStream<Result<TransitionsFrame, Status>>, Status> {
    let subscriber = Subscriber::new(request)?;
    let (frames, stream) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        run(subscriber, frames).await;
    });
    Ok(ReceiverStream::new(stream))
}

async fn run(mut subscriber: Subscriber, frames: Frames) {
    // What is there already is sent as fast as the client takes it; at least one frame, so that he knows the beginning.
    let first = match guarded(|| subscriber.read()) {
        Ok(events) => subscriber.frames(events),
        Err(status) => return drop(frames.send(Err(status)).await),
    };
    for frame in first {
        if !matches!(timeout(STALLED, frames.send(Ok(frame))).await, Ok(Ok(()))) {
            return;
        }
    }
    if subscriber.history_only {
        return;
    }
    let mut next = Instant::now();
    loop {
        next = (next + TICK).max(Instant::now());
        tokio::select! {
            () = sleep_until(next) => {}
            () = frames.closed() => return,
        }
        let before = (subscriber.lost, subscriber.dropped_told);
        match guarded(|| subscriber.read()) {
            Ok(events) => {
                let news = !events.is_empty() || before != (subscriber.lost, subscriber.dropped);
                if news {
                    subscriber.offer(events, &frames);
                }
            }
            Err(status) => return drop(frames.try_send(Err(status))),
        }
    }
}

/// What one subscriber asked for, and how far he has come.
struct Subscriber {
    poller: String,
    filter: EventFilter,
    history: bool,
    history_only: bool,
    /// By number of the poller.
    cursors: HashMap<u32, Cursor>,
    encoder: Encoder,
    sequence: u64,
    lost: u64,
    dropped: u64,
    /// `dropped` as the last frame that was taken has said it.
    dropped_told: u64,
}

/// Which events are wanted.
struct EventFilter {
    desc: Option<(u32, u32)>,
    direction: Option<Direction>,
    /// A bit for each: a request has room for thousands of numbers, and each event is looked for.
    kinds: u64,
}

const _: () = assert!(EventKind::ALL.len() <= 64);

fn bit(kind: EventKind) -> u64 {
    1 << kind as u8
}

impl EventFilter {
    fn new(request: &WatchTransitionsRequest) -> Result<Self, Status> {
        let direction = match Mode::try_from(request.direction) {
            Ok(Mode::Unspecified) => None,
            Ok(Mode::Read) => Some(Direction::Read),
            Ok(Mode::Write) => Some(Direction::Write),
            Err(_) => {
                return Err(Status::invalid_argument(format!(
                    "direction: {} is not known to this server",
                    request.direction
                )));
            }
        };
        let kind = |number: &i32| {
            usize::try_from(*number)
                .ok()
                .and_then(|number| number.checked_sub(1))
                .and_then(|index| EventKind::ALL.get(index).copied())
                .ok_or_else(|| {
                    Status::invalid_argument(format!("kinds: {number} is not known to this server"))
                })
        };
        let kinds = request
            .kinds
            .iter()
            .map(kind)
            .try_fold(0, |kinds, kind| Ok::<_, Status>(kinds | bit(kind?)))?;
        Ok(Self {
            desc: if request.id.is_empty() {
                None
            } else {
                Some(find::id(&request.id)?)
            },
            direction,
            // None is all.
            kinds: if kinds == 0 { u64::MAX } else { kinds },
        })
    }

    fn admits(&self, event: &Event) -> bool {
        self.desc
            .is_none_or(|desc| desc == (event.slot, event.generation))
            && self
                .direction
                .is_none_or(|direction| event.direction == Some(direction))
            && self.kinds & bit(event.kind) != 0
    }
}

impl Subscriber {
    fn new(request: WatchTransitionsRequest) -> Result<Self, Status> {
        let mut subscriber = Self {
            filter: EventFilter::new(&request)?,
            poller: request.poller,
            history: request.history || request.history_only,
            history_only: request.history_only,
            cursors: HashMap::new(),
            encoder: Encoder::new(),
            sequence: 0,
            lost: 0,
            dropped: 0,
            dropped_told: 0,
        };
        // Now, and not when the task runs: nothing that happens after the answer to the request is missed.
        guarded(|| subscriber.begin())??;
        Ok(subscriber)
    }

    fn begin(&mut self) -> Result<(), Status> {
        for poller in find::pollers(&self.poller)? {
            let cursor = if self.history {
                Cursor::oldest(&poller)
            } else {
                Cursor::now(&poller)
            };
            self.cursors.insert(poller.shared.id, cursor);
        }
        Ok(())
    }

    /// What was recorded since the last time and is wanted, by time.
    fn read(&mut self) -> Vec<v1::Event> {
        let mut wanted = Vec::new();
        self.encoder.begin();
        // A poller that is gone records no more.
        let pollers = find::pollers(&self.poller).unwrap_or_default();
        self.cursors
            .retain(|id, _| pollers.iter().any(|poller| poller.shared.id == *id));
        let mut events = Vec::new();
        for poller in &pollers {
            let cursor = self
                .cursors
                .entry(poller.shared.id)
                .or_insert_with(|| Cursor::oldest(poller));
            events.clear();
            self.lost += cursor.read(poller, &mut events);
            let admitted = events.iter().filter(|event| self.filter.admits(event));
            wanted.extend(admitted.map(|event| self.encoder.event(poller.name(), event)));
        }
        if pollers.len() > 1 {
            wanted.sort_by_key(|event| event.at_ns);
        }
        wanted
    }

    /// The events in frames of bounded size; one frame at least.
    fn frames(&mut self, events: Vec<v1::Event>) -> Vec<TransitionsFrame> {
        let mut frames = vec![self.frame()];
        let mut bytes = 0;
        for event in events {
            // With tag and length.
            let size = event.encoded_len() + 8;
            let last = frames.len() - 1;
            if !frames[last].events.is_empty()
                && (bytes + size > MAX_BYTES || frames[last].events.len() == MAX_EVENTS)
            {
                bytes = 0;
                frames.push(self.frame());
            }
            bytes += size;
            let last = frames.len() - 1;
            frames[last].events.push(event);
        }
        frames
    }

    fn frame(&mut self) -> TransitionsFrame {
        let sequence = self.sequence;
        self.sequence += 1;
        TransitionsFrame {
            sequence,
            captured_at_ns: view::now_ns(),
            epoch: view::started_at_ns(),
            events: Vec::new(),
            lost: self.lost,
            dropped: self.dropped,
        }
    }

    /// Gives the client what it has room for, and counts the rest as dropped.
    fn offer(&mut self, events: Vec<v1::Event>, frames: &Frames) {
        for mut frame in self.frames(events) {
            frame.dropped = self.dropped;
            let events = frame.events.len() as u64;
            match frames.try_send(Ok(frame)) {
                Ok(()) => self.dropped_told = self.dropped,
                Err(_) => self.dropped += events,
            }
        }
    }
}

/// Puts events into words.
pub(super) struct Encoder {
    threads: HashMap<u32, Arc<str>>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self {
            threads: HashMap::new(),
        }
    }

    /// Numbers of threads are recycled, so their names are looked up anew from time to time.
    fn begin(&mut self) {
        self.threads.clear();
    }

    pub(super) fn event(&mut self, poller: &str, event: &Event) -> v1::Event {
        let thread = self
            .threads
            .entry(event.thread)
            .or_insert_with(|| event.thread_name());
        v1::Event {
            at_ns: event.at_ns,
            poller: poller.to_owned(),
            id: event.id().unwrap_or_default(),
            direction: event.direction.map_or(Mode::Unspecified, mode).into(),
            kind: kind(event.kind).into(),
            thread: thread.as_ref().to_owned(),
            argument: match (event.kind, event.cause()) {
                // What wakes by an event of the kernel need not say so.
                (EventKind::UnblockArmed | EventKind::UnblockParked, Some(cause)) => {
                    super::encode::cause(cause) as u32
                }
                _ => event.argument,
            },
        }
    }
}

fn mode(direction: Direction) -> Mode {
    match direction {
        Direction::Read => Mode::Read,
        Direction::Write => Mode::Write,
    }
}

/// The numbers of the protocol begin with 1.
fn kind(kind: EventKind) -> v1::EventKind {
    v1::EventKind::try_from(kind as i32 + 1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber() -> Subscriber {
        Subscriber::new(WatchTransitionsRequest::default()).unwrap()
    }

    fn events(count: usize) -> Vec<v1::Event> {
        vec![
            v1::Event {
                poller: "x".repeat(400),
                ..Default::default()
            };
            count
        ]
    }

    #[test]
    fn every_kind_has_its_name_in_the_protocol() {
        for it in EventKind::ALL {
            let name = kind(it).as_str_name();
            assert_eq!(name, format!("EVENT_KIND_{}", it.name().to_uppercase()));
        }
    }

    #[test]
    fn the_kinds_that_are_asked_for_are_admitted_and_none_means_all() {
        let filter = |kinds: &[i32]| {
            EventFilter::new(&WatchTransitionsRequest {
                kinds: kinds.to_vec(),
                ..Default::default()
            })
            .unwrap()
        };
        let last = EventKind::ALL.len() as i32;
        let (some, all) = (filter(&[1, last, 1]), filter(&[]));
        for it in EventKind::ALL {
            let number = it as i32 + 1;
            assert_eq!(some.kinds & bit(it) != 0, number == 1 || number == last);
            assert_ne!(all.kinds & bit(it), 0);
        }
    }

    #[test]
    fn a_frame_has_a_bounded_number_of_events_and_of_bytes() {
        let mut subscriber = subscriber();
        assert_eq!(
            subscriber.frames(Vec::new()).len(),
            1,
            "so that the client knows the beginning"
        );
        let frames = subscriber.frames(events(10_000));
        assert_eq!(
            frames.iter().map(|frame| frame.events.len()).sum::<usize>(),
            10_000
        );
        for frame in &frames {
            assert!(frame.events.len() <= MAX_EVENTS && frame.encoded_len() <= MAX_MESSAGE);
        }
        let sequence: Vec<_> = frames.iter().map(|frame| frame.sequence).collect();
        assert!(
            sequence.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{sequence:?}"
        );
    }

    #[test]
    fn what_a_slow_client_has_no_room_for_is_dropped_and_counted() {
        let mut subscriber = subscriber();
        let (frames, mut taken) = mpsc::channel(1);
        subscriber.offer(events(3), &frames);
        subscriber.offer(events(5), &frames);
        subscriber.offer(events(7), &frames);
        assert_eq!(taken.try_recv().unwrap().unwrap().events.len(), 3);
        subscriber.offer(events(1), &frames);
        let frame = taken.try_recv().unwrap().unwrap();
        assert_eq!((frame.events.len(), frame.dropped), (1, 12));
    }
}
