use std::io::Write;

use super::super::made::{TABLES, sample};
use super::*;
use crate::source::process::memory::fake::Fake;

const ADDRESS: u64 = 0x40_0000;

/// An executable without sections, whose one segment holds all of it.
fn image(parts: &[&[u8]], address: u64) -> Image {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(64 + 56, 0);
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(20, &1_u32.to_le_bytes());
    // Where the table of segments is, the size of an entry, and their number.
    put(32, &64_u64.to_le_bytes());
    put(54, &56_u16.to_le_bytes());
    put(56, &1_u16.to_le_bytes());
    let size = 120 + parts.iter().map(|part| part.len()).sum::<usize>() as u64;
    // It is loaded, read, and at this address.
    put(64, &1_u32.to_le_bytes());
    put(68, &4_u32.to_le_bytes());
    put(80, &address.to_le_bytes());
    put(96, &size.to_le_bytes());
    put(104, &size.to_le_bytes());
    bytes.extend(parts.concat());
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&bytes).expect("write");
    Image::open(file, 64 << 20).expect("an executable")
}

#[test]
fn tables_are_found_where_no_section_says_where_they_are() {
    let one = sample(Format::Go1_18, 4).tables;
    let other = sample(Format::Go1_20, 1).tables;
    assert_eq!(find(&image(&[&one], ADDRESS)), [ADDRESS + 120]);
    // Around the border of two windows.
    for before in ((1 << 20) - 1800..(1 << 20) + 800).step_by(104) {
        let image = image(&[&vec![0; before], &one], ADDRESS);
        assert_eq!(find(&image), [ADDRESS + 120 + before as u64]);
    }
    // One program carries another.
    let space = vec![0; 8000 - one.len()];
    let both = find(&image(&[&one, &space, &other], ADDRESS));
    assert_eq!(both, [ADDRESS + 120, ADDRESS + 8120]);
}

#[test]
fn what_only_begins_as_tables_do_is_none() {
    let tables = sample(Format::Go1_20, 1).tables;
    assert_eq!(find(&image(&[&tables], ADDRESS + 1)), [0; 0]);
    assert_eq!(find(&image(&[&tables[..HEADER]], ADDRESS)), [0; 0]);
    assert_eq!(find(&image(&[], ADDRESS)), [0; 0]);
    // So many places are tried, and no more.
    let fakes = |count: usize| tables[..HEADER].repeat(count);
    let of = |count: usize| find(&image(&[&fakes(count), &tables], ADDRESS)).len();
    assert_eq!((of(MOST_TRIED - 1), of(MOST_TRIED)), (1, 0));
    let many = find(&image(&[&tables.repeat(3 * MOST_PLACES)], ADDRESS));
    assert!(many.len() <= MOST_PLACES);
    // The end of what can be addressed.
    assert!(find(&image(&[&tables], u64::MAX - 127)).is_empty());
}

#[test]
fn a_header_says_what_it_must() {
    for format in [Format::Go1_18, Format::Go1_20] {
        let tables = sample(format, 1).tables;
        let read = |bytes: &[u8]| {
            let mut memory = Fake::default();
            memory.put(TABLES, bytes);
            Tables::read(&memory, TABLES)
        };
        assert_eq!(read(&tables).map(|it| it.format), Some(format));
        let changed = |at: usize, to: &[u8]| {
            let mut tables = tables.clone();
            tables[at..at + to.len()].copy_from_slice(to);
            read(&tables)
        };
        for (at, byte) in [(0, 0xfb), (3, 0xfe), (4, 1), (5, 1), (6, 2), (7, 4)] {
            assert_eq!(changed(at, &[byte]), None, "{at}");
        }
        for count in [0, 1 << 29, u64::MAX, 200] {
            assert_eq!(changed(8, &count.to_le_bytes()), None, "{count}");
        }
        for field in (32..72).step_by(8) {
            for offset in [0, HEADER as u64 - 1, 1 << 32, u64::MAX, 1 << 20] {
                let at = changed(field, &offset.to_le_bytes());
                assert_eq!(at, None, "{field} {offset:#x}");
            }
        }
        for size in 0..HEADER {
            assert_eq!(read(&tables[..size]), None);
        }
    }
}
