//! What is known of a program, which is read from its file when it is asked for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::image::Image;
use super::super::units::LARGEST_SECTION;
use super::reader::{Loaded, Ranges, Reader};
use super::text;
use super::types::{Shape, Type, Types};

/// How often the file is read again, and as many bytes of it each time.
const MOST_LOADS: u32 = 1 << 12;
const BUDGET: u64 = 4 * LARGEST_SECTION as u64;
/// Functions that are known at a time, and bytes of their names.
const MOST_FUNCTIONS: usize = 1 << 16;
const MOST_TEXT: usize = 64 << 20;
/// Units in which a function may be.
const MOST_UNITS: usize = 8;
/// The parameter of a function by which rustc calls the future that it was made for.
const FUTURE: &str = "T";

/// How the names begin of the functions that rustc makes of `async`.
const BODY: &str = "{async_";
/// And of those that poll a future until it is ready, on the thread that calls them; and by what
/// they call it.
const BLOCKS: &str = "block_on<";
const BLOCKS_ON: &str = "F";
/// Calls that were made part of a function, within one another.
const MOST_INLINED: isize = 64;

/// A program, with what is known of it.
pub(super) struct Known {
    image: Image,
    loads: u32,
    loaded: Option<Loaded>,
    /// `None` until it is asked for.
    ranges: Option<Ranges>,
    names: HashMap<u64, Named>,
    /// Bytes of all the names.
    text: usize,
    /// The functions that rustc has made of `async`; `None` until one is asked for.
    bodies: Option<Vec<usize>>,
    /// The types of the futures for which functions wait, by where these begin.
    blocked_on: HashMap<u64, Vec<usize>>,
    types: Types,
    /// By the function that polls it.
    polled: HashMap<u64, Option<usize>>,
}

/// The names of a function.
#[derive(Debug, Clone, Default)]
struct Named {
    names: Vec<String>,
    /// These are several functions of the same code: which one is meant cannot be known.
    is_several: bool,
}

impl Known {
    pub(super) fn new(image: Image) -> Self {
        Self {
            image,
            loads: 0,
            loaded: None,
            ranges: None,
            names: HashMap::new(),
            text: 0,
            bodies: None,
            blocked_on: HashMap::new(),
            types: Types::default(),
            polled: HashMap::new(),
        }
    }

    /// Gives up what is only needed to learn more.
    pub(super) fn rest(&mut self) {
        self.loaded = None;
    }

    /// Reads the file, if that was not done since the last rest.
    fn load(&mut self) -> Option<()> {
        if self.loaded.is_none() {
            self.loads = (self.loads < MOST_LOADS).then(|| self.loads.saturating_add(1))?;
            self.image.allow(BUDGET);
            self.loaded = Some(Loaded::read(&self.image));
        }
        let loaded = self.loaded.as_ref()?;
        // A file that was too much once would be that again.
        if loaded.is_spent() {
            self.loads = MOST_LOADS;
        }
        if self.ranges.is_none() {
            self.ranges = Some(Reader::new(loaded).ranges());
        }
        Some(())
    }

    /// Returns the name of the function that begins there, if it is the only one.
    pub(super) fn name(&mut self, address: u64) -> Option<&str> {
        self.learn(&[address]);
        let named = self.names.get(&address)?;
        let name = named.names.first()?;
        (!named.is_several).then_some(name)
    }

    /// Reads the names of all functions that begin at one of these.
    pub(super) fn learn(&mut self, addresses: &[u64]) {
        if self.names.len() > MOST_FUNCTIONS || self.text > MOST_TEXT {
            self.names.clear();
            self.text = 0;
        }
        let mut new = addresses.to_vec();
        new.retain(|it| !self.names.contains_key(it));
        new.truncate(MOST_FUNCTIONS);
        if new.is_empty() || self.load().is_none() {
            return;
        }
        let (Some(loaded), Some(ranges)) = (&self.loaded, &self.ranges) else {
            return;
        };
        let reader = Reader::new(loaded);
        for address in new {
            let mut names = Vec::new();
            for place in functions(&reader, ranges, address) {
                names.extend(reader.name(place));
            }
            names.sort_unstable();
            names.dedup();
            let named = named(names, loaded.symbols.at(address));
            let text = named.names.iter().map(String::len);
            self.text = text.fold(self.text, usize::saturating_add);
            if self.text > MOST_TEXT {
                return;
            }
            self.names.insert(address, named);
        }
    }

    /// Returns a type.
    pub(super) fn kind(&mut self, place: usize) -> Option<Arc<Type>> {
        if let Some(known) = self.types.get(place) {
            return Some(known);
        }
        self.load()?;
        let reader = Reader::new(self.loaded.as_ref()?);
        self.types.read(&reader, place)
    }

    /// Returns the type of what is in a box, if it is one that is pinned.
    pub(super) fn unboxed(&mut self, kind: &Arc<Type>) -> Arc<Type> {
        let inside = match kind.shape {
            Shape::Inside(place) => self.kind(place.kind),
            _ => None,
        };
        let inside = match inside.map(|it| it.shape.clone()) {
            Some(Shape::Pointer(place)) => self.kind(place),
            _ => None,
        };
        inside.unwrap_or_else(|| Arc::clone(kind))
    }

