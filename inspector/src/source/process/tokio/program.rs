//! What the executable tells of its functions and futures, at the addresses where it runs.

use std::ops::Range;
use std::sync::Arc;

use crate::source::process::image::Image;
use crate::source::process::kept::Stack;
use crate::source::process::memory::Memory;

/// The code of an executable.
pub(super) struct Code {
    image: Image,
    /// How far it was moved.
    bias: u64,
    ranges: Vec<Range<u64>>,
}

impl Code {
    pub(super) fn new(image: Image, bias: u64) -> Self {
        Self {
            ranges: image.code_in_memory(),
            image,
            bias,
        }
    }

    /// Lets so many bytes of the executable be read from here on.
    pub(super) fn allow(&self, bytes: u64) {
        self.image.allow(bytes);
    }
}

impl super::code::Code for Code {
    type Future = ();

    fn has(&self, address: u64) -> bool {
        let at = address.wrapping_sub(self.bias);
        self.ranges.iter().any(|range| range.contains(&at))
    }

    fn name(&self, _address: u64) -> Option<String> {
        None
    }

    fn future(&self, _poll: u64) -> Option<Arc<()>> {
        None
    }

    fn type_of((): &()) -> &str {
        ""
    }

    fn written((): &()) -> Option<&str> {
        None
    }

    fn alignment((): &()) -> Option<u64> {
        None
    }

    fn awaits(&self, _memory: &impl Memory, (): &(), _address: u64) -> Stack {
        Stack::default()
    }
}
