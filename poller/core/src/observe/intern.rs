//! Short texts (labels, names of tasks) kept once and named by a number, so that a slot holds four
//! bytes.
//!
//! A number is good for as long as somebody uses the text: a descriptor that bears it, a future of
//! that name. Then the text stays where it is until [`KEPT`] others are unused too, and its place
//! is given to another one, under another number: what still refers to the old number (who waited
//! last, for one) finds it gone, and never somebody else's. Only after 65 536 times [`KEPT`] texts
//! does a number come again.

use std::collections::{BTreeMap, VecDeque};
use std::panic::Location;
use std::sync::Arc;

use crate::sync::LockOrder;
use crate::sys::ForkMutex;

/// Most texts in use at a time. What comes then is shown as [`OVERFLOW`].
const MAX_TEXTS: usize = 65_534;
const OVERFLOW: &str = "(too many labels)";
const OVERFLOW_LABEL: Label = Label(0xffff);

/// So many texts that nobody uses any more are kept, for those who look at what was.
const KEPT: usize = 4096;
/// What such a text is shown as afterwards.
const GONE: &str = "(name gone)";

/// Longest text kept, in bytes.
const MAX_LENGTH: usize = 128;

/// A text in the table: in the lower half its place, from 1 on, in the upper one how many texts
/// were there before it. 0 is the empty text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Label(pub(crate) u32);

impl Label {
    fn place(self) -> Option<usize> {
        (self.0 as u16 as usize).checked_sub(1)
    }

    fn generation(self) -> u16 {
        (self.0 >> 16) as u16
    }
}

/// The texts of the process.
#[derive(Debug)]
pub(crate) struct Names(ForkMutex<Table>);

#[derive(Debug)]
struct Text {
    text: Arc<str>,
    generation: u16,
    uses: u32,
    /// It is in [`Table::unused`].
    queued: bool,
    given: Given,
}

/// Where a name was given.
#[derive(Clone, Copy, Debug)]
enum Given {
    Nowhere,
    At(&'static Location<'static>),
    /// At several lines, of which none stands for all.
    Somewhere,
}

#[derive(Debug)]
struct Table {
    by_text: BTreeMap<Arc<str>, u16>,
    texts: Vec<Text>,
    /// Places that were unused when they came here, the oldest first.
    unused: VecDeque<u16>,
}

impl Names {
    /// The one table of the process.
    pub(crate) fn shared() -> &'static Names {
        static NAMES: Names = Names(ForkMutex::new(LockOrder::Names, Table::new()));
        &NAMES
    }

    /// The label of `text`: control characters replaced, cut at 128 bytes. Counts as a use, until
    /// [`Names::give_back`].
    pub(crate) fn label(&'static self, text: &str) -> Label {
        let text = printable(text);
        if text.is_empty() {
            return Label(0);
        }
        self.0.lock().label(&text)
    }

    /// The line that gave tasks the name `label`, if there is one and no other.
    pub(crate) fn line(&'static self, label: Label) -> Option<&'static Location<'static>> {
        if label == Label(0) {
            return None;
        }
        self.0.lock().line(label)
    }

    /// Ends a use of `label`.
    pub(crate) fn give_back(&'static self, label: Label) {
        if label != Label(0) {
            self.0.lock().give_back(label);
        }
    }

    /// The text of `label`, empty for an unknown one.
    pub(crate) fn text(&'static self, label: Label) -> Arc<str> {
        self.0.lock().text(label)
    }
}

impl Table {
    const fn new() -> Self {
        Self {
            by_text: BTreeMap::new(),
            texts: Vec::new(),
            unused: VecDeque::new(),
        }
    }

    fn label(&mut self, text: &str) -> Label {
        let place = match self.by_text.get(text) {
            Some(place) => *place,
            None => match self.add(text.into()) {
                Some(place) => place,
                None => return OVERFLOW_LABEL,
            },
        };
        let text = &mut self.texts[usize::from(place)];
        text.uses = text.uses.saturating_add(1);
        Label(u32::from(text.generation) << 16 | u32::from(place + 1))
    }

