//! Rows of `diff`: numbers that are not what they were, and descriptors that are not as they were.

use netpoller_proto::Direction;
use netpoller_proto::filter::{Field, Key};

use super::cell::{Cell, Context};
use super::column::{Column, Cut};
use super::descriptor_cells::side_state;
use super::entry::Entry;
use super::numbers::Of;
use crate::paint::Tone;
use crate::text;

/// A number that is not what it was.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    pub(crate) poller: String,
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) of: Of,
    /// Absent where there was none.
    pub(crate) before: Option<u64>,
    pub(crate) after: Option<u64>,
    /// How much was counted in a second, until then and since; absent where nobody knows.
    pub(crate) rate_before: Option<f64>,
    pub(crate) rate_after: Option<f64>,
    /// How much would have been counted since at the rate until then.
    pub(crate) expected: Option<f64>,
    /// Both are of the same life of the process, so that what is counted goes on.
    pub(crate) goes_on: bool,
}

impl Difference {
    /// By how much it is more than before; absent where these are no numbers of one count.
    pub(crate) fn change(&self) -> Option<i128> {
        let is_of_two_counts = self.of == Of::Total && !self.goes_on;
        let of = |number: Option<u64>| i128::from(number.unwrap_or(0));
        (!is_of_two_counts).then(|| of(self.after) - of(self.before))
    }

    /// Whether that much more or less may come by chance, of what comes at random.
    fn is_chance(&self) -> bool {
        let (Some(expected), Some(change)) = (self.expected, self.change()) else {
            return false;
        };
        #[allow(clippy::cast_precision_loss)]
        let counted = change as f64;
        (counted - expected).abs() <= 3.0 * counted.max(expected).sqrt()
    }

    /// Whether it takes half as long again as before, or is counted half as often again, or the
    /// other way round; or is new.
    pub(crate) fn is_much(&self) -> bool {
        #[allow(clippy::cast_precision_loss)]
        let of = |number: Option<u64>| number.map(|number| number as f64);
        let (before, after) = match self.of {
            Of::Level => return true,
            Of::Latency => (of(self.before), of(self.after)),
            Of::Total => (self.rate_before, self.rate_after),
        };
        match (before, after) {
            (Some(before), Some(after)) => {
                before.min(after) * 1.5 <= before.max(after) && !self.is_chance()
            }
            (None, after) => after.is_some(),
            // Nobody counts it any more; or nothing came that could be measured.
            (Some(_), None) => self.of == Of::Total && self.after.is_none(),
        }
    }
}

type C = Column<Difference>;

fn number(number: Option<u64>) -> Key {
    number.map_or(Key::Absent, |number| Key::Number(number.into()))
}

fn sample(number: Option<u64>, it: &Difference, context: &Context) -> Cell {
    let written = |number| context.written(text::sample(number, &it.unit));
    Cell::plain(number.map(written).unwrap_or_default())
}

fn rate(rate: Option<f64>) -> Cell {
    Cell::plain(rate.map(text::rate).unwrap_or_default())
}

/// Its name, with that of its poller where there are several.
const NAME: C = C::words("name", "", C::ALWAYS, |it| Key::text(&it.name))
    .look(|it, context| {
        let group = match it.group.as_str() {
            "gauge" | "counter" | "waiting" | "open" => "",
            group => group,
        };
        let poller = if context.several {
            it.poller.as_str()
        } else {
            ""
        };
        let parts = [poller, group, &it.name];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Cell::plain(context.written(parts.join(" ")))
    })
    .cut_to(Cut::Start(None), |it| {
        it.poller.len() + it.group.len() + it.name.len() + 2
    });
const BEFORE: C = C::numbers("before", "BEFORE", C::ALWAYS, |it| number(it.before)).grouped();
const AFTER: C = C::numbers("after", "AFTER", C::ALWAYS, |it| number(it.after)).grouped();
const CHANGE: C = C::numbers("change", "CHANGE", C::ALWAYS, |it| {
    it.change().map_or(Key::Absent, Key::Number)
})
.look(|it, _| {
    Cell::plain(it.change().map_or(String::new(), |change| {
        let sign = if change < 0 { "-" } else { "+" };
        let size = u64::try_from(change.unsigned_abs()).unwrap_or(u64::MAX);
        format!("{sign}{}", text::grouped(size))
    }))
});

/// Columns of what is so many.
pub(crate) static LEVEL_DIFFERENCES: [C; 4] = [NAME, BEFORE, AFTER, CHANGE];

