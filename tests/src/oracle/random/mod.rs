//! Makes scripts at random, of lines whose outcomes do not depend on who is quicker.
//!
//! The generator keeps a model of what it has written: how many bytes are on their way, which ends
//! are closed, which deadlines have passed, who waits. It does not foretell outcomes, which is for
//! Go to say. It only knows for each operation whether it ends at once, so that one that does not
//! is started on a lane and waited for until it is parked, and for each event which lanes it
//! releases, so that these are waited for before anything else happens.

mod dice;
mod end;
mod steps;

use std::fmt::Write as _;

use dice::Random;
use end::{End, Kind};

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
        self.ends.push(End::new(name, kind, peer));
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

    /// Waits for those whom the last line has released, and until the next in turn is parked.
    fn settle(&mut self, x: usize) {
        let mut turned = false;
        while let Some(first) = self.ends[x].waiting.front().cloned() {
            if !self.ends[x].is_ready(&first) {
                if turned {
                    self.emit(format!("parked {}", first.lane));
                }
                return;
            }
            self.emit(format!("done {}", first.lane));
            self.ends[x].consume(&first);
            self.ends[x].waiting.pop_front();
            turned = true;
        }
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
