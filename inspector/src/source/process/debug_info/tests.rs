use std::os::unix::fs::FileExt;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::built::{Built, PROGBITS, Structure as Written, dwarf};
use super::*;

const STRUCTURES: &[Written] = &[
    ("main.pair", 16, &[("first", 0), ("second", 8)]),
    ("main.large", 300, &[("last", 299), ("beyond", 300)]),
    ("main.pair", 999, &[("of another unit", 1)]),
];
const COMPRESSED: u64 = 0x800;

fn image(bytes: &[u8]) -> Image {
    let file = tempfile::tempfile().expect("a file");
    file.write_all_at(bytes, 0).expect("write");
    Image::open(file, 4 << 20).expect("an executable")
}

fn executable(abbreviations: &[u8], info: &[u8], flags: u64) -> Vec<u8> {
    Built::new()
        .constants(b"a constant")
        .variables(".data", b"a variable")
        .with(".debug_abbrev", PROGBITS, flags, abbreviations)
        .with(".debug_info", PROGBITS, flags, info)
        .done(true)
}

/// What a linker writes before a section that it has compressed.
fn header(kind: u32, size: usize) -> Vec<u8> {
    let mut header = kind.to_le_bytes().to_vec();
    header.extend([0; 4]);
    header.extend((size as u64).to_le_bytes());
    header.extend(1_u64.to_le_bytes());
    header
}

/// Zlib's format, with all bytes as they are.
fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut all = header(1, bytes.len());
    let length = bytes.len() as u16;
    all.extend([0x78, 0x01, 0x01]);
    all.extend(length.to_le_bytes());
    all.extend((!length).to_le_bytes());
    all.extend(bytes);
    let sums = bytes.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65521;
        (low, (high + low) % 65521)
    });
    all.extend((sums.1 << 16 | sums.0).to_be_bytes());
    all
}

/// Zstandard's, with all bytes as they are.
fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut all = header(2, bytes.len());
    let size = u8::try_from(bytes.len()).expect("a short section");
    all.extend(0xfd2f_b528_u32.to_le_bytes());
    all.extend([0x20, size]);
    all.extend(&(u32::from(size) << 3 | 1).to_le_bytes()[..3]);
    all.extend(bytes);
    all
}

type Pair = ([Structure; 1], [Variable; 1]);

fn pair(image: &Image) -> Option<Pair> {
    find(image, ["main.pair"], ["main.array"])
}

#[test]
fn structures_and_variables_are_found_by_name_however_the_file_has_them() {
    for version in [4, 5] {
        let (abbreviations, info) = dwarf(version, STRUCTURES, &[("main.array", 0x1234, 48)]);
        let plain = executable(&abbreviations, &info, 0);
        let zlib = executable(&zlib(&abbreviations), &zlib(&info), COMPRESSED);
        let zstd = executable(&zstd(&abbreviations), &zstd(&info), COMPRESSED);
        for bytes in [plain, zlib, zstd] {
            let ([pair], [array]) = pair(&image(&bytes)).expect("both");
            assert_eq!(pair.size, 16);
            assert_eq!(pair.offset("second"), Some(8));
            assert_eq!(pair.offset("third"), None);
            let (address, size) = (0x1234, 48);
            assert_eq!(array, Variable { address, size });
            let both = ["main.large", "main.pair"];
            let ([large, _], []) = find(&image(&bytes), both, []).expect("both");
            assert_eq!(large.offset("last"), Some(299));
            assert_eq!(large.offset("beyond"), None, "it is not within");
            assert!(find(&image(&bytes), ["main.pair", "main.other"], []).is_none());
            assert!(find(&image(&bytes), [], ["main.pair"]).is_none());
        }
    }
}

#[test]
fn a_section_that_says_it_is_larger_than_the_limit_is_not_read() {
    let (abbreviations, info) = dwarf(5, STRUCTURES, &[("main.array", 0, 8)]);
    let (abbreviations, mut info) = (zlib(&abbreviations), zlib(&info));
    for size in [LARGEST_SECTION as u64 + 1, u64::MAX] {
        info[8..16].copy_from_slice(&size.to_le_bytes());
        let bytes = executable(&abbreviations, &info, COMPRESSED);
        assert!(pair(&image(&bytes)).is_none());
    }
    let image = image(&executable(&abbreviations, &info, COMPRESSED));
    assert!(image.debug_section(".debug_abbrev", 8).is_none());
    assert!(image.debug_section(".debug_abbrev", 1 << 20).is_some());
    assert!(
        image.debug_section(".rodata", 1 << 20).is_none(),
        "of the program"
    );
}

#[test]
fn structures_that_are_too_large_and_names_that_are_too_long_are_not_taken() {
    let long: &'static str = "x".repeat(LONGEST_NAME + 1).leak();
    let (abbreviations, info) = dwarf(
        5,
        &[
            (long, 8, &[("a", 0)]),
            ("huge", LARGEST_SIZE + 1, &[("a", 0)]),
        ],
        &[("main.huge", 0, LARGEST_SIZE + 1)],
    );
    let bytes = executable(&abbreviations, &info, 0);
    assert!(find(&image(&bytes), [long], []).is_none());
    assert!(find(&image(&bytes), ["huge"], []).is_none());
    assert!(find(&image(&bytes), [], ["main.huge"]).is_none());
}

/// Attributes of some forms take no room: so a file of a few bytes could say that it has many.
#[test]
fn what_takes_no_room_is_counted_too() {
    let mut abbreviations = vec![1, 0x11, 1, 0, 0, 2, 0x34, 0];
    for _ in 0..1000 {
        abbreviations.extend([0x3f, 0x19]);
    }
    abbreviations.extend([0, 0, 0]);
    let (of_others, mut info) = dwarf(5, &[], &[("main.array", 0, 8)]);
    let others = abbreviations.len() as u32;
    abbreviations.extend(of_others);
    // The first unit has nothing: now it has a hundred variables without any byte.
    info.splice(13..14, [2; 100].into_iter().chain([0]));
    info[0] += 100;
    info[13 + 101 + 8..][..4].copy_from_slice(&others.to_le_bytes());
    let kind = info.len() - 5;
    info[kind..][..4].copy_from_slice(&(13 + 101 + 13_u32).to_le_bytes());
    let image = image(&executable(&abbreviations, &info, 0));
    assert!(find_within(&image, [], ["main.array"], 100_000).is_none());
    assert!(find_within(&image, [], ["main.array"], 200_000).is_some());
}

proptest! {
    /// Whatever is in a file, reading it ends, and does not panic.
    #[test]
    fn damaged_debug_information_is_read_as_far_as_it_goes(
        version in prop::sample::select(vec![2_u16, 4, 5]),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..8),
        of_info in any::<bool>(),
    ) {
        let (mut abbreviations, mut info) = dwarf(version, STRUCTURES, &[("main.array", 8, 8)]);
        for (at, byte) in changes {
            let bytes = if of_info { &mut info } else { &mut abbreviations };
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = pair(&image(&executable(&abbreviations, &info, 0)));
    }
}
