use proptest::prelude::*;

use super::super::made::{GOFUNC, TABLES, TEXT, sample};
use super::super::tables::Format;
use super::*;
use crate::source::process::memory::fake::Fake;

const LAYOUT: layout::Module = layout::Module {
    size: 400,
    minpc: 160,
    maxpc: 168,
    text: 176,
    etext: 184,
    gofunc: 320,
};
const VARIABLES: u64 = 0x70_0000;
const BIAS: u64 = 0x5555_0000_0000;
const FOUND: Module = Module {
    minpc: TEXT + 0x10,
    maxpc: TEXT + 0x100,
    text: TEXT,
    etext: TEXT + 0x100,
    gofunc: GOFUNC,
};

/// What the program says of itself, where it runs.
fn module() -> Vec<u8> {
    let made = sample(Format::Go1_20, 1);
    let mut bytes = vec![0; LAYOUT.size];
    let mut put = |at: usize, value: u64| bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    put(0, TABLES + BIAS);
    for (table, at) in [8, 32, 56, 80, 104].into_iter().enumerate() {
        let offset = made.tables[32 + table * 8..].first_chunk();
        let offset = u64::from_le_bytes(*offset.expect("a field"));
        put(at, TABLES + BIAS + offset);
        if at == 104 {
            put(128, TABLES + BIAS + offset);
        }
    }
    put(136, 4);
    put(LAYOUT.minpc, FOUND.minpc + BIAS);
    put(LAYOUT.maxpc, FOUND.maxpc + BIAS);
    put(LAYOUT.text, FOUND.text + BIAS);
    put(LAYOUT.etext, FOUND.etext + BIAS);
    put(LAYOUT.gofunc, FOUND.gofunc + BIAS);
    bytes
}

fn found(variables: &[u8]) -> Option<Module> {
    let mut memory = Fake::default();
    memory.put(TABLES + BIAS, &sample(Format::Go1_20, 1).tables);
    memory.put(VARIABLES + BIAS, variables);
    let range = VARIABLES..VARIABLES + variables.len() as u64;
    // What cannot be read is passed over.
    let nowhere = 0x10_0000..0x20_0000;
    find(&memory, &[nowhere, range], TABLES, BIAS, &LAYOUT)
}

#[test]
fn it_is_found_among_variables_wherever_it_is() {
    for before in [0, 8, 4096, PIECE - 8, PIECE - 200, PIECE, 3 * PIECE] {
        let variables = [vec![0; before], module(), vec![1; 16]].concat();
        assert_eq!(found(&variables), Some(FOUND), "{before}");
    }
    let misplaced = [vec![0; 4], module(), vec![1; 16]].concat();
    assert_eq!(found(&misplaced), None);
    // As much is searched, and no more.
    let size = usize::try_from(LARGEST_SEARCH).expect("a size");
    let behind = [vec![0; size], module()].concat();
    assert_eq!(found(&behind), None);
}

#[test]
fn the_address_of_the_tables_alone_is_not_enough() {
    let mut alone = vec![0; 1024];
    alone[..8].copy_from_slice(&(TABLES + BIAS).to_le_bytes());
    assert_eq!(found(&alone), None);
    assert_eq!(found(&[alone.clone(), module()].concat()), Some(FOUND));
    assert_eq!(found(&module()[..LAYOUT.size - 8]), None);
    for at in [
        0,
        8,
        32,
        56,
        80,
        104,
        128,
        136,
        LAYOUT.minpc,
        LAYOUT.maxpc,
        LAYOUT.text,
    ] {
        let mut module = module();
        module[at] ^= 8;
        assert_eq!(found(&module), None, "{at}");
    }
    for at in [LAYOUT.etext, LAYOUT.gofunc] {
        let mut module = module();
        module[at..at + 8].fill(0);
        assert_eq!(found(&module), None, "{at}");
    }
}

#[test]
fn of_two_that_differ_none_is_told() {
    assert_eq!(found(&[module(), module()].concat()), Some(FOUND));
    let mut other = module();
    other[LAYOUT.gofunc] ^= 8;
    assert_eq!(found(&[module(), other].concat()), None);
}

proptest! {
    #[test]
    fn whatever_the_variables_hold_the_search_ends(
        variables in prop::collection::vec(any::<u64>(), 0..200),
        start in any::<u64>(),
        end in any::<u64>(),
        bias in any::<u64>(),
        fields in any::<[u16; 6]>(),
    ) {
        let [size, minpc, maxpc, text, etext, gofunc] = fields.map(usize::from);
        let layout = layout::Module { size, minpc, maxpc, text, etext, gofunc };
        let mut bytes: Vec<u8> = variables.iter().flat_map(|it| it.to_le_bytes()).collect();
        bytes.extend(module());
        let mut memory = Fake::default();
        memory.put(TABLES.wrapping_add(bias), &sample(Format::Go1_20, 1).tables);
        memory.put(VARIABLES.wrapping_add(bias), &bytes);
        let near = VARIABLES..VARIABLES + bytes.len() as u64;
        find(&memory, &[start..end, near], TABLES, bias, &layout);
    }
}
