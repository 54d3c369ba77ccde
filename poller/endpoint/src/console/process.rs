//! What the console shows things of: a process, as whoever looks at it now and then sees it.
//!
//! The model knows no more of a process than what stands here. `live` reads it in the tables of
//! this one, and `told` in the messages that another one has told.

use std::fmt::Debug;
use std::panic::Location;
use std::sync::Arc;

use netpoller_core::view::{Cause, EventKind, LineKind, State};
use netpoller_core::{DescId, Direction, Kind};
use tonic::Status;

use super::wall::Anchor;

/// A process that is looked at.
///
/// A look begins with [`begin`](Self::begin) and ends with [`end`](Self::end); what is asked in
/// between is of one moment. Pollers are called by their place among those that `pollers` gives,
/// rows by their place in the table.
pub(crate) trait Process: Debug + Send + 'static {
    /// What a look is of.
    type Moment: Send;
    /// A row as it was read.
    type Row: Reading;
    /// The number of a thread is that of one, and not of all that are called the same.
    const KNOWS_THREADS: bool;

    /// Comes to what there is to look at now. What it has come to is not there a second time.
    fn moment(&mut self) -> impl Future<Output = Result<Self::Moment, Status>> + Send;

    fn begin(&mut self, moment: Self::Moment) -> Begun;

    fn pollers(&mut self) -> Vec<PollerNow>;

    /// How many rows there may be in the table of a poller.
    fn places(&self, poller: usize) -> u32;

    /// A row, if there is one at this place.
    fn row(&self, poller: usize, place: u32) -> Option<Self::Row>;

    /// That row in words.
    fn words(&mut self, poller: usize, row: &Self::Row) -> Option<Words>;

    /// Appends what has happened since the last look to `events`.
    fn events(&mut self, poller: usize, events: &mut Vec<Event>) -> Heard;

    /// Whose waiter is parked on a descriptor that is ready, among these rows: nothing else will
    /// ever wake it.
    fn lost<'r>(
        &mut self,
        poller: usize,
        rows: impl Iterator<Item = &'r Self::Row>,
    ) -> Vec<(DescId, Direction)>
    where
        Self::Row: 'r;

    /// What is remembered of a slot of the poller with this number need not be kept.
    fn forget(&mut self, poller: u32, slot: u32);

    fn end(&mut self);
}

/// When a look began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    /// On the clock of the process.
    pub(crate) now_ns: u64,
    pub(crate) anchor: Anchor,
}

/// A row of a table. It is cheap to copy, and compared with what it was before.
pub(crate) trait Reading: Clone + PartialEq + Debug + Send {
    fn id(&self) -> DescId;
    fn kind(&self) -> Kind;
    fn opened_at_ns(&self) -> u64;
    /// The line that opened it.
    fn opened(&self) -> Option<Place>;
    /// It changed while it was read.
    fn is_torn(&self) -> bool;
    /// Parks of the writer that waited for the connection to be made.
    fn connect_parks(&self) -> u64;
    fn side(&self, direction: Direction) -> Side;
    /// Whether nothing has changed in this direction since it was `earlier`.
    fn is_same(&self, earlier: &Self, direction: Direction) -> bool;
    /// Who waits, or waited last; `None` if nobody has parked yet, as far as that is known.
    fn who(&self, direction: Direction) -> Option<Who>;
    /// What that one is called.
    fn name(&self, who: &Who, direction: Direction) -> Arc<str>;
    /// The line that it waits at, or waited at last: the program's own if one is known.
    fn line(&self, direction: Direction) -> Option<Place>;
}

/// One direction of a row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Side {
    /// `None` if it is not known.
    pub(crate) state: Option<State>,
    pub(crate) since_ns: u64,
    /// 0 for none, 1 for one that has expired.
    pub(crate) deadline_ns: u64,
    /// Waits that parked, and those of them that were woken.
    pub(crate) parks: u64,
    pub(crate) wakes: u64,
    pub(crate) last_wake: Option<Wake>,
}

/// A wake.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Wake {
    /// When the waker was called.
    pub(crate) called_ns: u64,
    /// When the waiter ran.
    pub(crate) ran_ns: Option<u64>,
}

impl Side {
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.state, Some(State::Wait | State::Parked))
    }
}

/// Who a waiter is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Who {
    /// By the number of a [named](netpoller_core::task::named) future.
    Named(u64),
    /// By the runtime's number, of which there may be the same.
    Runtime(u64),
    /// A number is given to another thread when the first has ended; its name may tell. Of another
    /// process only the name is known, and the number is 0.
    Thread(u32, Arc<str>),
}

/// A line of code.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Place {
    /// Of this program.
    Here(&'static Location<'static>),
    /// Of another one, as `file:line`.
    Told(Arc<str>),
}

/// What is said of a row, beside its numbers.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) fd: Option<u64>,
    pub(crate) local: Arc<str>,
    pub(crate) peer: Arc<str>,
    pub(crate) label: Arc<str>,
    pub(crate) closing: bool,
    /// In the order of [`Direction::ALL`].
    pub(crate) sides: [SideWords; 2],
}

/// What is said of one direction.
#[derive(Debug, Default)]
pub(crate) struct SideWords {
    /// Waits that found nothing ready, and the edges that reached the word; `None` if nobody counts
    /// them.
    pub(crate) counts: Option<Counts>,
    /// Why the last waiter was woken.
    pub(crate) cause: Option<Cause>,
    /// The call of whoever waits, and the line of the program's own that stands for it.
    pub(crate) at: Option<Place>,
    pub(crate) nearest: Option<(LineKind, Place)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) arms: u64,
    pub(crate) edges: u64,
}

/// A poller.
#[derive(Debug)]
pub(crate) struct PollerNow {
    /// Its number, which no other one ever has.
    pub(crate) number: u32,
    pub(crate) name: Arc<str>,
    pub(crate) waiters: u64,
    pub(crate) descriptors: u64,
    pub(crate) epoll_fd: Option<u64>,
    pub(crate) created_at_ns: u64,
    /// `None` if nobody counts them.
    pub(crate) breaks: Option<Breaks>,
    /// Of the events that one poll fetched.
    pub(crate) batch_p99: Option<u64>,
}

/// The breaks of a poller, each of which was either written to its eventfd, or coalesced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Breaks {
    /// The eventfd.
    pub(crate) fd: Option<u64>,
    pub(crate) requested: u64,
    pub(crate) written: u64,
    pub(crate) coalesced: u64,
    pub(crate) drained: u64,
}

/// What happened to a descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) at_ns: u64,
    pub(crate) id: DescId,
    pub(crate) direction: Option<Direction>,
    pub(crate) kind: EventKind,
    /// Number of the thread that did it.
    pub(crate) thread: u32,
    pub(crate) argument: u64,
}

/// How much was heard of what has happened since the last look.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Heard {
    /// Events that were read, and those that were gone before, among which there may be those of
    /// other pollers.
    pub(crate) read: u64,
    pub(crate) lost: u64,
    /// Those that were gone, of this poller for certain.
    pub(crate) overwritten: u64,
    /// What happened right after the last look is not among them.
    pub(crate) is_cut: bool,
}
