//! The statistics as one list of numbers.

use netpoller_proto::filter::Key;
use netpoller_proto::v1::{PollerStats, Transitions};

use super::column::Column;
use super::pollers::counted;
use crate::quantile;

/// What a number is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Of {
    /// How it is now.
    Level,
    /// All that was counted.
    Total,
    /// How long it took.
    Latency,
}

/// One number of a poller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) poller: String,
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) value: u64,
    pub(crate) unit: String,
    pub(crate) of: Of,
}

type C = Column<Number>;

/// The columns of the list.
pub(crate) static NUMBERS: [C; 5] = [
    C::words("poller", "POLLER", 0, |it| Key::text(&it.poller)),
    C::words("group", "GROUP", 0, |it| Key::text(&it.group)),
    C::words("name", "NAME", 0, |it| Key::text(&it.name)),
    C::numbers("value", "VALUE", 0, |it| Key::Number(it.value.into())),
    C::words("unit", "UNIT", 0, |it| Key::text(&it.unit)),
];

/// All numbers of all pollers.
pub(crate) fn numbers(pollers: &[PollerStats]) -> Vec<Number> {
    let mut all = Vec::new();
    for stats in pollers {
        let poller = stats.poller.as_ref();
        let poller = poller.map_or("", |poller| poller.name.as_str());
        let mut add = |of: Of, group: &str, name: &str, value: u64, unit: &str| {
            all.push(Number {
                poller: poller.to_owned(),
                group: group.to_owned(),
                name: name.to_owned(),
                value,
                unit: unit.to_owned(),
                of,
            });
        };
        if let Some(gauges) = &stats.poller {
            add(Of::Level, "gauge", "descriptors", gauges.descriptors, "");
            let others = [
                ("waiters", gauges.waiters.max(0).unsigned_abs()),
                ("deadlines", gauges.deadlines),
                ("slots", gauges.slots),
            ];
            for (name, count) in others {
                if let Some(count) = counted(gauges, count) {
                    add(Of::Level, "gauge", name, count, "");
                }
            }
        }
        for (group, counts) in [("read", stats.read), ("write", stats.write)] {
            for (name, count) in counts.iter().flat_map(Transitions::named) {
                add(Of::Total, group, name, count, "");
            }
        }
        for (name, count) in &stats.counters {
            add(Of::Total, "counter", name, *count, "");
        }
        for tasks in &stats.tasks {
            add(Of::Level, "tasks", &tasks.state, tasks.count, "");
        }
        for histogram in &stats.histograms {
            add(Of::Total, &histogram.name, "count", histogram.count, "");
            for (name, share) in quantile::SHOWN {
                if let Some(value) = histogram.quantile(share) {
                    add(Of::Latency, &histogram.name, name, value, &histogram.unit);
                }
            }
        }
    }
    all
}
