//! A memory in which anything may be, read as that of a program in Go.

use super::functions::Functions;
use super::layout::Layout;
use super::reader::Reader;
use crate::source::process::image::Image;
use crate::source::process::memory::Memory;

/// Reads all that this memory tells of these registrations, as that of several releases.
pub(in super::super) fn read_whole(memory: &impl Memory, rows: &[(u64, i32)]) {
    const VERSIONS: [&str; 3] = ["1.19.8", "1.24.11", "1.27.3"];
    let addresses: Vec<u64> = rows.iter().map(|(address, _)| *address).collect();
    let start = addresses.first().copied().unwrap_or_default();
    for layout in VERSIONS.iter().filter_map(|it| Layout::of(it)) {
        let variables = start..start.saturating_add(1 << 15);
        let none: Option<(Functions<Image>, u64)> = None;
        let mut reader = Reader::<_, Image>::new(memory, layout.clone(), none, vec![variables]);
        for (address, fd) in rows {
            // As the releases encode it.
            for data in [*address, address << 15 | 5, address >> 9 << 24 | 5] {
                let _ = reader.row(*fd, data);
            }
        }
        let _ = reader.tasks(&addresses);
    }
}
