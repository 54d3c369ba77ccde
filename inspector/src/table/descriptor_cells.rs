//! What stands in the cells of the descriptor table.

use netpoller_proto::v1::State;
use netpoller_proto::{Direction, Side};

use super::cell::{Cell, Context};
use super::entry::Entry;
use crate::paint::Tone;
use crate::text;

/// A state in its colour.
pub(crate) fn state_cell(state: State) -> Cell {
    let tone = match state {
        State::Parked => Tone::Parked,
        State::Ready => Tone::Ready,
        State::Wait | State::Queued => Tone::Wait,
        State::Woken => Tone::Warn,
        State::Nil | State::Unspecified => Tone::Dim,
    };
    Cell::toned(state.name(), tone)
}

pub(super) fn side_state(entry: &Entry, direction: Direction) -> State {
    entry
        .row
        .side(direction)
        .map_or(State::Unspecified, Side::state)
}

pub(super) fn age(entry: &Entry, context: &Context) -> Cell {
    let Some(age) = entry.since(context.now_ns) else {
        return Cell::plain("");
    };
    let said = match entry.part().since_at_least() {
        true => at_least(age, context),
        false => short(age, context),
    };
    Cell::toned(said, tone_of_age(entry, age))
}

/// What has been so for less.
const SHORT_NS: u64 = 1_000_000_000;
/// Whoever waits for longer, and has said no end of it.
const LONG_NS: u64 = 10_000_000_000;

/// What comes and goes is of less interest; a long wait that nothing ends is worth a look.
fn tone_of_age(entry: &Entry, age: u64) -> Tone {
    let waits = entry.waiter().is_some() && entry.row.fd >= 0;
    match age {
        ..SHORT_NS => Tone::Dim,
        LONG_NS.. if waits && entry.part().deadline_ns().is_none() => Tone::Warn,
        _ => Tone::Plain,
    }
}

/// A duration of which only the least is known.
pub(crate) fn at_least(ns: u64, context: &Context) -> String {
    context.written(format!("≥{}", text::duration(ns)))
}

pub(super) fn deadline(entry: &Entry, context: &Context) -> Cell {
    if entry.expired() {
        return Cell::toned("expired", Tone::Warn);
    }
    match entry.deadline_in(context.now_ns) {
        None => Cell::plain(""),
        Some(left) => {
            let size = short(
                u64::try_from(left.unsigned_abs()).unwrap_or(u64::MAX),
                context,
            );
            if left < 0 {
                Cell::toned(format!("-{size}"), Tone::Bad)
            } else {
                Cell::plain(format!("+{size}"))
            }
        }
    }
}

fn short(ns: u64, context: &Context) -> String {
    context.written(text::duration(ns))
}

/// The bits of an epoll event by name, as `IN|RDHUP`.
pub(crate) fn epoll_names(events: u32) -> String {
    const NAMES: [(u32, &str); 7] = [
        (0x001, "IN"),
        (0x002, "PRI"),
        (0x004, "OUT"),
        (0x008, "ERR"),
        (0x010, "HUP"),
        (0x2000, "RDHUP"),
        (0x8000_0000, "ET"),
    ];
    let mut names: Vec<String> = NAMES
        .iter()
        .filter(|(bit, _)| events & bit != 0)
        .map(|(_, name)| (*name).to_owned())
        .collect();
    let rest = NAMES.iter().fold(events, |rest, (bit, _)| rest & !bit);
    if rest != 0 {
        names.push(format!("{rest:#x}"));
    }
    names.join("|")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netpoller_proto::v1::Descriptor;

    use super::*;
    use crate::fixture;
    use crate::table::descriptors;

    #[test]
    fn deadlines_are_told_apart_as_coming_expired_and_overdue() {
        let mut row = fixture::parked_reader();
        let shown = |row: &Descriptor| {
            let context = Context {
                now_ns: fixture::NOW_NS,
                ..Context::default()
            };
            deadline(&descriptors(vec![Arc::new(row.clone())])[0], &context)
        };
        let set = |row: &mut Descriptor, deadline_ns| {
            if let Some(read) = row.read.as_mut() {
                read.deadline_ns = deadline_ns;
            }
        };
        set(&mut row, 1);
        assert_eq!(shown(&row), Cell::toned("expired", Tone::Warn));
        set(&mut row, fixture::NOW_NS - 3_000_000);
        assert_eq!(shown(&row), Cell::toned("-3.0ms", Tone::Bad));
        set(&mut row, 0);
        assert_eq!(shown(&row).text, "-");
    }

    #[test]
    fn epoll_bits_are_named() {
        assert_eq!(epoll_names(0), "");
        assert_eq!(epoll_names(0x2011), "IN|HUP|RDHUP");
        assert_eq!(epoll_names(0x8000_2004), "OUT|RDHUP|ET");
        assert_eq!(epoll_names(0x4000_0004), "OUT|0x40000000");
    }
}
