use std::io::Write;

use super::super::made::{TABLES, sample};
use super::*;
use crate::source::process::built::{Built, HEADER as ELF_HEADER, put};
use crate::source::process::memory::fake::Fake;

fn image(bytes: &[u8]) -> Image {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("write");
    Image::open(file, 64 << 20).expect("an executable")
}

/// Finds what is in an executable without sections, by where it is among the constants.
fn found(constants: &[&[u8]]) -> Vec<u64> {
    let start = Built::new().address();
    let built = Built::new().constants(&constants.concat()).done(false);
    let found = find(&image(&built)).into_iter();
    found.map(|address| address - start).collect()
}

#[test]
fn tables_are_found_where_no_section_says_where_they_are() {
    let one = sample(Format::Go1_18, 4).tables;
    let other = sample(Format::Go1_20, 1).tables;
    assert_eq!(found(&[&one]), [0]);
    // Around the border of two windows.
    for before in ((1 << 20) - 1800..(1 << 20) + 800).step_by(104) {
        assert_eq!(found(&[&vec![0; before], &one]), [before as u64]);
    }
    // One program carries another.
    let space = vec![0; 8000 - one.len()];
    assert_eq!(found(&[&one, &space, &other]), [0, 8000]);
}

#[test]
fn a_linker_may_have_put_them_into_another_section() {
    let tables = sample(Format::Go1_18, 1).tables;
    let built = Built::new().constants(&[0; 32]);
    let start = built.address();
    let built = built.variables(".data.rel.ro", &tables).done(true);
    assert_eq!(find(&image(&built)), [start]);
}

#[test]
fn what_only_begins_as_tables_do_is_none() {
    let tables = sample(Format::Go1_20, 1).tables;
    assert_eq!(found(&[]), [0; 0]);
    assert_eq!(found(&[&[0], &tables]), [0; 0]);
    assert_eq!(found(&[&tables[..HEADER]]), [0; 0]);
    // So many places are tried, and no more.
    let of = |count: usize| found(&[&tables[..HEADER].repeat(count), &tables]).len();
    assert_eq!((of(MOST_TRIED - 1), of(MOST_TRIED)), (1, 0));
    let many = found(&[&tables.repeat(3 * MOST_PLACES)]);
    assert!(many.len() <= MOST_PLACES);
    // Behind the end of what can be addressed.
    let mut built = Built::new().constants(&tables).done(false);
    let address = u64::MAX - 127;
    put(&mut built, ELF_HEADER + 16, &address.to_le_bytes());
    assert_eq!(find(&image(&built)), [0; 0]);
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
