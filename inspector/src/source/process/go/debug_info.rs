//! The layout that a program itself tells, by its debug information.

use std::borrow::Cow;
use std::fs::File;

use super::super::debug_info::{Structure, Variable, find};
use super::super::image::Image;
use super::super::memory::{Memory, word};
use super::super::units::LARGEST_SECTION;
use super::layout::{G, Layout, Module, PollDesc};

/// What is read of a file: debug information may be compressed or not.
const BUDGET: u64 = 2 * LARGEST_SECTION as u64;
/// Bytes of a string in Go: its address and its length.
const STRING: usize = 16;
/// As many reasons to wait are read, and bytes of each: Go 1.27 has 46, of up to 36 bytes.
const MOST_REASONS: usize = 256;
const LONGEST_REASON: u64 = 256;
/// Bytes of a structure that is read from the memory of a process.
const LARGEST_STRUCTURE: usize = 4 << 10;

impl Layout {
    /// Reads that of a program from its file; `None` if anything is missing there.
    pub(in crate::source::process) fn of_debug_info(file: File) -> Option<Self> {
        let image = Image::open(file, BUDGET)?;
        let structures = ["pollDesc", "g", "stack", "gobuf", "moduledata"];
        let structures = structures.map(|name| format!("runtime.{name}"));
        let structures = structures.each_ref().map(String::as_str);
        let variables = ["runtime.waitReasonStrings"];
        let ([poll_desc, g, stack, gobuf, module], [reasons]) =
            find(&image, structures, variables)?;
        let is_small = |it: &&Structure| it.size <= LARGEST_STRUCTURE;
        if ![&poll_desc, &g, &module].iter().all(is_small) {
            return None;
        }
        Some(Self {
            poll_desc: PollDesc::of(&poll_desc)?,
            g: G::of(&g, &stack, &gobuf)?,
            module: Module::of(&module)?,
            wait_reasons: Cow::Owned(wait_reasons(&image, reasons)?),
        })
    }
}

impl PollDesc {
    fn of(it: &Structure) -> Option<Self> {
        Some(Self {
            size: it.size,
            fd: it.offset("fd")?,
            fdseq: it.offset("fdseq"),
            atomic_info: it.offset("atomicInfo")?,
            rg: it.offset("rg")?,
            wg: it.offset("wg")?,
            closing: it.offset("closing")?,
            rd: it.offset("rd")?,
            wd: it.offset("wd")?,
        })
    }
}

impl G {
    fn of(it: &Structure, stack: &Structure, gobuf: &Structure) -> Option<Self> {
        let within = |member: &str, inner: &Structure, name: &str| {
            let offset = it.offset(member)?.checked_add(inner.offset(name)?)?;
            (offset < it.size).then_some(offset)
        };
        Some(Self {
            size: it.size,
            stack_lo: within("stack", stack, "lo")?,
            stack_hi: within("stack", stack, "hi")?,
            sched_sp: within("sched", gobuf, "sp")?,
            sched_pc: within("sched", gobuf, "pc")?,
            atomicstatus: it.offset("atomicstatus")?,
            goid: it.offset("goid")?,
            waitreason: it.offset("waitreason")?,
            gopc: it.offset("gopc")?,
            tracking_seq: it.offset("trackingSeq")?,
        })
    }
}

impl Module {
    fn of(it: &Structure) -> Option<Self> {
        Some(Self {
            size: it.size,
            minpc: it.offset("minpc")?,
            maxpc: it.offset("maxpc")?,
            text: it.offset("text")?,
            etext: it.offset("etext")?,
            gofunc: it.offset("gofunc")?,
        })
    }
}

/// Reads the array of what goroutines wait for.
fn wait_reasons(memory: &impl Memory, array: Variable) -> Option<Vec<Cow<'static, str>>> {
    if array.size == 0 || !array.size.is_multiple_of(STRING) || array.size / STRING > MOST_REASONS {
        return None;
    }
    let array = memory.bytes(array.address, array.size)?;
    let strings = array.chunks_exact(STRING);
    let strings = strings.map(|string| {
        let (address, length) = (word(string, 0)?, word(string, 8)?);
        let bytes = match length {
            0 => Vec::new(),
            1..=LONGEST_REASON => memory.bytes(address, usize::try_from(length).ok()?)?,
            _ => return None,
        };
        String::from_utf8(bytes).ok().map(Cow::Owned)
    });
    strings.collect()
}

#[cfg(test)]
mod tests;
