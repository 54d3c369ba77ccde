//! A memory in which anything may be, read as that of a program of tokio.

use super::made::Code;
use super::reader::Reader;
use crate::source::process::memory::Memory;

pub(in super::super) use super::made::CODE;

/// Reads all that this memory tells of these registrations.
pub(in super::super) fn read_whole(memory: &impl Memory, rows: &[(u64, i32)]) {
    for has_names in [false, true] {
        let reader = Reader::new(memory, Code { has_names });
        for (data, _) in rows {
            let _ = reader.row(*data);
        }
        let _ = reader.tasks();
    }
}
