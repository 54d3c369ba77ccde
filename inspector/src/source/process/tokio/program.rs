//! What the executable tells of its functions and futures, at the addresses where it runs.

use std::cell::RefCell;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use super::code;
use crate::source::process::image::{Image, LARGEST_READ};
use crate::source::process::kept::Stack;
use crate::source::process::memory::Memory;
use crate::source::process::rust::{self, Future, Place, Program};
use crate::source::process::separate;

/// The code of an executable.
pub(super) struct Code {
    program: RefCell<Program>,
    /// How far it was moved.
    bias: u64,
    /// Where its code is, before that.
    ranges: Vec<Range<u64>>,
}

impl Code {
    /// Of the executable of a process; `None` if it is none that can be read.
    pub(super) fn open(pid: u32, file: File, bias: impl FnOnce(&Image) -> u64) -> Option<Self> {
        let image = Image::open(file, LARGEST_READ)?;
        Some(Self {
            ranges: image.code_in_memory(),
            bias: bias(&image),
            program: RefCell::new(Program::open(separate::find(pid, &image).unwrap_or(image))),
        })
    }

    /// Gives up what is only needed to learn more: after each look.
    pub(super) fn rest(&self) {
        self.program.borrow_mut().rest();
    }

    fn of_file(&self, address: u64) -> u64 {
        address.wrapping_sub(self.bias)
    }
}

impl code::Code for Code {
    type Future = Future;

    fn has(&self, address: u64) -> bool {
        let at = self.of_file(address);
        self.ranges.iter().any(|range| range.contains(&at))
    }

    fn name(&self, address: u64) -> Option<String> {
        let address = self.of_file(address);
        self.program.borrow_mut().function(address)
    }

    fn future(&self, poll: u64) -> Option<Arc<Future>> {
        let poll = self.of_file(poll);
        self.program.borrow_mut().task(poll).map(Arc::new)
    }

    fn type_of(future: &Future) -> &str {
        &future.name
    }

    fn written(future: &Future) -> Option<&str> {
        let location = future.location.as_deref()?;
        rust::is_own(location).then_some(location)
    }

    fn layout(future: &Future) -> Option<(u64, u64)> {
        future.size.zip(future.alignment)
    }

    fn awaits(
        &self,
        memory: &impl Memory,
        future: &Future,
        address: u64,
        place: Option<Place>,
    ) -> Stack {
        let mut program = self.program.borrow_mut();
        let stack = program.awaits(memory, self.bias, future, address, place);
        stack.unwrap_or_default()
    }

    fn blocked(
        &self,
        memory: &impl Memory,
        place: Place,
        stacks: &[u64],
    ) -> Option<(Arc<Future>, Stack)> {
        let mut program = self.program.borrow_mut();
        let (future, stack) = program.blocked(memory, self.bias, place, stacks)?;
        Some((Arc::new(future), stack))
    }
}
