use std::os::unix::fs::FileExt;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::built::{ALLOC, Built, HEADER, PROGBITS, put};
use super::*;

/// Enough for any of these executables.
const BUDGET: u64 = 4 << 20;

fn of_bytes(bytes: &[u8]) -> Runtime {
    let file = tempfile::tempfile().expect("a file");
    file.write_all_at(bytes, 0).expect("write");
    of_file(file, BUDGET)
}

fn told(built: Built) -> String {
    of_bytes(&built.done(true)).to_string()
}

/// What Go's linker writes.
fn go_header(pointer: u8, flags: u8) -> Vec<u8> {
    let mut header = GO_MAGIC.to_vec();
    header.extend([pointer, flags]);
    header.resize(GO_HEADER, 0);
    header
}

fn go_inlined(text: &str) -> Built {
    let mut section = go_header(8, GO_INLINE);
    let size = text.len();
    match u8::try_from(size).ok().filter(|size| *size < 0x80) {
        Some(size) => section.push(size),
        None => section.extend([size as u8 | 0x80, (size >> 7) as u8]),
    }
    section.extend_from_slice(text.as_bytes());
    section.extend_from_slice(b"\x03mod");
    Built::new()
        .constants(b"constants")
        .variables(GO_SECTION, &section)
}

/// As Go up to 1.17 has it: the header, a string header, and the text among the constants.
fn go_pointed(text: &str) -> Built {
    let built = Built::new();
    let address_of_text = built.address();
    let built = built.constants(text.as_bytes());
    let address = built.address();
    let mut section = go_header(8, 0);
    put(
        &mut section,
        16,
        &(address + GO_HEADER as u64).to_le_bytes(),
    );
    section.extend(address_of_text.to_le_bytes());
    section.extend((text.len() as u64).to_le_bytes());
    built.variables(GO_SECTION, &section)
}

/// Paths as panics of such versions name them. They are put together here, so that the
/// executable of this test has none.
fn tokios(versions: &[&str]) -> Vec<u8> {
    let path =
        |version: &&str| format!("/home/me/.cargo/{TOKIO}{version}/src/runtime/task/core.rs\0");
    versions.iter().map(path).collect::<String>().into_bytes()
}

fn nginx(version: &str) -> Vec<u8> {
    [NGINX, version.as_bytes()].concat()
}

#[test]
fn this_process_is_of_tokio_in_the_version_of_the_lock_file() {
    let manifest = env!("CARGO_MANIFEST_DIR");
    let lock = std::fs::read_to_string(format!("{manifest}/../Cargo.lock")).expect("Cargo.lock");
    let (_, rest) = lock
        .split_once("name = \"tokio\"\nversion = \"")
        .expect("tokio");
    let (version, _) = rest.split_once('"').expect("its version");
    let runtime = of(std::process::id());
    assert_eq!((runtime.name, &*runtime.version), ("tokio", version));
    assert_eq!(runtime.to_string(), format!("tokio {version}"));
}

#[test]
fn a_process_that_is_not_there_is_unknown() {
    assert_eq!(of(u32::MAX), Runtime::default());
    assert_eq!(Runtime::default().to_string(), "unknown");
}

#[test]
fn go_says_its_version_inline() {
    assert_eq!(told(go_inlined("go1.27.3")), "Go 1.27.3");
    assert_eq!(told(go_inlined("go1.20")), "Go 1.20");
    assert_eq!(told(go_inlined("go1.27.3 X:greenteagc")), "Go 1.27.3");
    assert_eq!(
        told(go_inlined("devel go1.28-abcdef Mon")),
        "Go 1.28-abcdef"
    );
    let long = format!("go1.27.3 X:{}", "a".repeat(200));
    assert_eq!(told(go_inlined(&long)), "Go 1.27.3");
}

#[test]
fn go_says_its_version_behind_a_pointer() {
    assert_eq!(told(go_pointed("go1.17.13")), "Go 1.17.13");
}

#[test]
fn go_is_go_without_a_version_that_can_be_shown() {
    let longest = format!("go1.{}", "9".repeat(LONGEST_VERSION - 2));
    assert_eq!(
        told(go_inlined(&longest)).len(),
        "Go ".len() + LONGEST_VERSION
    );
    let long = format!("{longest}9");
    let too_long = format!("go1.27.3 X:{}", "a".repeat(LONGEST_GO as usize));
    for text in ["", "go", "go1.\x1b[2J", "gogo", "1.27", &long, &too_long] {
        assert_eq!(told(go_inlined(text)), "Go", "{text:?}");
        assert_eq!(told(go_pointed(text)), "Go", "{text:?}");
    }
    for (pointer, flags) in [(4, 0), (8, GO_BIG_ENDIAN), (8, GO_INLINE | GO_BIG_ENDIAN)] {
        let built = Built::new().variables(GO_SECTION, &go_header(pointer, flags));
        assert_eq!(told(built), "Go");
    }
    let old = Built::new()
        .constants(b"")
        .with(GO_FUNCTIONS, PROGBITS, ALLOC, b"table");
    assert_eq!(told(old), "Go");
}

