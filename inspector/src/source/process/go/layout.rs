//! Where the runtime of each version of Go keeps what is read of it.

use std::borrow::Cow;

/// Offsets in bytes, in a program of 64 bits; they are the same on amd64 and arm64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) poll_desc: PollDesc,
    pub(super) g: G,
    pub(super) module: Module,
    /// What a goroutine waits for, by its `waitreason`, as the runtime itself writes it.
    pub(super) wait_reasons: Cow<'static, [Cow<'static, str>]>,
}

/// `runtime.pollDesc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PollDesc {
    pub(super) size: usize,
    pub(super) fd: usize,
    /// Since Go 1.20.
    pub(super) fdseq: Option<usize>,
    pub(super) atomic_info: usize,
    pub(super) rg: usize,
    pub(super) wg: usize,
    pub(super) closing: usize,
    pub(super) rd: usize,
    pub(super) wd: usize,
}

/// `runtime.g`, with `stack` and `gobuf` in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct G {
    pub(super) size: usize,
    pub(super) stack_lo: usize,
    pub(super) stack_hi: usize,
    pub(super) sched_sp: usize,
    pub(super) sched_pc: usize,
    pub(super) atomicstatus: usize,
    pub(super) goid: usize,
    pub(super) waitreason: usize,
    pub(super) gopc: usize,
    pub(super) tracking_seq: usize,
}

/// `runtime.moduledata`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Module {
    pub(super) size: usize,
    pub(super) minpc: usize,
    pub(super) maxpc: usize,
    pub(super) text: usize,
    pub(super) etext: usize,
    /// What the offsets of a function's data count from.
    pub(super) gofunc: usize,
}
