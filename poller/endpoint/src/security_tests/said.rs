//! What the endpoint says on stderr, which is a file as soon as one test asks for it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

static SAID: OnceLock<File> = OnceLock::new();

/// Keeps what is said from now on, beside what was said since another test asked for it.
pub(super) fn keep() {
    SAID.get_or_init(|| {
        let file = tempfile::tempfile().unwrap();
        rustix::stdio::dup2_stderr(&file).unwrap();
        file
    });
}

/// All of it.
pub(super) fn all() -> String {
    let file = SAID.get().expect("it is kept");
    let length = file.metadata().unwrap().len();
    let mut said = vec![0; usize::try_from(length).unwrap()];
    // Where stderr goes on is left alone.
    file.read_exact_at(&mut said, 0).unwrap();
    String::from_utf8(said).unwrap()
}
