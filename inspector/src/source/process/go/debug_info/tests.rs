use std::os::unix::fs::FileExt;

use super::super::super::built::{ADDRESS, Built, PROGBITS, Structure as Written, dwarf};
use super::*;

const POLL_DESC: Written = (
    "runtime.pollDesc",
    240,
    &[
        ("link", 0),
        ("fd", 8),
        ("atomicInfo", 16),
        ("rg", 24),
        ("wg", 32),
        ("closing", 48),
        ("rd", 136),
        ("wd", 224),
    ],
);
const STRUCTURES: &[Written] = &[
    POLL_DESC,
    (
        "runtime.g",
        400,
        &[
            ("stack", 0),
            ("sched", 56),
            ("atomicstatus", 144),
            ("goid", 152),
            ("waitreason", 176),
            ("gopc", 184),
            ("trackingSeq", 186),
        ],
    ),
    ("runtime.stack", 16, &[("lo", 0), ("hi", 8)]),
    ("runtime.gobuf", 56, &[("sp", 0), ("pc", 8)]),
    (
        "runtime.moduledata",
        560,
        &[
            ("minpc", 160),
            ("maxpc", 168),
            ("text", 176),
            ("etext", 184),
            ("gofunc", 304),
        ],
    ),
];

fn of_bytes(bytes: &[u8]) -> Option<Layout> {
    let file = tempfile::tempfile().expect("a file");
    file.write_all_at(bytes, 0).expect("write");
    Layout::of_debug_info(file)
}

/// A program whose reasons to wait have these texts, the array of which says it has so many bytes.
fn program(structures: &[Written], reasons: &[&str], size: u64) -> Vec<u8> {
    let built = Built::new();
    let texts = built.address();
    let built = built.constants(reasons.concat().as_bytes());
    let mut array = Vec::new();
    let mut at = texts;
    for reason in reasons {
        array.extend(at.to_le_bytes());
        array.extend((reason.len() as u64).to_le_bytes());
        at += reason.len() as u64;
    }
    let address = built.address();
    assert!(address > ADDRESS);
    let variables = [("runtime.waitReasonStrings", address, size)];
    let (abbreviations, info) = dwarf(5, structures, &variables);
    built
        .variables(".data", &array)
        .with(".debug_abbrev", PROGBITS, 0, &abbreviations)
        .with(".debug_info", PROGBITS, 0, &info)
        .done(true)
}

#[test]
fn a_program_tells_where_its_runtime_keeps_what_is_read() {
    let bytes = program(STRUCTURES, &["", "GC assist marking", "IO wait"], 48);
    let layout = of_bytes(&bytes).expect("all is there");
    assert_eq!(layout.poll_desc.fdseq, None);
    assert_eq!(layout.poll_desc.wd, 224);
    assert_eq!((layout.g.stack_hi, layout.g.sched_pc), (8, 64));
    assert_eq!(layout.module.gofunc, 304);
    assert_eq!(*layout.wait_reasons, ["", "GC assist marking", "IO wait"]);
}

#[test]
fn without_one_of_the_structures_or_one_of_the_members_nothing_is_known() {
    for absent in 0..STRUCTURES.len() {
        let mut structures = STRUCTURES.to_vec();
        structures.remove(absent);
        assert_eq!(of_bytes(&program(&structures, &["a"], 16)), None);
        let (name, size, members) = STRUCTURES[absent];
        structures.insert(absent, (name, size, &members[1..]));
        let is_read = members[0].0 != "link";
        let layout = of_bytes(&program(&structures, &["a"], 16));
        assert_eq!(layout.is_none(), is_read, "{name}");
        structures[absent] = (name, 5000, members);
        let layout = of_bytes(&program(&structures, &["a"], 16));
        let is_read_alone = !["runtime.stack", "runtime.gobuf"].contains(&name);
        assert_eq!(layout.is_none(), is_read_alone, "{name} is too large");
    }
}

#[test]
fn texts_that_are_too_long_too_many_or_not_there_are_not_read() {
    let long = "x".repeat(256);
    assert!(of_bytes(&program(STRUCTURES, &[&long], 16)).is_some());
    let longer = "x".repeat(257);
    assert_eq!(of_bytes(&program(STRUCTURES, &[&longer], 16)), None);
    let most = ["x"; 256];
    assert!(of_bytes(&program(STRUCTURES, &most, 256 * 16)).is_some());
    let more = ["x"; 257];
    assert_eq!(of_bytes(&program(STRUCTURES, &more, 257 * 16)), None);
    for size in [0, 15, 1 << 40] {
        assert_eq!(of_bytes(&program(STRUCTURES, &["a"], size)), None, "{size}");
    }
    assert_eq!(
        of_bytes(&program(STRUCTURES, &["a"], 4096)),
        None,
        "no such place"
    );
}
