//! What one subscriber asked for, and how far it has come.
//!
//! It goes through the rings by steps. A step looks at a bounded number of events, holds few of
//! them besides those of the one frame that it fills, and keeps no poller alive after it.

use std::collections::HashMap;

use netpoller_core::internals::{self, Merge};
use netpoller_core::view;
use netpoller_core::view::recorder::Cursor;
use netpoller_proto::v1::{self, TransitionsFrame, WatchTransitionsRequest};
use prost::Message;
use tonic::Status;

use super::filter::EventFilter;
use crate::guard::guarded;
use crate::limits::MAX_EVENTS;
use crate::methods::event::Encoder;
use crate::methods::find;
use crate::outlet::Outlet;
use crate::packer::Room;

/// Events that one step looks at, whether they are wanted or not: a few milliseconds of the thread
/// on which everybody is served.
const LOOKS: usize = 16 * 1024;

/// A place in all rings, by number of the poller.
pub(super) type Place = HashMap<u32, Cursor>;

/// What one step has found.
pub(super) struct Step {
    pub(super) events: Vec<v1::Event>,
    /// It ended before the place to which it was to go.
    pub(super) more: bool,
}

pub(super) struct Subscriber {
    poller: String,
    filter: EventFilter,
    history: bool,
    pub(super) history_only: bool,
    cursors: Place,
    encoder: Encoder,
    sequence: u64,
    lost: u64,
    dropped: u64,
    /// `lost` and `dropped` as the last frame that was taken has said them.
    told: (u64, u64),
}

