//! How things stood at a moment of a recording.

use std::collections::VecDeque;
use std::sync::Arc;

use netpoller_proto::recording::{self, Content};
use netpoller_proto::v1::entry::Told;
use netpoller_proto::v1::{DiagnoseResponse, GetServerResponse, ListSitesResponse};

use super::past::Past;
use crate::model::Model;

/// All that was known at a moment; it goes forth cheaply, and back to the last block that begins
/// with all.
#[derive(Debug)]
pub(super) struct Moment {
    past: Arc<Past>,
    at_ns: u64,
    pub(super) server: GetServerResponse,
    /// The table and the statistics.
    pub(super) model: Model,
    pub(super) diagnosis: Option<DiagnoseResponse>,
    pub(super) sites: Option<ListSitesResponse>,
    /// The block that is read next, and what was read and comes later.
    next: usize,
    later: VecDeque<Told>,
    /// Changes are missing, so those that follow mean nothing.
    is_blind: bool,
}

impl Moment {
    /// The moment at which a recording begins.
    pub(super) fn first(past: Arc<Past>) -> Self {
        let mut moment = Self::before(0, past);
        moment.go(moment.past.begins_at_ns);
        moment
    }

    /// Nothing is known yet, and this block is read next.
    fn before(next: usize, past: Arc<Past>) -> Self {
        Self {
            past,
            at_ns: 0,
            server: GetServerResponse::default(),
            model: Model::default(),
            diagnosis: None,
            sites: None,
            next,
            later: VecDeque::new(),
            is_blind: false,
        }
    }

    /// Goes to a moment.
    pub(super) fn go(&mut self, at_ns: u64) {
        let keyframe = self.past.keyframe(at_ns).unwrap_or(0);
        // What lies between need not be read.
        if at_ns < self.at_ns || keyframe > self.next {
            self.restart(keyframe);
            self.read(at_ns);
        }
        // Not all of that table may be there, and then the one before is the last that is known.
        let is_known = self.model.captured_at_ns > 0;
        if let Some(before) = self.past.keyframe_before(keyframe).filter(|_| !is_known) {
            self.restart(before);
        }
        self.read(at_ns);
    }

    /// Reads what comes up to a moment.
    fn read(&mut self, at_ns: u64) {
        self.at_ns = at_ns;
        loop {
            while let Some(told) = self.later.pop_front() {
                if recording::at_ns(&told) > at_ns {
                    return self.later.push_front(told);
                }
                self.take(told);
            }
            let past = Arc::clone(&self.past);
            let Some(block) = past.blocks(self.next).first() else {
                return;
            };
            let is_state = block.head.of != Content::Events;
            // Events may stand before changes that are earlier.
            if is_state && block.head.first_ns > at_ns {
                return;
            }
            self.next += 1;
            if block.head.of == Content::Keyframe || block.behind_gap {
                self.is_blind = block.head.of != Content::Keyframe;
                self.model.interrupt();
            }
            if !is_state {
                continue;
            }
            match past.entries(block) {
                Some(entries) => self.later.extend(entries),
                None => self.is_blind = true,
            }
        }
    }

    fn restart(&mut self, block: usize) {
        *self = Self::before(block, Arc::clone(&self.past));
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Server(server) => self.server = server,
            Told::Frame(frame) if !self.is_blind => {
                self.model.apply(frame);
            }
            Told::Diagnosis(diagnosis) => self.diagnosis = Some(diagnosis),
            Told::Sites(sites) => self.sites = Some(sites),
            Told::Frame(_) | Told::Transitions(_) | Told::Ended(_) => {}
        }
    }
}
