//! One task of tokio's: what its header says, and where in it its future is.
//!
//! All that is read of it is declared `repr(C)`, and has been the same since 1.40
//! (`runtime/task/core.rs`, `state.rs`); where the rest begins, the table of its functions says
//! (`raw.rs`).

use std::hash::{DefaultHasher, Hash, Hasher};

use super::code::Code;
use crate::source::process::memory::{Memory, half, word};

/// The words of a header: state, the next one in a queue, the table of its functions, its owner.
const HEADER: usize = 4;
/// The functions of the table, of which the first polls the future, and the offsets behind them:
/// of the trailer, of the scheduler, of its number, and, where tokio was built with
/// `tokio_unstable`, of the line that has spawned it.
const FUNCTIONS: usize = 7;
const TABLE: usize = FUNCTIONS + 3;
/// What stands before the future: which of three things follows (`Stage`).
const STAGE: u64 = 8;
/// `Stage::Running`.
const RUNNING_STAGE: u32 = 0;
/// The header and a scheduler are smaller than this.
const LARGEST_HEAD: u64 = 512;
/// A future is no larger than this.
const LARGEST_FUTURE: u64 = 1 << 30;
/// What comes of a future, or says why nothing does, is larger than this if it is aligned by more
/// than a word (`JoinError` has three).
const LEAST_ALIGNED: u64 = 32;
/// As many bytes of a future are compared.
const LARGEST_COMPARED: u64 = 4 << 10;
/// The longest path of a file.
const LONGEST_PATH: u64 = 1 << 10;

/// What a task is that has ended.
pub(super) const COMPLETE: &str = "complete";

/// Bits of the state (`state.rs`); what is behind them counts who refers to it.
const RUNNING: u64 = 0b0001;
const COMPLETED: u64 = 0b0010;
const NOTIFIED: u64 = 0b0100;
const CANCELLED: u64 = 0b10_0000;
const STATE_BITS: u32 = 6;

/// What tasks that have the same future and the same scheduler have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// The function that polls it.
    pub(super) poll: u64,
    id: u64,
    scheduler: u64,
    /// Where what is behind its future is: first its place in the list of all tasks.
    pub(super) trailer: u64,
    /// Where the line that has spawned it is, if it has one.
    spawned: Option<u64>,
}

/// What the header of a task says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    address: u64,
    state: u64,
    /// The table of its functions.
    pub(super) table: u64,
    /// The number of the list of all tasks of its scheduler.
    pub(super) owner: u64,
}

/// A task, as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) kind: Kind,
    pub(super) head: Head,
    pub(super) id: u64,
    /// The address of its scheduler.
    pub(super) scheduler: u64,
    /// All of it as far as it was read.
    pub(super) bytes: Vec<u8>,
}

impl Kind {
    /// Reads it of the task whose header is there; `None` if there is none.
    pub(super) fn of(memory: &impl Memory, code: &impl Code, header: u64) -> Option<Self> {
        let Head { table, .. } = Head::read(memory, header)?;
        let words = memory.words::<TABLE>(table)?;
        let (functions, offsets) = words.split_at(FUNCTIONS);
        let (Some(poll), [trailer, scheduler, id]) = (functions.first(), offsets) else {
            return None;
        };
        // The number of the task is behind its scheduler, which is behind the header.
        let head = 8 * HEADER as u64;
        let is_in_order = head <= *scheduler && scheduler < id && id < trailer;
        let is_aligned = offsets.iter().all(|it| it.is_multiple_of(8));
        let is_bounded = *id < LARGEST_HEAD && *trailer < LARGEST_FUTURE;
        if !is_in_order || !is_aligned || !is_bounded || !functions.iter().all(|it| code.has(*it)) {
            return None;
        }
        let mut kind = Self {
            poll: *poll,
            id: *id,
            scheduler: *scheduler,
            trailer: *trailer,
            spawned: None,
        };
        // Where there is none, what follows is not part of the table.
        let behind = memory.words::<1>(table.checked_add(8 * TABLE as u64)?);
        let spawned = behind.map(|[it]| it).filter(|it| *it == id + 8);
        kind.spawned = spawned.filter(|at| line(memory, header.wrapping_add(*at)).is_some());
        Some(kind)
    }

    fn stage(&self) -> u64 {
        self.spawned.unwrap_or(self.id) + 8
    }
}

impl Head {
    /// Reads the header there; `None` if there is none.
    pub(super) fn read(memory: &impl Memory, header: u64) -> Option<Self> {
        Self::of(header, memory.words(header)?)
    }