#[test]
fn go_is_found_without_sections_where_it_would_be() {
    let of = |built: Built| of_bytes(&built.done(false)).to_string();
    assert_eq!(of(go_inlined("go1.27.3")), "Go 1.27.3");
    assert_eq!(of(go_pointed("go1.17.13")), "Go 1.17.13");
    // Neither half of it, nor in the middle of something else.
    assert_eq!(of(go_inlined("nonsense")), "unknown");
    let shifted = [b"12345678", &*go_header(8, GO_INLINE), b"\x08go1.27.3"].concat();
    assert_eq!(of(Built::new().variables(".data", &shifted)), "unknown");
    assert_eq!(of(Built::new().constants(&shifted[8..])), "unknown");
}

#[test]
fn tokio_is_known_by_the_paths_of_its_panics() {
    let of = |text: &[u8]| told(Built::new().constants(text));
    assert_eq!(of(&tokios(&["-1.54.1"])), "tokio 1.54.1");
    assert_eq!(of(&tokios(&["-0.3.0-alpha.1"])), "tokio 0.3.0-alpha.1");
    assert_eq!(of(&tokios(&[""])), "tokio");
    for other in [
        "-util-0.7.1",
        "-stream-0.1.2",
        "-1.54",
        "-1.54.1.2",
        "x",
        "-",
    ] {
        assert_eq!(of(&tokios(&[other])), "unknown", "{other}");
    }
    let end = "-1.54.1/src/runtime/mod.rs";
    for (before, is_it) in [
        ("", true),
        ("an end.", true),
        ("external/crates__", true),
        ("failed", false),
        ("async-", false),
        ("/old_", false),
    ] {
        let text = format!("{before}{TOKIO}{end}");
        let expected = if is_it { "tokio 1.54.1" } else { "unknown" };
        assert_eq!(of(text.as_bytes()), expected, "{before}");
    }
    for after in [
        "",
        "/src/sync/notify.rs",
        "/src/runtime/",
        "/src/runtime/ .rs",
    ] {
        let text = format!("/{TOKIO}-1.54.1{after}");
        assert_eq!(of(text.as_bytes()), "unknown", "{after}");
    }
    let written = tokios(&["-1.54.1"]);
    assert_eq!(told(Built::new().variables(".data", &written)), "unknown");
}

#[test]
fn of_several_tokios_the_one_with_most_paths_is_told_and_then_the_higher() {
    let of = |versions: &[&str]| told(Built::new().constants(&tokios(versions)));
    assert_eq!(of(&["-0.2.25", "-1.9.0", "-0.2.25"]), "tokio 0.2.25");
    assert_eq!(of(&["-1.9.0", "-1.10.0", "-0.2.25"]), "tokio 1.10.0");
    assert_eq!(of(&["", "-1.9.0", ""]), "tokio");
    assert_eq!(of(&["", "-1.9.0"]), "tokio 1.9.0");
}

#[test]
fn nginx_is_known_by_the_text_of_its_version() {
    let of = |text: &[u8]| told(Built::new().constants(text));
    for end in ["\n", " (Debian)\n", "\0"] {
        assert_eq!(of(&nginx(&format!("1.22.1{end}"))), "nginx 1.22.1");
    }
    let long = format!("1.22.1-{}\n", "a".repeat(LONGEST_VERSION));
    for other in ["1.22.1", "1.22.1x\n", "1.22\n", "1.22.1;\n", &long] {
        assert_eq!(of(&nginx(other)), "unknown", "{other:?}");
    }
    assert_eq!(of(b"Server: nginx/1.22.1\r\n\0"), "unknown");
}

#[test]
fn libuv_is_known_by_its_symbol_and_a_second_sign() {
    let linked = |names: &[u8]| told(Built::new().constants(b"").names(names));
    assert_eq!(linked(b"\0libuv.so.1\0libc.so.6\0uv_run\0"), "libuv");
    let within = |text: &[u8]| told(Built::new().constants(text).names(b"\0read\0uv_run\0"));
    assert_eq!(within(UV_HANDLE), "libuv");
    // As Bun has it.
    assert_eq!(within(b"unsupported uv function: uv_run"), "unknown");
    assert_eq!(linked(b"\0libuv.so.1\0my_uv_run\0uv_run_all\0"), "unknown");
    assert_eq!(told(Built::new().constants(UV_HANDLE)), "unknown");
}

#[test]
fn the_first_of_several_is_told() {
    let all = [&*tokios(&["-1.54.1"]), &nginx("1.22.1\n"), UV_HANDLE].concat();
    let uv = b"\0uv_run\0";
    let built = go_inlined("go1.27.3").names(uv).constants(&all);
    assert_eq!(told(built), "Go 1.27.3");
    assert_eq!(told(Built::new().names(uv).constants(&all)), "tokio 1.54.1");
    let without = &all[tokios(&["-1.54.1"]).len()..];
    assert_eq!(
        told(Built::new().names(uv).constants(without)),
        "nginx 1.22.1"
    );
    assert_eq!(told(Built::new().names(uv).constants(UV_HANDLE)), "libuv");
}

