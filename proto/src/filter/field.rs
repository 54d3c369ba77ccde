//! The fields that a filter and an order may name: one table of what each is called, what it means,
//! and how it is read from a row.

use std::borrow::Cow;

use super::Key;
use crate::part::{Part, Side};
use crate::v1::{self, State};
use crate::vocabulary::{self, Direction};

/// What a field holds, and so what it can be compared with.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// Text, compared without regard to case.
    Text,
    /// Text of which all values are known.
    OneOf(fn() -> Vec<&'static str>),
    /// A number.
    Number,
    /// A duration.
    Duration,
}

/// How a field is read from a row. A row has at most one value of it for each direction.
enum Get {
    /// Any text.
    Text(for<'a> fn(Part<'a>) -> [Option<Cow<'a, str>>; 2]),
    /// A word of those that the first function lists.
    Word(
        fn() -> Vec<&'static str>,
        fn(Part<'_>) -> [Option<&'static str>; 2],
    ),
    /// A number.
    Number(fn(Part<'_>) -> i128),
    /// A number that may not be there.
    Count(fn(Part<'_>) -> Option<u64>),
    /// A duration that is no moment's.
    Span(fn(Part<'_>) -> Option<u64>),
    /// `true` or `false`.
    Truth(fn(Part<'_>) -> bool),
    /// A moment, compared by how long ago it was.
    Past(fn(Part<'_>) -> Option<u64>),
    /// A moment, compared by how long it is until then.
    Future(fn(Part<'_>) -> Option<u64>),
}

/// Everything about a field.
struct Definition {
    name: &'static str,
    /// Other names of it.
    also: &'static [&'static str],
    help: &'static str,
    /// [`WHOLE`], [`CHEAP`] and so on.
    traits: u8,
    get: Get,
    /// What it sorts by, if that is not the first of its values.
    key: Option<fn(Part<'_>) -> Key>,
    /// Its name in capitals.
    title: &'static str,
    /// Its name for machines, if it is a moment.
    name_ns: &'static str,
}

/// It is the same for both directions of a descriptor.
const WHOLE: u8 = 1;
/// It is known without looking up a text or asking the kernel.
const CHEAP: u8 = 1 << 1;
/// An event of the flight recorder has it of its own.
const EVENT: u8 = 1 << 2;
/// It does not change from moment to moment.
const LASTING: u8 = 1 << 3;
/// It can be negative.
const SIGNED: u8 = 1 << 4;
/// The kernel knows it of the socket, and must be asked.
const SOCKET: u8 = 1 << 5;

/// Each line is `Variant "name" ["other names"] "help", traits, get;`, and perhaps `key` with what
/// it sorts by.
macro_rules! fields {
    ($($field:ident $name:literal [$($also:literal),*] $help:literal, $traits:expr, $get:expr $(, key $key:expr)?;)*) => {
        /// A field of a row. Its name is that of the column which shows it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Field {
            $(#[doc = $help] $field,)*
        }

        impl Field {
            /// All of them, in the order of the help.
            pub const ALL: &[Self] = &[$(Self::$field),*];
        }

        /// In the order of the variants.
        const FIELDS: &[Definition; Field::ALL.len()] = &[$(Definition {
            name: $name,
            also: &[$($also),*],
            help: $help,
            traits: $traits,
            get: $get,
            key: fields!(@key $($key)?),
            title: {
                const TITLE: [u8; $name.len()] = capitals($name);
                match std::str::from_utf8(&TITLE) {
                    Ok(title) => title,
                    Err(_) => $name,
                }
            },
            name_ns: concat!($name, "_ns"),
        }),*];
    };
    (@key) => { None };
    (@key $key:expr) => { Some($key) };
}

const fn capitals<const LENGTH: usize>(name: &str) -> [u8; LENGTH] {
    let mut capitals = [0; LENGTH];
    let mut at = 0;
    while at < LENGTH {
        capitals[at] = name.as_bytes()[at].to_ascii_uppercase();
        at += 1;
    }
    capitals
}

fields! {
    Id "id" [] "slot.generation, or POLLER/slot.generation", WHOLE | CHEAP | EVENT,
        Get::Text(|part| [Some(Cow::Owned(part.row.id().to_string())), None]),
        key |part| Key::Number((i128::from(part.row.slot) << 32) | i128::from(part.row.generation));
    Fd "fd" [] "the file descriptor, -1 for a sleep", WHOLE | CHEAP | LASTING | SIGNED,
        Get::Number(|part| part.row.fd.into());
    Slot "slot" [] "index of the slot", WHOLE | CHEAP | EVENT,
        Get::Number(|part| part.row.slot.into());
    Kind "kind" [] "what it is", WHOLE | CHEAP | LASTING,
        Get::Word(kinds, |part| [Some(part.row.kind().name()), None]);
    Local "local" [] "own address", WHOLE | LASTING, Get::Text(|part| text(&part.row.local));
    Peer "peer" [] "address of the peer", WHOLE | LASTING, Get::Text(|part| text(&part.row.peer));
    Label "label" [] "label set by the program", WHOLE | LASTING, Get::Text(|part| text(&part.row.label));
    Poller "poller" [] "name of the poller", WHOLE | EVENT, Get::Text(|part| text(&part.row.poller));
    State "state" [] "state of any direction that the row is about", CHEAP,
        Get::Word(states, |part| each(part.sides().map(|it| it.state().name()))),
        key |part| state(part, part.direction.unwrap_or(Direction::Read));
    Rd "rd" ["read.state"] "state of the read side", WHOLE | CHEAP,
        Get::Word(states, |part| each(part.row.side(Direction::Read).into_iter().map(|it| it.state().name()))),
        key |part| state(part, Direction::Read);
    Wr "wr" ["write.state"] "state of the write side", WHOLE | CHEAP,
        Get::Word(states, |part| each(part.row.side(Direction::Write).into_iter().map(|it| it.state().name()))),
        key |part| state(part, Direction::Write);
    Dir "dir" [] "the direction, of waiters, deadlines and events", EVENT,
        Get::Word(directions, |part| [part.direction.map(Direction::name), None]);
    // By age: what has been so for longest is the largest.
    Since "since" ["age", "waiter.age"] "how long it has been as it is", CHEAP, Get::Past(|part| part.since_ns()),
        key |part| part.since_ns().map_or(Key::Absent, |since| Key::Number(-i128::from(since)));
    Deadline "deadline" [] "time left until the nearest deadline", CHEAP | SIGNED, Get::Future(|part| part.deadline_ns()),
        key |part| match part.deadline_ns() {
            _ if part.expired() => Key::Number(i128::MIN),
            Some(deadline) => Key::Number(deadline.into()),
            None => Key::Absent,
        };
    Opened "opened" [] "how long ago it was registered", WHOLE | CHEAP | LASTING,
        Get::Past(|part| Some(part.row.opened_at_ns));
    Edges "edges" [] "edges that the kernel reported", CHEAP, Get::Count(|part| part.edges());
    Events "events" [] "raw epoll bits of the last event", WHOLE | CHEAP,
        Get::Number(|part| part.row.last_events.into());
    Where "where" ["location"] "the line of code that waits, or else that opened it", LASTING,
        Get::Text(|part| [Some(part.location()), part.call().map(Cow::Borrowed)]);
    Site "site" [] "the line of code that opened it", WHOLE | LASTING,
        Get::Text(|part| text(&part.row.opened_location));
    Task "task" [] "who waits", LASTING,
        Get::Text(|part| each(part.waiters().map(|it| Cow::Borrowed(it.task.as_str())))),
        key |part| part.waiter().map_or(Key::Absent, |it| task(&it.task));
    TaskState "task_state" [] "what the task that waits does, in the words of its runtime", 0,
        Get::Text(|part| each(part.waiters().map(|it| Cow::Borrowed(it.task_state.as_str())))),
        key |part| part.waiter().map_or(Key::Absent, |it| Key::text(&it.task_state));
    Reason "reason" [] "what the task waits for, in the words of its runtime", 0,
        Get::Text(|part| each(part.waiters().map(|it| Cow::Borrowed(it.reason.as_str())))),
        key |part| part.waiter().map_or(Key::Absent, |it| Key::text(&it.reason));
    Future "future" [] "type of the future that the task which waits polls", LASTING,
        Get::Text(|part| each(part.waiters().map(|it| Cow::Borrowed(it.future.as_str())))),
        key |part| part.waiter().map_or(Key::Absent, |it| Key::text(&it.future));
    Thread "thread" [] "the thread that parked, or last polled the task", EVENT,
        Get::Text(|part| each(part.waiters().map(|it| Cow::Borrowed(it.thread.as_str())))),
        key |part| part.waiter().map_or(Key::Absent, |it| Key::text(&it.thread));
    Flags "flags" [] "what is unusual: closing, error, torn, stale", WHOLE,
        Get::Text(|part| [Some(Cow::Owned(part.flags())), None]);
    Closing "closing" [] "close has begun", WHOLE | CHEAP, Get::Truth(|part| part.row.closing);
    Error "error" [] "the last event was EPOLLERR alone", WHOLE | CHEAP, Get::Truth(|part| part.row.event_err);
    Torn "torn" [] "the row changed while it was read", WHOLE | CHEAP, Get::Truth(|part| part.row.torn);
    Stale "stale" [] "its number was closed, or given to another file, behind the poller's back", WHOLE,
        Get::Truth(|part| part.row.stale);
    // What ss(8) shows, from here on.
    TcpState "tcp_state" [] "state of a TCP socket", WHOLE | SOCKET,
        Get::Text(|part| text(part.row.socket.as_ref().map_or("", |it| it.tcp_state.as_str())));
    Recvq "recvq" [] "bytes that came and were not read", WHOLE | SOCKET, Get::Count(|part| socket(part)?.recvq);
    Sendq "sendq" [] "bytes that the peer has not acknowledged", WHOLE | SOCKET, Get::Count(|part| socket(part)?.sendq);
    Unacked "unacked" [] "those of sendq that were sent", WHOLE | SOCKET, Get::Count(|part| socket(part)?.unacked);
    Unsent "unsent" [] "those of sendq that were not sent yet", WHOLE | SOCKET, Get::Count(|part| socket(part)?.unsent);
    Rtt "rtt" [] "round trip", WHOLE | SOCKET, Get::Span(|part| socket(part)?.rtt_ns);
    Retrans "retrans" [] "segments sent again", WHOLE | SOCKET, Get::Count(|part| socket(part)?.retrans);
    LastRecv "last_recv" [] "how long ago data came", WHOLE | SOCKET, Get::Past(|part| socket(part)?.last_recv_ns);
    LastSend "last_send" [] "how long ago data was sent", WHOLE | SOCKET, Get::Past(|part| socket(part)?.last_send_ns);
    Acceptq "acceptq" [] "connections that wait to be accepted", WHOLE | SOCKET, Get::Count(|part| socket(part)?.acceptq);
    AcceptqLimit "acceptq_limit" [] "how many may", WHOLE | SOCKET, Get::Count(|part| socket(part)?.acceptq_limit);
    BytesReceived "bytes_received" [] "bytes that came", WHOLE | SOCKET, Get::Count(|part| socket(part)?.bytes_received);
    BytesSent "bytes_sent" [] "bytes that were sent, each counted once", WHOLE | SOCKET, Get::Count(|part| socket(part)?.bytes_sent);
    Drops "drops" [] "datagrams or connections that a full queue refused", WHOLE | SOCKET, Get::Count(|part| socket(part)?.drops);
}

fn socket(part: Part<'_>) -> Option<&v1::Socket> {
    part.row.socket.as_ref()
}

fn text(text: &str) -> [Option<Cow<'_, str>>; 2] {
    [Some(Cow::Borrowed(text)), None]
}

fn each<T>(mut values: impl Iterator<Item = T>) -> [Option<T>; 2] {
    [values.next(), values.next()]
}

/// By its number if it is called by that, as those of Go (`G7`) and of tokio are.
fn task(name: &str) -> Key {
    let number = name.strip_prefix('G').unwrap_or(name).parse::<u64>();
    number.map_or_else(|_| Key::text(name), |it| Key::Number(it.into()))
}

fn state(part: Part<'_>, direction: Direction) -> Key {
    let state = part
        .row
        .side(direction)
        .map_or(State::Unspecified, Side::state);
    Key::text(state.name())
}

fn states() -> Vec<&'static str> {
    vocabulary::State::ALL.map(vocabulary::State::name).to_vec()
}

fn kinds() -> Vec<&'static str> {
    vocabulary::Kind::ALL.map(vocabulary::Kind::name).to_vec()
}

fn directions() -> Vec<&'static str> {
    Direction::ALL.map(Direction::name).to_vec()
}

fn truths() -> Vec<&'static str> {
    vec!["true", "false"]
}

impl Field {
    const fn definition(self) -> &'static Definition {
        &FIELDS[self as usize]
    }

    /// Every name of every field, the one of its column first.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        Self::ALL
            .iter()
            .flat_map(|field| std::iter::once(field.name()).chain(field.also().iter().copied()))
    }

    /// The field of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let is_called = |known: &&str| known.eq_ignore_ascii_case(name);
        let mut all = Self::ALL.iter().copied();
        all.find(|field| is_called(&field.name()) || field.also().iter().any(is_called))
    }

    /// The name of its column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.definition().name
    }

    /// Returns what stands over its column: the name, in capitals.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.definition().title
    }

    /// Returns the name of a moment for machines, which tells the unit.
    #[must_use]
    pub const fn name_ns(self) -> Option<&'static str> {
        match self.kind() {
            Type::Duration => Some(self.definition().name_ns),
            _ => None,
        }
    }

    /// Other names of it.
    #[must_use]
    pub fn also(self) -> &'static [&'static str] {
        self.definition().also
    }

    /// What it is, in a few words.
    #[must_use]
    pub fn help(self) -> &'static str {
        self.definition().help
    }

    /// What it can be compared with.
    #[must_use]
    pub const fn kind(self) -> Type {
        match &self.definition().get {
            Get::Text(_) => Type::Text,
            Get::Word(known, _) => Type::OneOf(*known),
            Get::Truth(_) => Type::OneOf(truths),
            Get::Number(_) | Get::Count(_) => Type::Number,
            Get::Past(_) | Get::Future(_) | Get::Span(_) => Type::Duration,
        }
    }

    /// Returns whether it is `true` or `false`.
    #[must_use]
    pub const fn is_truth(self) -> bool {
        matches!(self.definition().get, Get::Truth(_))
    }

    /// Returns whether it is a moment that has passed.
    #[must_use]
    pub const fn is_past(self) -> bool {
        matches!(self.definition().get, Get::Past(_))
    }

    /// Returns whether it is a moment that is yet to come. A duration that is neither is no
    /// moment's.
    #[must_use]
    pub const fn is_future(self) -> bool {
        matches!(self.definition().get, Get::Future(_))
    }

    /// Returns whether the kernel knows it of the socket, and must be asked.
    #[must_use]
    pub const fn is_of_sockets(self) -> bool {
        self.definition().traits & SOCKET != 0
    }

    fn has(self, traits: u8) -> bool {
        self.definition().traits & traits != 0
    }

    /// It can change while nothing happens to the descriptor.
    #[must_use]
    pub fn is_of_time(self) -> bool {
        self.is_past() || self.is_future()
    }

    /// It is the same for both directions of a descriptor, so that it does not matter which one the
    /// row is about.
    #[must_use]
    pub fn is_of_the_whole(self) -> bool {
        self.has(WHOLE)
    }

    /// It is a number or a word of a fixed set, so it is known without looking up a text or asking
    /// the kernel.
    #[must_use]
    pub fn is_cheap(self) -> bool {
        self.has(CHEAP)
    }

    /// An event of the flight recorder has it of its own.
    #[must_use]
    pub fn is_own_of_events(self) -> bool {
        self.has(EVENT)
    }

    /// An event has it of its own, or of its descriptor, where it does not change from moment to
    /// moment.
    #[must_use]
    pub fn is_of_events(self) -> bool {
        self.has(EVENT | LASTING)
    }

    /// It can be negative.
    #[must_use]
    pub fn is_signed(self) -> bool {
        self.has(SIGNED)
    }

    /// What it sorts by.
    pub(super) fn key(self, part: Part<'_>) -> Key {
        let definition = self.definition();
        if let Some(key) = definition.key {
            return key(part);
        }
        let number = |it: Option<u64>| it.map_or(Key::Absent, |it| Key::Number(it.into()));
        match definition.get {
            Get::Text(get) => get(part)[0].as_deref().map_or(Key::Absent, Key::text),
            Get::Word(_, get) => get(part)[0].map_or(Key::Absent, Key::text),
            Get::Number(get) => Key::Number(get(part)),
            Get::Truth(get) => Key::Number(get(part).into()),
            Get::Past(get) | Get::Future(get) | Get::Span(get) | Get::Count(get) => {
                number(get(part))
            }
        }
    }

    /// Whether `test` holds for any of the values that the row has.
    pub(super) fn any<'a>(
        self,
        part: Part<'a>,
        now_ns: u64,
        test: &mut dyn FnMut(Seen<'a>) -> bool,
    ) -> bool {
        match self.definition().get {
            Get::Text(get) => get(part)
                .into_iter()
                .flatten()
                .any(|text| test(lower(text))),
            Get::Word(_, get) => {
                let words = get(part).into_iter().flatten();
                words.map(|word| Seen::Text(Cow::Borrowed(word))).any(test)
            }
            Get::Number(get) => test(Seen::Number(get(part))),
            Get::Count(get) | Get::Span(get) => {
                get(part).is_some_and(|number| test(Seen::Number(number.into())))
            }
            Get::Truth(get) => test(Seen::Text(Cow::Borrowed(if get(part) {
                "true"
            } else {
                "false"
            }))),
            Get::Past(get) => {
                get(part).is_some_and(|at| test(Seen::Number(now_ns.saturating_sub(at).into())))
            }
            Get::Future(get) => {
                get(part).is_some_and(|at| test(Seen::Number(i128::from(at) - i128::from(now_ns))))
            }
        }
    }
}

/// A value of a row.
pub(super) enum Seen<'a> {
    /// In lower case.
    Text(Cow<'a, str>),
    Number(i128),
}

fn lower(text: Cow<'_, str>) -> Seen<'_> {
    Seen::Text(if text.chars().any(char::is_uppercase) {
        Cow::Owned(text.to_lowercase())
    } else {
        text
    })
}

/// Whether `test` holds for any of the texts, in lower case, that the row has in this field.
/// Numbers and durations have none.
pub fn any_text(field: Field, part: Part<'_>, mut test: impl FnMut(&str) -> bool) -> bool {
    // Texts do not depend on the moment.
    field.any(part, 0, &mut |seen| match seen {
        Seen::Text(text) => test(&text),
        Seen::Number(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_field_and_every_field_has_one() {
        for field in Field::ALL {
            for name in std::iter::once(&field.name()).chain(field.also()) {
                assert_eq!(Field::named(name), Some(*field));
            }
        }
        assert_eq!(Field::named("SINCE"), Some(Field::Since));
        assert_eq!(Field::named("sinse"), None);
    }

    #[test]
    fn no_two_fields_share_a_name() {
        let mut names: Vec<&str> = Field::names().collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
