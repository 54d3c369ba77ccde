//! What fuzzers call.

/// Reads what a fuzzer likes as the memory of a process.
///
/// # Panics
///
/// If more of it is read than is bounded.
pub fn read_lies(input: &[u8]) {
    crate::source::lies::run(input);
}
