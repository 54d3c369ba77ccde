//! The steps of a script, each with what it means for both ends.

use super::Generator;
use super::end::{How, Kind, Waiting};

impl Generator {
    pub(super) fn read(&mut self, x: usize) {
        let end = &self.ends[x];
        let (name, kind) = (end.name.clone(), end.kind);
        let peer_is_full = self.ends[end.peer].full;
        if kind == Kind::Writer || end.waiting.len() > 1 || (peer_is_full && !end.closed) {
            return;
        }
        let size = self.random.size();
        let (how, line) = match kind {
            Kind::Listener => (How::Accept, format!("accept {name}")),
            Kind::Gram | Kind::Udp if self.random.chance(50) => {
                (How::Recvfrom, format!("recvfrom {name} {size}"))
            }
            Kind::Tcp | Kind::Unix | Kind::Reader if self.random.chance(25) => (
                How::Read,
                format!("readv {name} {},{}", size / 2, size - size / 2),
            ),
            _ => (How::Read, format!("read {name} {size}")),
        };
        let mut waiting = Waiting {
            lane: String::new(),
            how,
            size,
        };
        if self.ends[x].waiting.is_empty() && self.ends[x].is_ready(&waiting) {
            self.emit(line);
            return self.ends[x].consume(&waiting);
        }
        if self.ends[x].closed {
            return self.emit(line);
        }
        waiting.lane = self.lane();
        let lane = &waiting.lane;
        let lock = if self.ends[x].waiting.is_empty() {
            ""
        } else {
            " lock"
        };
        self.emit(format!("go {lane} {line}\nparked {lane}{lock}"));
        self.ends[x].waiting.push_back(waiting);
    }

    pub(super) fn write(&mut self, x: usize) {
        let end = &self.ends[x];
        if end.kind == Kind::Listener {
            return self.dial(x);
        }
        let peer = end.peer;
        if end.kind == Kind::Reader || end.writer.is_some() {
            return;
        }
        let size = self.random.size();
        let fails = end.closed || end.past[1] || end.shut;
        // What becomes of bytes for one that has gone depends on when TCP or UDP hears of it.
        let unknown =
            end.refused || (self.ends[peer].closed && matches!(end.kind, Kind::Tcp | Kind::Udp));
        if !fails && (unknown || end.full) {
            return;
        }
        let vectored =
            matches!(end.kind, Kind::Tcp | Kind::Unix) && size > 0 && self.random.chance(25);
        let name = self.ends[x].name.clone();
        if vectored {
            self.emit(format!("writev {name} {},{}", size / 2, size - size / 2));
        } else {
            self.emit(format!("write {name} {size}"));
        }
        let message = self.ends[x].kind.is_message();
        if !fails && self.ends[peer].closed && self.ends[x].kind == Kind::Gram {
            // The kernel notices here that the peer has gone, and with the connection goes what
            // came over it.
            self.ends[x].inbox.clear();
        }
        if fails || self.ends[peer].closed || (size == 0 && !message) {
            return;
        }
        self.ends[peer].inbox.push_back(size);
        self.settle(peer);
    }

    fn dial(&mut self, x: usize) {
        let name = self.name();
        let listener = self.ends[x].name.clone();
        self.emit(format!("dial {name} {listener}"));
        if !self.ends[x].closed {
            self.ends[x].inbox.push_back(1);
            self.settle(x);
        }
    }