#[test]
fn what_lies_across_two_windows_is_found_once() {
    let text = [&*tokios(&["-1.54.1"]), &*tokios(&["-1.53.0", "-1.53.0"])].concat();
    // All of it before the first border, around it in many ways, and behind.
    for start in ((1 << 20) - 1200..(1 << 20) + 100).step_by(61) {
        let mut constants = vec![b' '; start];
        constants.extend_from_slice(&text);
        constants.resize((2 << 20) + 5, b' ');
        let bytes = Built::new().constants(&constants).done(true);
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(&bytes, 0).expect("write");
        let image = Image::open(file, BUDGET).expect("an executable");
        let mut found = Constants::of(&image).tokios;
        found.sort();
        let expected = [("1.53.0".to_owned(), 2), ("1.54.1".to_owned(), 1)];
        assert_eq!(found, expected, "{start}");
    }
}

#[test]
fn no_more_is_read_than_may_be() {
    let mut constants = vec![b' '; 2 << 20];
    constants.extend_from_slice(&tokios(&["-1.54.1"]));
    let bytes = Built::new().constants(&constants).done(true);
    let of = |budget: u64| {
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(&bytes, 0).expect("write");
        of_file(file, budget).to_string()
    };
    assert_eq!(of(3 << 20), "tokio 1.54.1");
    for budget in [2 << 20, 1 << 20, HEADER as u64 + 2 * 56, HEADER as u64, 0] {
        assert_eq!(of(budget), "unknown", "{budget}");
    }
}

#[test]
fn a_part_that_is_longer_than_the_file_ends_with_it() {
    let mut bytes = Built::new().constants(&tokios(&["-1.54.1"])).done(true);
    let headers = u64::from_le_bytes(*bytes[40..].first_chunk().expect("an offset"));
    let size_of_section = usize::try_from(headers).expect("a place") + 64 + 32;
    put(&mut bytes, size_of_section, &u64::MAX.to_le_bytes());
    assert_eq!(of_bytes(&bytes).to_string(), "tokio 1.54.1");
}

#[test]
fn what_is_no_executable_of_64_bits_is_unknown() {
    assert_eq!(of_bytes(b""), Runtime::default());
    assert_eq!(of_bytes(b"#!/bin/sh\n"), Runtime::default());
    let bytes = go_inlined("go1.27.3").done(true);
    for (at, other) in [(0, 0), (4, 1), (5, 2), (6, 9)] {
        let mut bytes = bytes.clone();
        bytes[at] = other;
        assert_eq!(of_bytes(&bytes), Runtime::default(), "{at}");
    }
}

fn samples() -> Vec<Vec<u8>> {
    let constants = [&*tokios(&["-1.54.1", "-0.2.25", ""]), &nginx("1.22.1\n")].concat();
    let built = || {
        [
            go_inlined("go1.27.3"),
            go_pointed("go1.17.13"),
            Built::new().names(b"\0uv_run\0").constants(&constants),
            Built::new().constants(UV_HANDLE).names(b"\0uv_run\0"),
        ]
    };
    let with = built().map(|built| built.done(true));
    let without = built().map(|built| built.done(false));
    with.into_iter().chain(without).collect()
}

/// Whatever it is, its version can be shown.
fn assert_plain(runtime: &Runtime) {
    let names = ["", "go", "tokio", "nginx", "libuv"];
    assert!(names.contains(&runtime.name));
    assert!(runtime.version.is_empty() || version(runtime.version.as_bytes()).is_some());
    assert!(!runtime.name.is_empty() || runtime.version.is_empty());
}

#[test]
fn an_executable_that_ends_too_early_does_no_harm() {
    for bytes in samples() {
        for end in 0..bytes.len() {
            assert_plain(&of_bytes(&bytes[..end]));
        }
    }
}

/// The numbers of the tables are what a reader goes by.
#[test]
fn a_table_that_lies_does_no_harm() {
    for bytes in samples() {
        let tables = (0..HEADER + 2 * 56).chain(bytes.len().saturating_sub(512)..bytes.len());
        for at in tables {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] = byte;
                assert_plain(&of_bytes(&bytes));
            }
        }
    }
}

proptest! {
    #[test]
    fn any_executable_does_no_harm(
        sample in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), any::<[u8; 8]>(), 1..=8_usize), 1..12),
    ) {
        let samples = samples();
        let mut bytes = sample.get(&samples).clone();
        for (at, change, size) in changes {
            let at = at.index(bytes.len());
            let size = size.min(bytes.len() - at);
            put(&mut bytes, at, &change[..size]);
        }
        assert_plain(&of_bytes(&bytes));
    }
}