    /// Puts a new text in a place.
    fn add(&mut self, text: Arc<str>) -> Option<u16> {
        let old = if self.unused.len() >= KEPT || self.texts.len() >= MAX_TEXTS {
            self.take_unused()
        } else {
            None
        };
        let place = match old {
            Some(place) => {
                let old = &mut self.texts[usize::from(place)];
                self.by_text.remove(&old.text);
                old.generation = old.generation.wrapping_add(1);
                old.text = text.clone();
                old.given = Given::Nowhere;
                place
            }
            None if self.texts.len() < MAX_TEXTS => {
                self.texts.push(Text {
                    text: text.clone(),
                    generation: 0,
                    uses: 0,
                    queued: false,
                    given: Given::Nowhere,
                });
                (self.texts.len() - 1) as u16
            }
            None => return None,
        };
        self.by_text.insert(text, place);
        Some(place)
    }

    /// The place that has been unused for longest. Those that are in use again are passed over.
    fn take_unused(&mut self) -> Option<u16> {
        while let Some(place) = self.unused.pop_front() {
            let text = &mut self.texts[usize::from(place)];
            text.queued = false;
            if text.uses == 0 {
                return Some(place);
            }
        }
        None
    }

    fn give_back(&mut self, label: Label) {
        let Some(text) = label.place().and_then(|place| self.texts.get_mut(place)) else {
            return;
        };
        if text.generation != label.generation() || text.uses == 0 {
            return;
        }
        text.uses -= 1;
        if text.uses == 0 && !text.queued {
            text.queued = true;
            self.unused.push_back(label.0 as u16 - 1);
        }
    }

    /// The name `label` is given at `line`.
    fn give(&mut self, label: Label, line: &'static Location<'static>) {
        let place = label.place().and_then(|place| self.texts.get_mut(place));
        if let Some(text) = place.filter(|text| text.generation == label.generation()) {
            text.given = match text.given {
                Given::Nowhere => Given::At(line),
                Given::At(other) if other == line => Given::At(line),
                Given::At(_) | Given::Somewhere => Given::Somewhere,
            };
        }
    }

    fn line(&self, label: Label) -> Option<&'static Location<'static>> {
        let text = label.place().and_then(|place| self.texts.get(place))?;
        match text.given {
            Given::At(line) if text.generation == label.generation() => Some(line),
            _ => None,
        }
    }

    fn text(&self, label: Label) -> Arc<str> {
        if label == OVERFLOW_LABEL {
            return OVERFLOW.into();
        }
        match label.place().and_then(|place| self.texts.get(place)) {
            Some(text) if text.generation == label.generation() => text.text.clone(),
            Some(_) => GONE.into(),
            None => Arc::default(),
        }
    }
}

/// A use of a label, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Name(Label);

impl Name {
    pub(crate) fn new(text: &str) -> Self {
        Self(Names::shared().label(text))
    }

    /// A task gets this name at `line`.
    pub(crate) fn given_at(text: &str, line: &'static Location<'static>) -> Self {
        let name = Self::new(text);
        if name.0 != Label(0) {
            Names::shared().0.lock().give(name.0, line);
        }
        name
    }

    #[inline]
    pub(crate) fn label(&self) -> Label {
        self.0
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        Names::shared().give_back(self.0);
    }
}

/// `text` without what a terminal would obey, cut at 128 bytes.
pub(super) fn printable(text: &str) -> String {
    let mut end = text.len().min(MAX_LENGTH);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].chars().map(visible).collect()
}

