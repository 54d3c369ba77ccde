//! Rows of `hist`, of the histograms in `stats`, and of those in the terminal UI.

use netpoller_proto::filter::Key;
use netpoller_proto::v1::Histogram;

use super::cell::Cell;
use super::column::Column;
use crate::paint::Tone;
use crate::quantile;
use crate::text;

/// One histogram of one poller.
#[derive(Debug, Clone, Default)]
pub(crate) struct HistogramRow {
    /// Name of the poller.
    pub(crate) poller: String,
    /// What the waits have in common of which it is; empty for all, and where it is said above.
    pub(crate) group: String,
    pub(crate) histogram: Histogram,
    /// The length of the interval that it is of; nothing if it is of all time.
    pub(crate) over_ns: Option<u64>,
}

impl HistogramRow {
    fn share(&self, index: usize) -> Key {
        let share = quantile::SHOWN.get(index).map_or(1.0, |shown| shown.1);
        number(self.histogram.quantile(share))
    }
}

type C = Column<HistogramRow>;

fn number(number: Option<u64>) -> Key {
    number.map_or(Key::Absent, |number| Key::Number(number.into()))
}

const fn sample(
    name: &'static str,
    title: &'static str,
    keep: u8,
    key: fn(&HistogramRow) -> Key,
) -> C {
    C::numbers(name, title, keep, key)
        .least(8)
        .sample(|row| &row.histogram.unit)
}

/// Its name, which the line of the interval below has no need of.
const HISTOGRAM: C = C::words("histogram", "HISTOGRAM", C::ALWAYS, |row| {
    Key::text(&row.histogram.name)
})
.look(|row, context| {
    Cell::exactly(
        match row.over_ns {
            Some(_) => String::new(),
            None if context.several => format!("{}/{}", row.poller, row.histogram.name),
            None => row.histogram.name.clone(),
        },
        Tone::Plain,
    )
});
const OF: C = C::words("of", "OF", C::ALWAYS, |row| {
    Key::text(match row.over_ns {
        Some(_) => "interval",
        None => "all_time",
    })
})
.look(|row, _| {
    Cell::plain(match row.over_ns {
        Some(over) => format!("last {}", text::duration(over)),
        None => "all time".to_owned(),
    })
});
const P50: C = sample("p50", "P50", 6, |row| row.share(0));
const P90: C = sample("p90", "P90", 3, |row| row.share(1));
const P99: C = sample("p99", "P99", 5, |row| row.share(2));
const P99_9: C = sample("p99_9", "P99.9", 2, |row| row.share(3));
const MAX: C = sample("max", "MAX", 4, |row| {
    number(Some(row.histogram.max).filter(|_| row.histogram.count > 0))
});
const COUNT: C = C::numbers("count", "COUNT", 1, |row| {
    Key::Number(row.histogram.count.into())
})
.grouped();

const GROUP: C =
    C::words("group", "GROUP", C::ALWAYS, |row| Key::text(&row.group)).look(|row, context| {
        Cell::exactly(
            match row.group.as_str() {
                "" => String::new(),
                group if context.several => format!("{}/{group}", row.poller),
                group => group.to_owned(),
            },
            Tone::Plain,
        )
    });
const NAME: C = C::words("histogram", "HISTOGRAM", C::ALWAYS, |row| {
    Key::text(&row.histogram.name)
});

const POLLER: C = C::words("poller", "POLLER", 0, |row| Key::text(&row.poller));
const UNIT: C = C::words("unit", "UNIT", 0, |row| Key::text(&row.histogram.unit));
const OVER: C = C::numbers("over_ns", "OVER", 0, |row| number(row.over_ns));
const SUM: C = C::numbers("sum", "SUM", 0, |row| Key::Number(row.histogram.sum.into()));
const MEAN: C = C::numbers("mean", "MEAN", 0, |row| {
    number(quantile::mean(&row.histogram))
});

/// Columns of `hist` by group.
pub(crate) static GROUPS: [C; 8] = [GROUP, NAME, P50, P90, P99, P99_9, MAX, COUNT];

/// Records of `hist` by group for machines.
pub(crate) static GROUP_RECORDS: [C; 13] = [
    POLLER, GROUP, NAME, UNIT, OVER, COUNT, SUM, MEAN, MAX, P50, P90, P99, P99_9,
];

/// Columns of `hist`.
pub(crate) static HISTOGRAMS: [C; 8] = [HISTOGRAM, OF, P50, P90, P99, P99_9, MAX, COUNT];

/// Columns of the histograms in `stats`, all of all time.
pub(crate) static HISTOGRAMS_OF_ALL_TIME: [C; 7] = [HISTOGRAM, P50, P90, P99, P99_9, MAX, COUNT];

/// Columns beside a name in the terminal UI, of fixed widths.
pub(crate) static LATENCIES: [C; 6] = [P50, P90, P99, P99_9, MAX, COUNT.count().least(10)];

/// Records of `hist` for machines.
pub(crate) static HISTOGRAM_RECORDS: [C; 13] = [
    POLLER, HISTOGRAM, UNIT, OF, OVER, COUNT, SUM, MEAN, MAX, P50, P90, P99, P99_9,
];
