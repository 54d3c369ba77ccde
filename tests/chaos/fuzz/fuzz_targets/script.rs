//! Operations on streams, against a model, and the laws at the end: `netpoller_tests::op_script`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| netpoller_tests::op_script::run(bytes));
