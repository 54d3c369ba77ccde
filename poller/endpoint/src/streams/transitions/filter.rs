//! Which events are wanted.

use netpoller_core::view::EventKind;
use netpoller_core::view::recorder::Event;
use netpoller_core::{DescId, Direction};
use netpoller_proto::v1::WatchTransitionsRequest;
use tonic::Status;

use crate::methods::find;

/// Which events are wanted.
pub(super) struct EventFilter {
    desc: Option<DescId>,
    direction: Option<Direction>,
    /// A bit for each: a request has room for thousands of numbers, and each event is looked for.
    kinds: u64,
}

const _: () = assert!(EventKind::COUNT <= 64);

fn bit(kind: EventKind) -> u64 {
    1 << kind.index()
}

impl EventFilter {
    pub(super) fn new(request: &WatchTransitionsRequest) -> Result<Self, Status> {
        let direction = match request.direction {
            0 => None,
            number => Some(Direction::from_number(number).ok_or_else(|| {
                Status::invalid_argument(format!("direction: {number} is not known to this server"))
            })?),
        };
        let kind = |number: &i32| {
            EventKind::from_number(*number).ok_or_else(|| {
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

    pub(super) fn admits(&self, event: &Event) -> bool {
        self.desc.is_none_or(|desc| event.id() == Some(desc))
            && self
                .direction
                .is_none_or(|direction| event.direction == Some(direction))
            && self.kinds & bit(event.kind) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_that_are_asked_for_are_admitted_and_none_means_all() {
        let filter = |kinds: &[i32]| {
            EventFilter::new(&WatchTransitionsRequest {
                kinds: kinds.to_vec(),
                ..Default::default()
            })
            .unwrap()
        };
        let (first, last) = (EventKind::Arm, EventKind::Waited);
        let some = filter(&[first.number(), last.number(), first.number()]);
        let all = filter(&[]);
        for it in EventKind::ALL {
            assert_eq!(some.kinds & bit(it) != 0, it == first || it == last);
            assert_ne!(all.kinds & bit(it), 0);
        }
    }
}
