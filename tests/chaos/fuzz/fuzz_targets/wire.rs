//! Bytes from the network, decoded and used: `netpoller_tests::wire`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| netpoller_tests::wire::run(bytes));
