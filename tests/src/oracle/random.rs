//! Makes scripts at random, of lines whose outcomes do not depend on who is quicker.
//!
//! The generator keeps a model of what it has written: how many bytes are on their way, which ends
//! are closed, which deadlines have passed, who waits. It does not foretell outcomes, which is for
//! Go to say. It only knows for each operation whether it ends at once, so that one that does not
//! is started on a lane and waited for until it is parked, and for each event which lanes it
//! releases, so that these are waited for before anything else happens.

use std::collections::VecDeque;
use std::fmt::Write as _;

/// SplitMix64: small, and the same on every machine.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Whether an event of `percent` happens.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn size(&mut self) -> usize {
        match self.below(8) {
            0 => 0,
            1 => 1000,
            _ => 1 + self.below(16),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Tcp,
    Unix,
    Packet,
    Gram,
    Udp,
    Reader,
    Writer,
    Listener,
}

impl Kind {
    /// Messages rather than bytes.
    fn is_message(self) -> bool {
        matches!(self, Kind::Packet | Kind::Gram | Kind::Udp)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    Read,
    Recvfrom,
    Accept,
}

/// A lane that waits to read.
#[derive(Clone, Debug)]
struct Waiting {
    lane: String,
    how: How,
    size: usize,
}

/// One end, as far as the generator knows.
#[derive(Clone, Debug)]
struct End {
    name: String,
    kind: Kind,
    /// The other end; its own index for a listener.
    peer: usize,
    closed: bool,
    /// The read and the write deadline have passed.
    past: [bool; 2],
    /// What is to be read: messages, or pieces of the stream; connections of a listener.
    inbox: VecDeque<usize>,
    /// Behind that is the end, or an error.
    ended: bool,
    /// It has ended its own writing.
    shut: bool,
    /// Its peer no longer takes anything, in a way whose moment nobody knows.
    refused: bool,
    waiting: VecDeque<Waiting>,
    /// A lane that is parked with a write too large.
    writer: Option<String>,
    /// Its buffers are small, and full of an unknown number of bytes on the way to its peer.
    full: bool,
}

struct Generator {
    random: Random,
    text: String,
    ends: Vec<End>,
    lanes: usize,
    names: usize,
}

/// The text of a random script called `name`.
pub(super) fn script(name: &str, seed: u64) -> String {
    let mut generator = Generator {
        random: Random::new(seed),
        text: format!("script {name}\n"),
        ends: Vec::new(),
        lanes: 0,
        names: 0,
    };
    generator.make();
    for _ in 0..6 + generator.random.below(18) {
        generator.step();
    }
    generator.finish();
    generator.text
}

impl Generator {
    fn emit(&mut self, line: impl std::fmt::Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("x{}", self.names)
    }

    fn lane(&mut self) -> String {
        self.lanes += 1;
        format!("L{}", self.lanes)
    }

    fn end(&mut self, name: String, kind: Kind, peer: usize) {
        self.ends.push(End {
            name,
            kind,
            peer,
            closed: false,
            past: [false; 2],
            inbox: VecDeque::new(),
            ended: false,
            shut: false,
            refused: false,
            waiting: VecDeque::new(),
            writer: None,
            full: false,
        });
    }

    fn pair(&mut self, a: (String, Kind), b: (String, Kind)) {
        let first = self.ends.len();
        self.end(a.0, a.1, first + 1);
        self.end(b.0, b.1, first);
    }

    /// Makes a pair, a pipe or a listener.
    fn make(&mut self) {
        let (a, b) = (self.name(), self.name());
        let (line, kinds) = match self.random.below(10) {
            0..=3 => (format!("pair tcp {a} {b}"), (Kind::Tcp, Kind::Tcp)),
            4 => (format!("pair unix {a} {b}"), (Kind::Unix, Kind::Unix)),
            5 => (
                format!("pair unixpacket {a} {b}"),
                (Kind::Packet, Kind::Packet),
            ),
            6 => (format!("pair unixgram {a} {b}"), (Kind::Gram, Kind::Gram)),
            7 => (format!("pair udp {a} {b}"), (Kind::Udp, Kind::Udp)),
            8 => (format!("pipe {a} {b}"), (Kind::Reader, Kind::Writer)),
            _ => {
                let family = self.random.pick(&["tcp", "unix"]);
                self.emit(format!("listen {family} {a}"));
                self.end(a, Kind::Listener, self.ends.len());
                return;
            }
        };
        self.emit(line);
        self.pair((a, kinds.0), (b, kinds.1));
    }

    fn step(&mut self) {
        let open = self.ends.iter().filter(|end| !end.closed).count();
        if open == 0 || (self.ends.len() < 8 && self.random.chance(6)) {
            return self.make();
        }
        // A closed one now and then: it must go on refusing.
        let mut x = self.random.below(self.ends.len());
        if self.ends[x].closed && self.random.chance(70) {
            x = self.random.below(self.ends.len());
        }
        match self.random.below(100) {
            0..=29 => self.read(x),
            30..=54 => self.write(x),
            55..=76 => self.deadline(x),
            77..=84 => self.shut(x),
            85..=88 => self.fill(x),
            _ => self.close(x),
        }
    }

    /// Whether an operation on `x` ends at once, when it has its turn.
    fn is_ready(&self, x: usize, waiting: &Waiting) -> bool {
        let end = &self.ends[x];
        let nothing_wanted = waiting.how == How::Read && waiting.size == 0;
        end.closed || nothing_wanted || end.past[0] || !end.inbox.is_empty() || end.ended
    }

    /// Takes what an operation takes that ends.
    fn consume(&mut self, x: usize, waiting: &Waiting) {
        let end = &mut self.ends[x];
        let nothing_wanted = waiting.how == How::Read && waiting.size == 0;
        if end.closed || nothing_wanted || end.past[0] {
            return;
        }
        if end.kind.is_message() || waiting.how == How::Accept {
            end.inbox.pop_front();
            return;
        }
        let mut room = waiting.size;
        while room > 0
            && let Some(piece) = end.inbox.front_mut()
        {
            let taken = room.min(*piece);
            *piece -= taken;
            room -= taken;
            if *piece == 0 {
                end.inbox.pop_front();
            }
        }
    }

    fn read(&mut self, x: usize) {
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
        if self.ends[x].waiting.is_empty() && self.is_ready(x, &waiting) {
            self.emit(line);
            return self.consume(x, &waiting);
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

    /// Waits for those whom the last line has released, and until the next in turn is parked.
    fn settle(&mut self, x: usize) {
        let mut turned = false;
        while let Some(first) = self.ends[x].waiting.front().cloned() {
            if !self.is_ready(x, &first) {
                if turned {
                    self.emit(format!("parked {}", first.lane));
                }
                return;
            }
            self.emit(format!("done {}", first.lane));
            self.consume(x, &first);
            self.ends[x].waiting.pop_front();
            turned = true;
        }
    }

    fn write(&mut self, x: usize) {
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

    fn deadline(&mut self, x: usize) {
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
            // Only where somebody waits for it, so that it has passed when he is done.
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

    fn shut(&mut self, x: usize) {
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
    fn fill(&mut self, x: usize) {
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

    fn close(&mut self, x: usize) {
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

    /// Ends all lanes.
    fn finish(&mut self) {
        for x in 0..self.ends.len() {
            if !self.ends[x].waiting.is_empty() || self.ends[x].writer.is_some() {
                self.close(x);
            }
        }
    }
}
