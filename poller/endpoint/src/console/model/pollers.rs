//! Pollers, their eventfds, and what of theirs is not listed.

use std::collections::HashMap;

use super::{Followed, Model};
use crate::console::attributes;
use crate::console::entities::{Attribute, Meta, Resource, ResourceKind};
use crate::console::process::{PollerNow, Process};

impl<P: Process> Model<P> {
    /// Whether the poller is shown.
    pub(super) fn follow(&mut self, now: &PollerNow) -> bool {
        let known = self.pollers.get(&now.number);
        let overwritten = known.map_or(0, |poller| poller.overwritten);
        let attributes = attributes::of_poller(now, overwritten);
        if let Some(followed) = self.pollers.get_mut(&now.number) {
            followed.seen = self.sample;
            let (resource, wake) = (followed.resource, followed.wake);
            self.replace(resource, attributes);
            if let Some((id, breaks)) = wake.zip(now.breaks) {
                self.replace(id, attributes::of_break(&breaks));
            }
            return true;
        }
        let resource = Resource {
            meta: Meta::Poller,
            parent: None,
            kind: ResourceKind::Other("poller"),
            concrete_type: "Epoll".into(),
            location: None,
            created_ns: now.created_at_ns,
            is_internal: false,
            attributes,
        };
        let Some(resource) = self
            .resources
            .insert(resource, self.sample, self.sampled_ns)
        else {
            self.dropped.resources += 1;
            return false;
        };
        let wake = now.breaks.and_then(|breaks| {
            let eventfd = Resource {
                meta: Meta::Descriptor,
                parent: Some(resource),
                kind: ResourceKind::Other("eventfd"),
                concrete_type: "EventFd".into(),
                location: None,
                created_ns: now.created_at_ns,
                is_internal: true,
                attributes: attributes::of_break(&breaks),
            };
            self.resources.insert(eventfd, self.sample, self.sampled_ns)
        });
        let followed = Followed {
            resource,
            wake,
            running: HashMap::new(),
            overwritten: 0,
            seen: self.sample,
        };
        self.pollers.insert(now.number, followed);
        true
    }

    /// The descriptors for which there is no room are one resource.
    pub(super) fn tell_of_more(&mut self, unlisted: u64) {
        let attributes = vec![Attribute::number("count", unlisted)];
        match (self.more, unlisted) {
            (None, 0) => {}
            (Some(id), 0) => {
                self.resources.end(id, self.sample, self.sampled_ns);
                self.more = None;
            }
            (Some(id), _) => self.replace(id, attributes),
            (None, _) => {
                let more = Resource {
                    meta: Meta::Poller,
                    parent: None,
                    kind: ResourceKind::Other("more"),
                    concrete_type: "PollDesc".into(),
                    location: None,
                    created_ns: self.sampled_ns,
                    is_internal: false,
                    attributes,
                };
                self.more = self.resources.insert(more, self.sample, self.sampled_ns);
            }
        }
    }
}