    fn of(header: u64, [state, _, table, owner]: [u64; HEADER]) -> Option<Self> {
        let head = Self {
            address: header,
            state,
            table,
            owner,
        };
        // Somebody refers to it.
        let is_one = header.is_multiple_of(8)
            && table.is_multiple_of(8)
            && state >> STATE_BITS != 0
            && state & (RUNNING | COMPLETED) != RUNNING | COMPLETED;
        is_one.then_some(head)
    }

    /// Whether somebody polls it.
    pub(super) fn is_running(&self) -> bool {
        self.state & RUNNING != 0
    }

    /// Returns what it does, in tokio's words.
    pub(super) fn state(&self) -> &'static str {
        match self.state {
            it if it & COMPLETED != 0 => COMPLETE,
            it if it & RUNNING != 0 => "running",
            it if it & NOTIFIED != 0 => "scheduled",
            it if it & CANCELLED != 0 => "cancelled",
            _ => "idle",
        }
    }
}

impl Task {
    /// Reads the task of this kind, which has this table of functions, whose header is there.
    pub(super) fn read(memory: &impl Memory, kind: Kind, header: u64, table: u64) -> Option<Self> {
        let size = kind.trailer.min(kind.stage() + LARGEST_COMPARED);
        let bytes = memory.bytes(header, usize::try_from(size).ok()?)?;
        let field = |at: u64| word(&bytes, usize::try_from(at).ok()?);
        let words = [field(0)?, field(8)?, field(16)?, field(24)?];
        let head = Head::of(header, words).filter(|it| it.table == table)?;
        let (scheduler, id) = (field(kind.scheduler)?, field(kind.id)?);
        // tokio's numbers begin with 1.
        (id != 0).then_some(Self {
            kind,
            head,
            id,
            scheduler,
            bytes,
        })
    }

    /// What of it was read behind its number: its future, or what came of that.
    fn stage(&self) -> &[u8] {
        let start = usize::try_from(self.kind.stage()).unwrap_or(usize::MAX);
        self.bytes.get(start..).unwrap_or_default()
    }

    /// Another number if it has run meanwhile, as far as that can be seen.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        // Others may come to refer to it.
        let state = self.head.state & ((1 << STATE_BITS) - 1);
        (self.head.address, self.id, state, self.stage()).hash(&mut hasher);
        hasher.finish()
    }

    /// Returns where its future is that has this size and alignment, if it has one that nobody
    /// polls now.
    ///
    /// A task keeps its future, and later what comes of it, behind a word that says which of the
    /// two is there. What comes of it may be larger, or aligned by more, and where the future is
    /// depends on that: so it must be seen that it is neither, by where the trailer is.
    pub(super) fn future(&self, size: u64, alignment: u64) -> Option<u64> {
        let is_running_stage = half(self.stage(), 0) == Some(RUNNING_STAGE);
        let is_still = self.head.state & (RUNNING | COMPLETED) == 0 && is_running_stage;
        let alignment = alignment.max(8);
        if !is_still || !alignment.is_power_of_two() || alignment > LARGEST_HEAD {
            return None;
        }
        let stage = self.kind.stage().checked_next_multiple_of(alignment)?;
        let future = stage.checked_add(STAGE.max(alignment))?;
        let end = future
            .checked_add(size)?
            .checked_next_multiple_of(alignment)?;
        let is_it = match self.kind.trailer {
            trailer if trailer == end => true,
            trailer => trailer > end && alignment == 8 && trailer - future <= LEAST_ALIGNED,
        };
        is_it.then(|| self.head.address.checked_add(future))?
    }

    /// Returns the line that has spawned it, where tokio keeps that.
    pub(super) fn spawned(&self, memory: &impl Memory) -> Option<String> {
        line(memory, self.head.address.checked_add(self.kind.spawned?)?)
    }
}

/// Reads the `core::panic::Location` to which a word points: the path of a file, which ends with a
/// zero in newer ones, its length, the line and the column.
fn line(memory: &impl Memory, at: u64) -> Option<String> {
    let [location] = memory.words::<1>(at)?;
    let bytes = memory.bytes(location, 24)?;
    let (path, length) = (word(&bytes, 0)?, word(&bytes, 8)?);
    let (line, column) = (half(&bytes, 16)?, half(&bytes, 20)?);
    if length == 0 || length > LONGEST_PATH || line == 0 || column == 0 {
        return None;
    }
    let path = memory.bytes(path, usize::try_from(length).ok()?)?;
    let path = String::from_utf8(path).ok()?;
    let path = path.strip_suffix('\0').unwrap_or(&path);
    let is_one = path.ends_with(".rs") && !path.contains(char::is_control);
    is_one.then(|| format!("{path}:{line}"))
}

#[cfg(test)]
mod tests {
    use super::super::made::{self, Code, program, put, spawned};
    use super::*;
    use crate::source::process::memory::fake::Fake;

