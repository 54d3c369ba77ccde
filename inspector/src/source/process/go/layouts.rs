//! Generated from the debug information of programs that real releases of Go have built.

use super::layout::Layout;

pub(super) const LAYOUTS: &[((u32, u32), Layout)] = &[];
