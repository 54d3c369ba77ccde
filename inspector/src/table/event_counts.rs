//! Rows of `events --count-by`, and the one table of what events can be counted by.

use clap::ValueEnum;
use netpoller_proto::Part;
use netpoller_proto::filter::Key;
use netpoller_proto::v1::Event;

use super::cell::Cell;
use super::column::{Column, Cut};
use super::value::{Raw, Value};
use crate::text;

type C = Column<EventCount>;

/// A line is `Variant "name" "TITLE" "help", what an event has of it`, then what is not as usual
/// about its column. Behind the bar stand those of which the descriptor knows, and not the event.
macro_rules! keys {
    (
        $($key:ident $name:literal $title:literal $help:literal, $of:expr $(, $method:ident($arg:expr $(, $more:expr)?))*;)*
        | $($row_key:ident $row_name:literal $row_title:literal $row_help:literal, $of_row:expr
            $(, $row_method:ident($row_arg:expr $(, $row_more:expr)?))*;)*
    ) => {
        /// What events can have in common.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
        pub(crate) enum CountBy {
            $(#[doc = $help] #[value(name = $name)] $key,)*
            $(#[doc = $row_help] #[value(name = $row_name)] $row_key,)*
        }

        const KEYS: usize = [$($name,)* $($row_name),*].len();

        impl CountBy {
            /// Returns its name, which is that of its column.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$key => $name,)*
                    $(Self::$row_key => $row_name,)*
                }
            }

            /// Returns whether the descriptor is asked, and not the event.
            pub(crate) const fn is_of_row(self) -> bool {
                matches!(self, $(Self::$row_key)|*)
            }

            /// Returns what the event has of it, or its descriptor; nothing, if that is not known.
            pub(crate) fn of(self, event: &Event, part: Option<Part<'_>>) -> String {
                let of_event = |of: fn(&Event) -> &str| of(event).to_owned();
                let of_row = |of: fn(Part<'_>) -> String| part.map(of).unwrap_or_default();
                match self {
                    $(Self::$key => of_event($of),)*
                    $(Self::$row_key => of_row($of_row),)*
                }
            }
        }

        /// How many there were, and all that they can be counted by.
        pub(crate) static EVENT_COUNTS: [C; KEYS + 2] = [
            COUNT,
            SHARE,
            $(C::words($name, $title, C::ALWAYS, |row| Key::text(row.group.get(CountBy::$key)))
                $(.$method($arg $(, $more)?))*,)*
            $(C::words($row_name, $row_title, C::ALWAYS, |row| Key::text(row.group.get(CountBy::$row_key)))
                $(.$row_method($row_arg $(, $row_more)?))*,)*
        ];
    };
}

keys! {
    Kind "kind" "KIND" "What happened.", |event| event.kind().name();
    Dir "dir" "DIR" "The direction.", |event| event.direction().name().unwrap_or_default(), least(5);
    Poller "poller" "POLLER" "The poller.", |event| &event.poller;
    Id "id" "ID" "The descriptor.", |event| &event.id;
    Thread "thread" "THREAD" "The thread that did it.", |event| &event.thread;
    |
    Location "location" "LOCATION" "The line of code that waits, or else that opened the descriptor.",
        |part| part.location().into_owned(),
        cut_to(
            Cut::Start(Some(|row| text::file_and_line(row.group.get(CountBy::Location)))),
            |row| text::tail_of_path(row.group.get(CountBy::Location)).len()
        );
    Task "task" "TASK" "Who waits.", |part| part.waiter().map(|it| it.task.clone()).unwrap_or_default();
}

/// Events that have in common what they were counted by; the rest is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EventGroup([String; KEYS]);

impl EventGroup {
    /// Returns what they have in common of this.
    pub(crate) fn get(&self, by: CountBy) -> &str {
        self.0.get(by as usize).map_or("", String::as_str)
    }

    /// Returns a group of what each of these is, and nothing else.
    pub(crate) fn of(by: &[CountBy], value: impl Fn(CountBy) -> String) -> Self {
        let mut group = Self::default();
        for by in by {
            if let Some(place) = group.0.get_mut(*by as usize) {
                *place = value(*by);
            }
        }
        group
    }
}

/// How many there were.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct EventCount {
    pub(crate) group: EventGroup,
    pub(crate) count: u64,
    /// Of so many in all.
    pub(crate) all: u64,
}

fn share(row: &EventCount) -> u64 {
    row.count.saturating_mul(1_000) / row.all.max(1)
}

const COUNT: C = C::numbers("count", "COUNT", C::ALWAYS, |row| {
    Key::Number(row.count.into())
})
.largest_first()
.grouped();

const SHARE: C = C::numbers("share", "SHARE", C::ALWAYS, |row| {
    Key::Number(share(row).into())
})
.largest_first()
.look(|row, _| Cell::plain(format!("{}.{} %", share(row) / 10, share(row) % 10)))
.raw(&[Raw {
    name: "share_permille",
    value: |row, _| Value::Number(share(row).into()),
}]);

const fn counted_by(by: CountBy) -> C {
    EVENT_COUNTS[by as usize + 2]
}

/// By what and where, in the terminal UI.
pub(crate) static EVENT_COUNTS_BY_PLACE: [C; 4] = [
    COUNT,
    SHARE,
    counted_by(CountBy::Kind),
    counted_by(CountBy::Location),
];