    const AT: u64 = 0x7f00_0000_1000;
    const CODE: Code = Code { has_names: true };

    fn with(words: &[u64], has_spawned: bool) -> Fake {
        let mut memory = program(has_spawned);
        put(&mut memory, AT, words);
        memory
    }

    fn read(words: &[u64]) -> Option<Task> {
        made::read(&with(words, false), CODE, AT)
    }

    #[test]
    fn a_task_says_what_it_does_and_where_its_future_is() {
        let task = |state, stage| read(&made::task(17, state, stage, 5)).expect("a task");
        let idle = task(0, 0);
        assert_eq!(
            (idle.id, idle.head.state(), idle.kind.poll),
            (17, "idle", made::POLL)
        );
        // Behind its number and what stage it is in.
        for (size, alignment, at) in [
            (200, 8, Some(56)),
            (196, 4, Some(56)),
            (160, 32, Some(96)),
            (128, 64, Some(128)),
            // What comes of it is larger, or aligned by more.
            (192, 8, None),
            (100, 8, None),
            (201, 8, None),
            (200, 24, None),
            (200, 1 << 20, None),
            (u64::MAX, 8, None),
        ] {
            let future = idle.future(size, alignment);
            assert_eq!(future, at.map(|it| AT + it), "{size}, {alignment}");
        }
        for (state, name) in [
            (RUNNING, "running"),
            (COMPLETED, COMPLETE),
            (NOTIFIED, "scheduled"),
            (CANCELLED, "cancelled"),
            (CANCELLED | NOTIFIED, "scheduled"),
        ] {
            let it = task(state, 0);
            assert_eq!(it.head.state(), name);
            let is_still = state & (RUNNING | COMPLETED) == 0;
            assert_eq!(
                it.future(200, 8).is_some(),
                is_still,
                "nobody may poll it meanwhile"
            );
        }
        assert_eq!(task(0, 1).future(200, 8), None, "it has finished");
        assert_eq!(idle.spawned(&with(&made::task(17, 0, 0, 5), false)), None);
    }

    #[test]
    fn a_task_that_has_run_is_another_and_one_that_more_refer_to_is_not() {
        let first = made::task(17, 0, 0, 5);
        let fingerprint = |words: &[u64]| read(words).map(|it| it.fingerprint());
        let mut shared = first.clone();
        shared[0] += 1 << STATE_BITS;
        assert_eq!(fingerprint(&shared), fingerprint(&first));
        for other in [
            made::task(18, 0, 0, 5),
            made::task(17, NOTIFIED, 0, 5),
            made::task(17, 0, 0, 6),
        ] {
            assert_ne!(fingerprint(&other), fingerprint(&first));
        }
    }

    #[test]
    fn the_line_that_has_spawned_it_is_read_where_tokio_keeps_it() {
        let memory = with(&spawned(17, 0, 0, 5), true);
        let task = made::read(&memory, CODE, AT).expect("a task");
        assert_eq!(task.spawned(&memory).as_deref(), Some("src/main.rs:42"));
        assert_eq!(task.future(192, 8), Some(AT + 64));
        // What looks like that offset says nothing, if there is no such line.
        let memory = with(&made::task(17, 0, 0, 5), true);
        let task = made::read(&memory, CODE, AT).expect("a task");
        assert_eq!(
            (task.spawned(&memory), task.future(200, 8)),
            (None, Some(AT + 56))
        );
    }

    #[test]
    fn what_no_task_can_hold_is_none() {
        let sound = made::task(17, 0, 0, 5);
        assert!(read(&sound).is_some());
        for (at, word) in [
            (0, 0),
            (0, 1 << STATE_BITS | RUNNING | COMPLETED),
            (2, 0),
            (2, made::TASK_WAKER),
            (2, made::TASK_WAKER + 1),
            (5, 0),
        ] {
            let mut words = sound.clone();
            words[at] = word;
            assert_eq!(read(&words), None, "{at}: {word:#x}");
        }
        let memory = with(&sound, false);
        for at in [0, AT + 8, AT + 1, u64::MAX, u64::MAX - 7] {
            assert_eq!(made::read(&memory, CODE, at), None, "{at:#x}");
        }
        // The table's offsets have an order, and are no larger than a task is.
        let functions = [made::POLL; 7];
        for offsets in [
            [256, 40, 32, 0],
            [32, 32, 40, 0],
            [1 << 40, 32, 40, 0],
            [256, 32, 44, 0],
        ] {
            let mut memory = Fake::default();
            put(&mut memory, 0x10_0000, &[&functions[..], &offsets].concat());
            let mut words = sound.clone();
            words[2] = 0x10_0000;
            put(&mut memory, AT, &words);
            assert_eq!(made::read(&memory, CODE, AT), None, "{offsets:?}");
        }
    }
}
