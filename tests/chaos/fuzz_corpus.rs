//! What the fuzzers have collected, run once more without them: `tests/chaos/fuzz/corpus`.

use std::fs;
use std::path::Path;

use netpoller_tests::{op_script, wire};

/// Runs every file of the corpus of `target`; a panic names it.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("chaos/fuzz/corpus")
        .join(target);
    let mut files = 0;
    for entry in
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).expect("a file");
        if let Err(panic) = std::panic::catch_unwind(|| run(&bytes)) {
            eprintln!("it was {}", path.display());
            std::panic::resume_unwind(panic);
        }
        files += 1;
    }
    assert!(files > 50, "{} holds {files} files only", folder.display());
}

#[test]
fn scripts_come_out_as_the_model_says() {
    replay("script", op_script::run);
}

#[test]
fn messages_decode_and_are_used_without_a_contradiction() {
    replay("wire", wire::run);
}
