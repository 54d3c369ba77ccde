//! The memory of a process that is looked at from outside: `netpoller_inspector::fuzz::read_lies`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| netpoller_inspector::fuzz::read_lies(bytes));