    pub(super) fn deadline(&mut self, x: usize) {
        let (name, kind, closed) = (
            self.ends[x].name.clone(),
            self.ends[x].kind,
            self.ends[x].closed,
        );
        let (word, sides): (_, &[usize]) = match self.random.below(4) {
            0 | 1 => ("rdl", &[0]),
            2 if kind != Kind::Listener => ("wdl", &[1]),
            _ => ("dl", &[0, 1]),
        };
        let when = self
            .random
            .pick(&["none", "none", "now", "-1s", "+1h", "max", "-5m", "soon"]);
        let waits = !self.ends[x].waiting.is_empty() && sides.contains(&0);
        if when == "soon" {
            // Only where somebody waits for it, so that it has passed when that one is done.
            if waits && sides == [0] && !closed {
                self.emit(format!("{word} {name} +5ms"));
                let first = self.ends[x].waiting.pop_front();
                if let Some(first) = first {
                    self.emit(format!("done {} late", first.lane));
                }
                self.ends[x].past[0] = true;
                self.settle(x);
            }
            return;
        }
        self.emit(format!("{word} {name} {when}"));
        if closed {
            return;
        }
        let past = matches!(when, "now" | "-1s" | "-5m");
        for side in sides {
            self.ends[x].past[*side] = past;
        }
        if past && sides.contains(&1) {
            self.release_writer(x);
        }
        self.settle(x);
    }

    fn release_writer(&mut self, x: usize) {
        if let Some(lane) = self.ends[x].writer.take() {
            self.emit(format!("done {lane} n*"));
        }
    }

    pub(super) fn shut(&mut self, x: usize) {
        let end = &self.ends[x];
        let (name, peer) = (end.name.clone(), end.peer);
        if !matches!(end.kind, Kind::Tcp | Kind::Unix | Kind::Packet) {
            return;
        }
        if end.closed {
            return self.emit(format!("shutw {name}"));
        }
        // The other end may have reset it, or may not yet; and a parked writer is released with an
        // error of either kind.
        if end.refused || end.ended || end.shut || end.full || self.ends[peer].closed {
            return;
        }
        self.emit(format!("shutw {name}"));
        self.ends[x].shut = true;
        self.ends[peer].ended = true;
        self.settle(peer);
    }

    /// Parks a writer.
    pub(super) fn fill(&mut self, x: usize) {
        let end = &self.ends[x];
        let peer = end.peer;
        let (name, other) = (end.name.clone(), self.ends[peer].name.clone());
        let fits = matches!(end.kind, Kind::Tcp | Kind::Unix)
            && !end.closed
            && !end.past[1]
            && !end.shut
            && !end.full
            && !end.refused
            && !self.ends[peer].closed
            && !self.ends[peer].full
            // Who reads there would count bytes that nobody can foretell.
            && self.ends[peer].waiting.is_empty();
        if !fits {
            return;
        }
        let lane = self.lane();
        self.emit(format!(
            "bufs {name} 4096\nbufs {other} 4096\ngo {lane} write {name} 8000000\nparked {lane}"
        ));
        self.ends[x].writer = Some(lane);
        self.ends[x].full = true;
    }

    pub(super) fn close(&mut self, x: usize) {
        let end = self.ends[x].clone();
        let peer = end.peer;
        // Two that wait on the other end share one error: who gets it is a race.
        let other = &self.ends[peer];
        if !end.closed && peer != x && !other.closed && other.full && !other.waiting.is_empty() {
            return;
        }
        self.emit(format!("close {}", end.name));
        if end.closed {
            return;
        }
        self.ends[x].closed = true;
        self.release_writer(x);
        self.settle(x);
        self.ends[x].inbox.clear();
        if peer == x || self.ends[peer].closed {
            return;
        }
        let unread = !end.inbox.is_empty() || self.ends[peer].full;
        match end.kind {
            Kind::Tcp | Kind::Unix | Kind::Packet => {
                self.ends[peer].ended = true;
                self.ends[peer].refused = end.kind == Kind::Tcp;
                if unread && end.kind == Kind::Tcp {
                    // A reset instead of the end, which also takes what was on its way.
                    self.emit("sleep 5ms");
                    self.ends[peer].inbox.clear();
                }
                self.release_writer(peer);
            }
            Kind::Writer => self.ends[peer].ended = true,
            Kind::Reader => self.release_writer(peer),
            Kind::Gram | Kind::Udp | Kind::Listener => {}
        }
        self.settle(peer);
    }
}