/// The character, or U+FFFD for one that a terminal or a log viewer obeys, hides or shows
/// elsewhere: control and format characters (bidi overrides, zero width), separators of lines and
/// paragraphs, odd blanks, what is private or not assigned, and fillers and selectors without a
/// shape.
pub fn visible(c: char) -> char {
    let shown = match c {
        ' '..='~' => true,
        '\u{34f}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{ffa0}'
        | '\u{e0000}'..='\u{e0fff}' => false,
        // The standard library knows the categories: what it escapes behind a letter is not for
        // eyes. (At the beginning it would escape marks as well.)
        _ => {
            let mut bytes = [b'a'; 5];
            let length = c.encode_utf8(&mut bytes[1..]).len();
            std::str::from_utf8(&bytes[..=length])
                .is_ok_and(|pair| pair.escape_debug().count() == 2)
        }
    };
    if shown { c } else { '\u{fffd}' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_label_and_a_label_its_text() {
        let mut table = Table::new();
        let label = table.label("upstream");
        assert_eq!(table.label("upstream"), label);
        assert_eq!(&*table.text(label), "upstream");
        assert_eq!(Names::shared().label(""), Label(0));
        assert_eq!(&*table.text(Label(99)), "");
    }

    #[test]
    fn issue_rootwire_53_what_turns_hides_or_breaks_text_is_replaced_in_labels() {
        for c in
            "\u{202e}\u{2066}\u{200b}\u{feff}\u{ad}\u{2028}\u{2029}\u{e0041}\u{fe0f}\u{9b}\u{e000}"
                .chars()
        {
            let text = printable(&format!("a{c}b"));
            assert_eq!(text, "a\u{fffd}b", "{c:?}");
        }
        for plain in ["Käse", "日本語", "e\u{301}", "it's \"so\\\""] {
            assert_eq!(printable(plain), plain);
        }
    }

    #[test]
    fn escape_sequences_do_not_reach_a_terminal_and_long_texts_are_cut_at_a_character() {
        assert!(!printable("a\x1b[31m").contains('\x1b'));
        assert_eq!(printable(&"é".repeat(200)).len(), 128);
    }

    #[test]
    fn a_flood_of_labels_in_use_is_bounded_and_over_when_they_are_given_back() {
        let mut table = Table::new();
        let labels: Vec<_> = (0..MAX_TEXTS)
            .map(|i| table.label(&i.to_string()))
            .collect();
        let beyond = table.label("one more");
        assert_eq!(&*table.text(beyond), OVERFLOW);
        table.give_back(beyond);
        assert_eq!(table.texts.len(), MAX_TEXTS);
        table.give_back(labels[7]);
        let later = table.label("one more");
        assert_eq!(&*table.text(later), "one more");
        assert_eq!(&*table.text(labels[7]), GONE);
        assert_eq!(&*table.text(labels[8]), "8");
    }

    #[test]
    fn names_do_not_run_out_and_one_in_use_stays_what_it_is() {
        let mut table = Table::new();
        let lasting = table.label("lasting");
        let twice = [table.label("twice"), table.label("twice")];
        table.give_back(twice[0]);
        let first = table.label("0");
        table.give_back(first);
        for i in 1..200_000 {
            let label = table.label(&i.to_string());
            assert_eq!(*table.text(label), *i.to_string());
            table.give_back(label);
        }
        assert_eq!(&*table.text(lasting), "lasting");
        assert_eq!(&*table.text(twice[1]), "twice");
        assert_eq!(&*table.text(first), GONE);
        assert!(table.texts.len() <= KEPT + 3, "{}", table.texts.len());
        assert_eq!(table.by_text.len(), table.texts.len());
        assert!(table.unused.len() <= table.texts.len());
    }

    #[test]
    fn a_text_that_is_used_again_keeps_its_place() {
        let mut table = Table::new();
        let label = table.label("a");
        for _ in 0..3 {
            table.give_back(label);
            assert_eq!(table.label("a"), label);
        }
        for i in 0..3 * KEPT {
            let other = table.label(&format!("other {i}"));
            table.give_back(other);
        }
        assert_eq!(&*table.text(label), "a");
        table.give_back(label);
        table.give_back(label);
        assert_eq!(table.label("a"), label, "given back once too often");
    }

    /// Whatever is taken and given back, in whatever order: a text in use is what its label says,
    /// and nobody else's.
    #[test]
    fn threads_that_take_and_give_back_always_find_their_own() {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                std::thread::spawn(move || {
                    let mut own: VecDeque<(String, Name)> = VecDeque::new();
                    for i in 0..20_000_u32 {
                        let text = format!("{} of {}", i % 7919, thread % 2);
                        let name = Name::new(&text);
                        own.push_back((text, name));
                        if own.len() > 50 {
                            own.pop_front();
                        }
                        let (text, name) = &own[i as usize % own.len()];
                        assert_eq!(*Names::shared().text(name.label()), **text);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