impl Subscriber {
    pub(super) fn new(request: WatchTransitionsRequest) -> Result<Self, Status> {
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
            told: (0, 0),
        };
        // Now, and not when the task runs: nothing that happens after the answer to the request is
        // missed.
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
            self.cursors.insert(internals::id(&poller), cursor);
        }
        Ok(())
    }

    /// Where the rings end now. Pollers that were made since are heard from their beginning, and
    /// one that is gone records no more.
    pub(super) fn end(&mut self) -> Place {
        self.encoder.begin();
        let pollers = find::pollers(&self.poller).unwrap_or_default();
        let end: Place = pollers
            .iter()
            .map(|poller| (internals::id(poller), Cursor::now(poller)))
            .collect();
        self.cursors.retain(|id, _| end.contains_key(id));
        for poller in &pollers {
            self.cursors
                .entry(internals::id(poller))
                .or_insert_with(|| Cursor::oldest(poller));
        }
        end
    }

    /// Goes on towards `end`, and gives what was recorded and is wanted, by time, as far as a frame
    /// has room.
    pub(super) fn step(&mut self, end: &Place) -> Step {
        let Self {
            poller,
            filter,
            cursors,
            encoder,
            lost,
            ..
        } = self;
        let pollers = find::pollers(poller).unwrap_or_default();
        let mut places: HashMap<_, _> = cursors.iter_mut().collect();
        let mut merge = Merge::new(pollers.iter().filter_map(|poller| {
            let id = internals::id(poller);
            Some((poller, places.remove(&id)?, end.get(&id)?))
        }));
        let mut room = Room::new(MAX_EVENTS);
        let mut events = Vec::new();
        let mut looks = 0;
        let more = loop {
            let Some((poller, event)) = merge.peek() else {
                break false;
            };
            if looks == LOOKS {
                break true;
            }
            if filter.admits(event) {
                let event = encoder.event(poller.name(), event);
                if !room.take(event.encoded_len()) {
                    break true;
                }
                events.push(event);
            }
            merge.take();
            looks += 1;
        };
        *lost += merge.lost();
        Step { events, more }
    }

    /// The next frame, with these events.
    pub(super) fn frame(&mut self, events: Vec<v1::Event>) -> TransitionsFrame {
        let sequence = self.sequence;
        self.sequence += 1;
        TransitionsFrame {
            sequence,
            captured_at_ns: view::now_ns(),
            epoch: view::started_at_ns(),
            events,
            lost: self.lost,
            dropped: self.dropped,
        }
    }

    /// The client has taken a frame that says all that was lost so far.
    pub(super) fn was_told(&mut self) {
        self.told = (self.lost, self.dropped);
    }

    /// Gives the client these events if it has room for them, and counts them as dropped if not. Of
    /// losses it is told though there are no events.
    pub(super) fn offer(&mut self, events: Vec<v1::Event>, frames: &Outlet<TransitionsFrame>) {
        if events.is_empty() && self.told == (self.lost, self.dropped) {
            return;
        }
        let count = events.len() as u64;
        let frame = self.frame(events);
        if frames.offer(frame) {
            self.was_told();
        } else {
            self.dropped += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::time::Duration;

    use netpoller_core::{Kind, Poller, Sides};

    use super::*;
    use crate::limits::MAX_MESSAGE;

    fn subscriber(request: WatchTransitionsRequest) -> Subscriber {
        Subscriber::new(request).unwrap()
    }

    fn events(count: usize) -> Vec<v1::Event> {
        vec![v1::Event::default(); count]
    }

    /// A poller that has recorded so many events.
    fn recorded(name: &str, events: usize) -> Poller {
        let poller = Poller::builder()
            .name(name)
            .flight_recorder(1 << 20)
            .build()
            .unwrap();
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let desc = poller.open(socket.as_fd(), Kind::Unix).unwrap();
        (0..events).for_each(|_| desc.set_deadline(None, Sides::Read));
        drop(desc);
        poller
    }

    fn history_of(name: &str) -> WatchTransitionsRequest {
        WatchTransitionsRequest {
            poller: name.into(),
            history: true,
            ..Default::default()
        }
    }

    #[test]
    fn a_full_frame_is_no_larger_than_a_message_may_be() {
        let event = v1::Event {
            poller: "x".repeat(1000),
            ..Default::default()
        };
        let mut room = Room::new(MAX_EVENTS);
        let mut events = Vec::new();
        while room.take(event.encoded_len()) {
            events.push(event.clone());
        }
        assert!((900..MAX_EVENTS).contains(&events.len()));
        let frame = subscriber(WatchTransitionsRequest::default()).frame(events);
        assert!(frame.encoded_len() <= MAX_MESSAGE);
    }

    #[test]
    fn a_step_holds_the_events_of_one_frame_and_the_next_one_goes_on_behind_them() {
        let poller = recorded("stepped", 20_000);
        let expected = view::recorder::recorded(&poller);
        let mut subscriber = subscriber(history_of("stepped"));
        let end = subscriber.end();
        let mut events = Vec::new();
        let mut steps = 0;
        loop {
            let step = subscriber.step(&end);
            assert!(step.events.len() <= MAX_EVENTS);
            events.extend(step.events);
            steps += 1;
            if !step.more {
                break;
            }
        }
        assert!(steps > 4, "{steps}");
        assert_eq!(subscriber.lost, 0);
        let times: Vec<_> = events.iter().map(|event| event.at_ns).collect();
        let recorded: Vec<_> = expected.iter().map(|event| event.at_ns).collect();
        assert!(times == recorded, "each once, in order");
    }

    #[test]
    fn a_step_ends_though_it_finds_nothing_that_is_wanted() {
        let _poller = recorded("unwanted", 20_000);
        let mut subscriber = subscriber(WatchTransitionsRequest {
            kinds: vec![v1::EventKind::BreakWritten.into()],
            ..history_of("unwanted")
        });
        let end = subscriber.end();
        let first = subscriber.step(&end);
        assert!(first.more && first.events.is_empty());
        while subscriber.step(&end).more {}
        let again = subscriber.step(&end);
        assert!(!again.more && again.events.is_empty());
    }

    #[test]
    fn what_a_slow_client_has_no_room_for_is_dropped_and_counted() {
        let mut subscriber = subscriber(WatchTransitionsRequest::default());
        let (frames, mut taken) = Outlet::new(1, Duration::MAX);
        subscriber.offer(events(0), &frames);
        assert!(taken.try_recv().is_err(), "there is nothing to tell");
        subscriber.offer(events(3), &frames);
        subscriber.offer(events(5), &frames);
        subscriber.offer(events(7), &frames);
        assert_eq!(taken.try_recv().unwrap().unwrap().events.len(), 3);
        subscriber.offer(events(1), &frames);
        let frame = taken.try_recv().unwrap().unwrap();
        assert_eq!((frame.events.len(), frame.dropped), (1, 12));
        subscriber.offer(events(0), &frames);
        assert!(taken.try_recv().is_err(), "that was told");
        subscriber.lost += 1;
        subscriber.offer(events(0), &frames);
        assert_eq!(taken.try_recv().unwrap().unwrap().lost, 1);
    }
}
