//! Perfetto traces, read by the numbers of its protocol: from the bytes, without the messages of
//! whoever wrote them.

use std::collections::{BTreeMap, HashMap};

/// A trace.
#[derive(Debug, Default)]
pub struct Trace {
    /// By number.
    pub tracks: BTreeMap<u64, Track>,
    /// In the order in which they were written.
    pub marks: Vec<Mark>,
    /// The clocks that are tied together, with the time of each.
    pub clocks: Vec<(u64, u64)>,
}

/// Something that has a line of its own.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Track {
    /// Its name; empty where it is that of the process.
    pub name: String,
    /// The track that it is below.
    pub parent: Option<u64>,
    /// Number and name of the process that it is.
    pub process: Option<(u64, String)>,
}

/// The beginning or the end of a slice, or an instant.
#[derive(Debug, Default, Clone)]
pub struct Mark {
    /// When.
    pub at_ns: u64,
    /// On which track.
    pub track: u64,
    /// What it is.
    pub of: Of,
    /// Its name; an end has none.
    pub name: String,
    /// Its category.
    pub category: String,
    /// What is said beside.
    pub args: BTreeMap<String, String>,
    /// Arrows that begin here or pass through.
    pub flows: Vec<u64>,
    /// Arrows that end here.
    pub ends: Vec<u64>,
}

/// What a mark is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A slice begins.
    Begin,
    /// The innermost slice of the track ends.
    End,
    /// A moment.
    #[default]
    Instant,
}

/// A slice that has ended, with what was said at its beginning and its end.
#[derive(Debug, Clone)]
pub struct Slice {
    /// Its name.
    pub name: String,
    /// Its track.
    pub track: u64,
    /// When it begins.
    pub begin_ns: u64,
    /// When it ends.
    pub end_ns: u64,
    /// What is said at either.
    pub args: BTreeMap<String, String>,
}

/// A field of a message.
#[derive(Debug, Clone, Copy)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn number(self) -> u64 {
        match self {
            Field::Number(number) => number,
            Field::Bytes(_) => panic!("a number is expected"),
        }
    }

    fn bytes(self) -> &'a [u8] {
        match self {
            Field::Bytes(bytes) => bytes,
            Field::Number(_) => panic!("a message or text is expected"),
        }
    }

    fn text(self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("UTF-8")
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().expect("it is whole");
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return number;
        }
    }
    panic!("a number is too long")
}

/// The fields of a message, in their order.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => {
                let (number, rest) = bytes.split_at(8);
                bytes = rest;
                Field::Number(u64::from_le_bytes(number.try_into().expect("eight")))
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("it is small");
                let (inner, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(inner)
            }
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

/// Names by number: of categories, events and arguments.
type Names = HashMap<(u64, u64), String>;