    /// Returns the type of the future that a function polls: `<T as Future>::poll`.
    pub(super) fn polled(&mut self, poll: u64) -> Option<usize> {
        if let Some(known) = self.polled.get(&poll) {
            return *known;
        }
        self.load()?;
        if self.polled.len() > MOST_FUNCTIONS {
            self.polled.clear();
        }
        let polled = self.only(poll).and_then(|function| {
            let reader = Reader::new(self.loaded.as_ref()?);
            reader.pinned(reader.given(function)?)
        });
        self.polled.insert(poll, polled);
        polled
    }

    /// Returns the type of the future that a function was made for.
    pub(super) fn made_for(&mut self, function: u64) -> Option<usize> {
        self.load()?;
        let place = self.only(function)?;
        Reader::new(self.loaded.as_ref()?).made_for(place, FUTURE)
    }

    /// Returns "file:line" of where the function of this name is written that rustc has made of an
    /// `async`. To find these all is to read all there is, so that is done once.
    pub(super) fn written(&mut self, body: &str) -> Option<String> {
        self.load()?;
        let reader = Reader::new(self.loaded.as_ref()?);
        let bodies = self
            .bodies
            .get_or_insert_with(|| reader.functions_called(BODY));
        let entry = reader.entry(reader.called(body, bodies)?)?;
        reader.location(&entry)
    }

    /// Returns the types of the futures that a thread may wait for in `block_on`, by what is on its
    /// stack: some of that are the addresses to which its functions return.
    pub(super) fn blocked_on(&mut self, addresses: impl Iterator<Item = u64>) -> Vec<usize> {
        if self.load().is_none() {
            return Vec::new();
        }
        let (Some(loaded), Some(ranges)) = (&self.loaded, &self.ranges) else {
            return Vec::new();
        };
        if self.blocked_on.len() > MOST_FUNCTIONS {
            self.blocked_on.clear();
        }
        let starts: HashSet<u64> = addresses
            .filter_map(|address| loaded.symbols.start(address))
            .collect();
        let reader = Reader::new(loaded);
        let mut kinds: Vec<usize> = Vec::new();
        for start in starts {
            let known = self.blocked_on.entry(start).or_insert_with(|| {
                let functions = functions(&reader, ranges, start).into_iter();
                let these = functions.flat_map(|it| reader.itself_and_inlined(it, MOST_INLINED));
                let these = these.filter(|it| reader.begins(*it, BLOCKS));
                these
                    .filter_map(|it| reader.made_for(it, BLOCKS_ON))
                    .collect()
            });
            kinds.extend(known.iter());
        }
        // Units may have the same type each.
        let mut seen = HashSet::new();
        kinds.sort_unstable();
        kinds.retain(|place| {
            let kind = self.types.read(&reader, *place);
            let kind = kind.filter(|it| matches!(it.shape, Shape::Async(..)));
            kind.is_some_and(|it| seen.insert((it.name.clone(), it.size)))
        });
        kinds
    }

    /// Finds where the function is that begins there, if it is the only one.
    fn only(&mut self, address: u64) -> Option<usize> {
        self.name(address)?;
        let reader = Reader::new(self.loaded.as_ref()?);
        let mut functions = functions(&reader, self.ranges.as_ref()?, address).into_iter();
        functions.next()
    }
}

/// Where the functions are that begin at an address.
fn functions(reader: &Reader<'_>, ranges: &Ranges, address: u64) -> Vec<usize> {
    let next = ranges.partition_point(|(start, ..)| *start <= address);
    let these = ranges.get(..next).unwrap_or_default().iter().rev();
    let these = these.take(MOST_UNITS);
    let mut units: Vec<usize> = these
        .filter(|(_, end, _)| address < *end)
        .map(|(.., unit)| *unit)
        .collect();
    units.sort_unstable();
    units.dedup();
    let functions = units.into_iter();
    functions
        .flat_map(|it| reader.functions_at(it, address))
        .collect()
}

/// Makes the names of a function out of those that debug information has, and those of symbols.
fn named(told: Vec<String>, symbols: Vec<String>) -> Named {
    let is_several = told.len() > 1 || symbols.len() > 1;
    let names = match (told.as_slice(), symbols.as_slice()) {
        ([told], [symbol]) => vec![whole(told, symbol)],
        ([], [symbol]) => vec![symbol.replace("::<", "<")],
        _ => [told, symbols].concat(),
    };
    Named { names, is_several }
}

/// With no more than line tables, a name is without its path, which the symbol has.
fn whole(told: &str, symbol: &str) -> String {
    let ((outer, name), (path, symbol)) = (text::path(told), text::path(symbol));
    let base = |name: &str| {
        name.split('<')
            .next()
            .map(|it| it.trim_end_matches("::").to_owned())
    };
    let is_same = base(name) == base(symbol);
    match outer.is_empty() && is_same && !path.is_empty() {
        true => format!("{path}::{name}"),
        false => told.to_owned(),
    }
}
