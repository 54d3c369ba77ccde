//! Whom a `std::task::Waker` wakes.
//!
//! A waker is the address of four functions and a word for them. Whose functions they are, their
//! names tell, or, where the program has none, what the word stands for.

use super::code::Code;
use super::task;
use crate::source::process::memory::Memory;

/// A waker: the compiler puts the address first that is never null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Waker {
    pub(super) vtable: u64,
    pub(super) data: u64,
}

/// Whom it wakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wakes {
    /// A task of tokio's, whose header its word is the address of.
    Task,
    /// Somebody else, of whom this is known.
    Other(&'static str),
    /// Who it is cannot be told.
    Somebody,
}

/// What stands in the names of the functions of those who are no tasks, and what they are called.
const OTHERS: [(&str, &str); 6] = [
    ("tokio::runtime::park::", "block_on"),
    (
        "tokio::runtime::scheduler::current_thread::Handle",
        "block_on",
    ),
    ("tokio::task::local::Shared", "LocalSet"),
    ("futures_unordered::", "FuturesUnordered"),
    ("futures_executor::", "block_on"),
    // Without generics in the names, these two look the same.
    ("tokio::util::wake::", "block_on or LocalSet"),
];
/// In those of a task.
const OF_A_TASK: &str = "tokio::runtime::task::waker::";
impl Waker {
    /// `None` where there is none.
    pub(super) fn of(vtable: u64, data: u64) -> Option<Self> {
        (vtable != 0).then_some(Self { vtable, data })
    }
}

/// Returns whom a waker wakes; `None` if it is no waker of this program.
pub(super) fn wakes(memory: &impl Memory, code: &impl Code, waker: Waker) -> Option<Wakes> {
    let functions = memory.words::<4>(waker.vtable)?;
    if !functions.into_iter().all(|it| code.has(it)) {
        return None;
    }
    let names = functions.into_iter().filter_map(|it| code.name(it));
    let names: Vec<String> = names.collect();
    let is_in = |part: &str| names.iter().any(|name| name.contains(part));
    if is_in(OF_A_TASK) {
        return Some(Wakes::Task);
    }
    if let Some((_, name)) = OTHERS.iter().find(|(part, _)| is_in(part)) {
        return Some(Wakes::Other(name));
    }
    // Without names a task is told by what only a task has.
    let is_task = names.is_empty() && task::Kind::of(memory, code, waker.data).is_some();
    Some(match is_task {
        true => Wakes::Task,
        false => Wakes::Somebody,
    })
}

#[cfg(test)]
mod tests {
    use super::super::made::{self, Code, program, put};
    use super::*;

    const TASK: u64 = 0x7f00_0000_1000;

    #[test]
    fn whom_a_waker_wakes_its_functions_tell_or_else_what_a_task_has() {
        let mut memory = program(false);
        put(&mut memory, TASK, &made::task(17, 0, 0, 0));
        put(&mut memory, 0x70_0000, &[made::OF_A_TASK, 7, 7, 7]);
        let of = |vtable, data, has_names| {
            let waker = Waker::of(vtable, data).expect("it is one");
            wakes(&memory, &Code { has_names }, waker)
        };
        assert_eq!(of(made::TASK_WAKER, 0, true), Some(Wakes::Task));
        assert_eq!(
            of(made::THREAD_WAKER, 0, true),
            Some(Wakes::Other("block_on"))
        );
        assert_eq!(of(made::NAMELESS_WAKER, TASK, true), Some(Wakes::Task));
        assert_eq!(
            of(made::NAMELESS_WAKER, TASK + 8, true),
            Some(Wakes::Somebody)
        );
        assert_eq!(of(made::TASK_WAKER, TASK, false), Some(Wakes::Task));
        for nothing in [0x70_0000, 8, u64::MAX - 7] {
            assert_eq!(of(nothing, TASK, true), None, "{nothing:#x}");
        }
        assert_eq!(Waker::of(0, TASK), None);
    }
}
