//! Numbers for threads: dense, recycled when a thread ends, and therefore good as an index of what
//! a thread owns.

use std::cell::Cell;
use std::sync::Arc;

use super::intern::printable;
use crate::clock;
use crate::sync::LockOrder;
use crate::sys::{self, ForkMutex};

/// Numbers that there are. A number is a byte, so that it need not be compared with this.
pub(crate) const MAX_THREADS: usize = 1 << u8::BITS;

/// The number of a thread that has not asked for one. Nobody else has it.
const UNASKED: usize = 0;

/// The number of threads without one of their own, when all others are taken.
pub(crate) const SHARED: usize = MAX_THREADS - 1;
const NAME_OF_SHARED: &str = "one of many";

struct Table {
    free: Vec<usize>,
    next: usize,
    /// By number. Beside the table of labels, for a number of a thread is given again.
    names: Vec<Arc<str>>,
    /// By number: what the kernel calls it, 0 for one that has ended.
    ids: Vec<i32>,
    /// By number: since when it is this thread's.
    since_ns: Vec<u64>,
}

static TABLE: ForkMutex<Table> = ForkMutex::new(
    LockOrder::Threads,
    Table {
        free: Vec::new(),
        next: UNASKED + 1,
        names: Vec::new(),
        ids: Vec::new(),
        since_ns: Vec::new(),
    },
);

/// Gives the number back when the thread ends. The table's lock orders the last writes of the
/// thread that had it before the first ones of the thread that gets it.
struct Ticket(usize);

impl Ticket {
    fn take() -> Ticket {
        let name = match std::thread::current().name() {
            Some(name) => printable(name),
            None => format!("thread {}", os_thread_id()),
        };
        let mut table = TABLE.lock();
        let index = match table.free.pop() {
            Some(index) => index,
            None if table.next < SHARED => {
                table.next += 1;
                table.next - 1
            }
            None => SHARED,
        };
        if index != SHARED {
            if table.names.len() <= index {
                table.names.resize(index + 1, "".into());
                table.ids.resize(index + 1, 0);
                table.since_ns.resize(index + 1, 0);
            }
            table.names[index] = name.into();
            table.ids[index] = sys::thread_id();
            table.since_ns[index] = clock::now_ns();
        }
        Ticket(index)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Whatever this thread still does while it ends goes to the shared index.
        let _ = INDEX.try_with(|index| index.set(SHARED as u8));
        if self.0 != SHARED {
            let mut table = TABLE.lock();
            table.ids[self.0] = 0;
            table.free.push(self.0);
        }
    }
}

fn os_thread_id() -> String {
    // "ThreadId(7)": the number is all that a reader wants.
    format!("{:?}", std::thread::current().id())
        .chars()
        .filter(char::is_ascii_digit)
        .collect()
}

thread_local! {
    static INDEX: Cell<u8> = const { Cell::new(UNASKED as u8) };
    static TICKET: Ticket = Ticket::take();
}

/// Number of the calling thread if it has asked for one by [`current_thread`], or else one that
/// nobody has.
#[inline]
pub(crate) fn known_thread() -> u8 {
    INDEX.get()
}

/// Number of the calling thread. [`SHARED`] if there are too many threads, or this one is ending.
pub(crate) fn current_thread() -> usize {
    if usize::from(INDEX.get()) == UNASKED {
        let index = TICKET.try_with(|ticket| ticket.0).unwrap_or(SHARED);
        INDEX.set(index as u8);
    }
    INDEX.get().into()
}

/// What the kernel calls the thread with this number, if it lives.
pub(crate) fn thread_id(index: usize) -> Option<i32> {
    living_thread(index).map(|(id, _)| id)
}

/// The same, and since when it has the number.
pub(crate) fn living_thread(index: usize) -> Option<(i32, u64)> {
    let table = TABLE.lock();
    let id = table.ids.get(index).copied().filter(|id| *id != 0)?;
    Some((id, table.since_ns.get(index).copied()?))
}

/// Name of the thread with this number, or of the last one that had it.
pub fn thread_name(index: usize) -> Arc<str> {
    if index == SHARED {
        return NAME_OF_SHARED.into();
    }
    let table = TABLE.lock();
    table.names.get(index).cloned().unwrap_or_default()
}

/// The names by number, for a thread that may hold their lock: `None` if it is not to be had soon.
pub(crate) fn thread_names_soon() -> Option<Vec<Arc<str>>> {
    let mut names = TABLE.lock_soon()?.names.clone();
    names.resize(SHARED, "".into());
    names.push(NAME_OF_SHARED.into());
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_threads_have_different_numbers_and_their_own_names() {
        let mine = current_thread();
        assert_eq!(current_thread(), mine);
        let (theirs, name) = std::thread::Builder::new()
            .name("somebody".into())
            .spawn(|| (current_thread(), thread_name(current_thread()).to_string()))
            .unwrap()
            .join()
            .unwrap();
        assert_ne!(mine, theirs);
        assert_eq!(name, "somebody");
    }

    #[test]
    fn numbers_are_recycled() {
        let most = (0..2 * MAX_THREADS)
            .map(|_| std::thread::spawn(current_thread).join().unwrap())
            .max();
        assert!(most < Some(MAX_THREADS));
    }
}