/// Columns of what is counted.
pub(crate) static TOTAL_DIFFERENCES: [C; 6] = [
    NAME,
    BEFORE,
    AFTER,
    CHANGE,
    C::numbers("rate_before", "/s BEFORE", 4, |_| Key::Absent).look(|it, _| rate(it.rate_before)),
    C::numbers("rate_after", "/s AFTER", 5, |_| Key::Absent).look(|it, _| rate(it.rate_after)),
];

/// Columns of what takes time.
pub(crate) static LATENCY_DIFFERENCES: [C; 4] = [
    NAME,
    C::numbers("before", "BEFORE", C::ALWAYS, |it| number(it.before))
        .look(|it, context| sample(it.before, it, context)),
    C::numbers("after", "AFTER", C::ALWAYS, |it| number(it.after))
        .look(|it, context| sample(it.after, it, context)),
    C::words("factor", "", C::ALWAYS, |_| Key::Absent).look(|it, context| {
        let tone = match it.after > it.before {
            true => Tone::Warn,
            false => Tone::Plain,
        };
        Cell::exactly(context.written(factor(it)), tone)
    }),
];

/// How many times as long, or the other way round, where that is much.
fn factor(it: &Difference) -> String {
    let (Some(before), Some(after), true) = (it.before, it.after, it.is_much()) else {
        return String::new();
    };
    let (least, most) = (before.min(after).max(1), before.max(after));
    let tenths = u64::try_from(u128::from(most) * 10 / u128::from(least)).unwrap_or(u64::MAX);
    let times = match tenths {
        ..100 => format!("{}.{}", tenths / 10, tenths % 10),
        _ => text::count(tenths / 10),
    };
    let sign = if after > before { "×" } else { "÷" };
    format!("{sign} {times}")
}

/// A descriptor that was opened, was closed, or is not as it was.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChangedRow {
    pub(crate) before: Option<Entry>,
    pub(crate) after: Option<Entry>,
}

impl ChangedRow {
    /// What has become of it.
    pub(crate) fn change(&self) -> &'static str {
        match (&self.before, &self.after) {
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "closed",
            (None, _) => "opened",
        }
    }

    /// As it was last.
    fn entry(&self) -> Option<&Entry> {
        self.after.as_ref().or(self.before.as_ref())
    }

    /// Whether it is no file but somebody who sleeps.
    pub(crate) fn is_sleep(&self) -> bool {
        self.entry().is_some_and(|entry| entry.row.fd < 0)
    }

    fn key(&self, field: Field) -> Key {
        self.entry().map_or(Key::Absent, |entry| entry.key(field))
    }
}

type R = Column<ChangedRow>;

const fn of(field: Field, keep: u8) -> R {
    R::of(field, keep, ChangedRow::key)
}

/// The states of both directions, reading first.
fn states(entry: Option<&Entry>) -> String {
    let state = |entry, direction| side_state(entry, direction).name();
    let both = |entry| {
        Direction::ALL
            .map(|direction| state(entry, direction))
            .join("/")
    };
    entry.map(both).unwrap_or_default()
}

/// Columns of descriptors that are not as they were.
pub(crate) static CHANGED_ROWS: [R; 8] = [
    R::words("change", "CHANGE", R::ALWAYS, |it| Key::text(it.change()))
        .least(7)
        .look(|it, _| {
            let tone = match it.change() {
                "opened" => Tone::Good,
                "closed" => Tone::Dim,
                _ => Tone::Plain,
            };
            Cell::toned(it.change(), tone)
        }),
    of(Field::Id, R::ALWAYS).least(6).look(|it, context| {
        let id = it.entry().map(|entry| entry.id(context));
        Cell::toned(id.unwrap_or_default(), Tone::Title)
    }),
    of(Field::Fd, 250).least(4),
    of(Field::Kind, 200),
    of(Field::Peer, 130)
        .least(15)
        .cut_to(Cut::Start(None), |it| {
            it.entry().map_or(0, |entry| entry.row.peer.len())
        }),
    R::words("before", "BEFORE RD/WR", R::ALWAYS, |it| {
        Key::Text(states(it.before.as_ref()))
    })
    .least(12),
    R::words("after", "AFTER RD/WR", R::ALWAYS, |it| {
        Key::Text(states(it.after.as_ref()))
    })
    .least(12),
    of(Field::Where, 205)
        .least(14)
        .cut_to(Cut::Start(None), |it| {
            it.entry()
                .map_or(0, |entry| text::tail_of_path(&entry.location()).len())
        })
        .look(|it, _| {
            let location = it.entry().map(Entry::location).unwrap_or_default();
            Cell::plain(text::tail_of_path(&location))
        }),
];