impl Trace {
    /// Reads a trace.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mut trace = Self::default();
        let mut names = Names::new();
        for (number, packet) in fields(bytes) {
            assert_eq!(number, 1, "a trace is packets");
            trace.packet(packet.bytes(), &mut names);
        }
        trace
    }

    fn packet(&mut self, packet: &[u8], names: &mut Names) {
        let mut at_ns = 0;
        let mut event = None;
        for (number, field) in fields(packet) {
            match number {
                6 => {
                    for (number, clock) in fields(field.bytes()) {
                        if number == 1 {
                            let clock = fields(clock.bytes());
                            self.clocks.push((clock[0].1.number(), clock[1].1.number()));
                        }
                    }
                }
                8 => at_ns = field.number(),
                10 => assert_ne!(field.number(), 0, "a packet has a sequence"),
                11 => event = Some(field.bytes()),
                12 => {
                    for (kind, name) in fields(field.bytes()) {
                        let name = fields(name.bytes());
                        names.insert((kind, name[0].1.number()), name[1].1.text());
                    }
                }
                60 => self.track(field.bytes()),
                _ => {}
            }
        }
        if let Some(event) = event {
            self.marks.push(mark(event, at_ns, names));
        }
    }

    fn track(&mut self, bytes: &[u8]) {
        let (mut track, mut uuid) = (Track::default(), 0);
        for (number, field) in fields(bytes) {
            match number {
                1 => uuid = field.number(),
                2 => track.name = field.text(),
                3 => {
                    let of = fields(field.bytes());
                    track.process = Some((of[0].1.number(), of[1].1.text()));
                }
                5 => track.parent = Some(field.number()),
                _ => {}
            }
        }
        // The first is what counts.
        self.tracks.entry(uuid).or_insert(track);
    }

    /// The names of a track and of those above it, from the process down.
    #[must_use]
    pub fn path(&self, track: u64) -> Vec<String> {
        let track = &self.tracks[&track];
        let mut path = track.parent.map_or_else(Vec::new, |it| self.path(it));
        path.push(track.name.clone());
        path
    }

    /// All slices, in the order of their ends.
    ///
    /// # Panics
    ///
    /// If one does not end, or something ends that has not begun.
    #[must_use]
    pub fn slices(&self) -> Vec<Slice> {
        let mut open: BTreeMap<u64, Vec<&Mark>> = BTreeMap::new();
        let mut slices = Vec::new();
        for mark in &self.marks {
            let open = open.entry(mark.track).or_default();
            match mark.of {
                Of::Begin => open.push(mark),
                Of::Instant => {}
                Of::End => {
                    let begin = open.pop().expect("it has begun");
                    let args = begin.args.iter().chain(&mark.args);
                    slices.push(Slice {
                        name: begin.name.clone(),
                        track: mark.track,
                        begin_ns: begin.at_ns,
                        end_ns: mark.at_ns,
                        args: args.map(|(name, it)| (name.clone(), it.clone())).collect(),
                    });
                }
            }
        }
        assert!(open.values().all(Vec::is_empty), "all slices end");
        slices
    }

    /// The marks that each arrow goes through, by its number.
    #[must_use]
    pub fn arrows(&self) -> BTreeMap<u64, Vec<&Mark>> {
        let mut arrows: BTreeMap<u64, Vec<&Mark>> = BTreeMap::new();
        for mark in &self.marks {
            for arrow in mark.flows.iter().chain(&mark.ends) {
                arrows.entry(*arrow).or_default().push(mark);
            }
        }
        arrows
    }

    /// What holds of every trace: it goes forward in time, slices end, arrows begin and end, and
    /// tracks are told of before something is on them.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[track_caller]
    pub fn must_be_sound(&self) {
        let times = self.marks.iter().map(|mark| mark.at_ns);
        assert!(times.is_sorted(), "it goes forward in time");
        for mark in &self.marks {
            let track = self.tracks.get(&mark.track);
            assert!(track.is_some(), "the track of {mark:?} is known");
        }
        for track in self.tracks.values() {
            let is_known = track.parent.is_none_or(|it| self.tracks.contains_key(&it));
            assert!(is_known, "what {track:?} is below is known");
        }
        for slice in self.slices() {
            assert!(slice.begin_ns <= slice.end_ns, "{slice:?}");
        }
        for (arrow, marks) in self.arrows() {
            let ends = marks.iter().map(|mark| mark.ends.contains(&arrow));
            let ends: Vec<bool> = ends.collect();
            let [before @ .., last] = &ends[..] else {
                panic!("arrow {arrow} goes nowhere");
            };
            assert!(
                !before.is_empty() && *last && !before.contains(&true),
                "arrow {arrow} begins, and ends once, with the last: {marks:?}"
            );
        }
    }
}

fn mark(bytes: &[u8], at_ns: u64, names: &Names) -> Mark {
    let mut mark = Mark {
        at_ns,
        ..Mark::default()
    };
    let name = |kind: u64, iid: u64| names[&(kind, iid)].clone();
    for (number, field) in fields(bytes) {
        match number {
            3 => mark.category = name(1, field.number()),
            4 => {
                let (mut key, mut value) = (String::new(), String::new());
                for (number, field) in fields(field.bytes()) {
                    match number {
                        1 => key = name(3, field.number()),
                        2 => value = (field.number() == 1).to_string(),
                        3 => value = field.number().to_string(),
                        4 => value = field.number().cast_signed().to_string(),
                        6 => value = field.text(),
                        other => panic!("an argument as field {other}"),
                    }
                }
                mark.args.insert(key, value);
            }
            9 => {
                mark.of = match field.number() {
                    1 => Of::Begin,
                    2 => Of::End,
                    3 => Of::Instant,
                    other => panic!("type {other}"),
                }
            }
            10 => mark.name = name(2, field.number()),
            11 => mark.track = field.number(),
            47 => mark.flows.push(field.number()),
            48 => mark.ends.push(field.number()),
            other => panic!("field {other} of an event"),
        }
    }
    mark
}
