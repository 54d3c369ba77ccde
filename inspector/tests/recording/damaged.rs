//! A file that was cut, or is none.

use super::*;

fn cut(from: &Path, to: &Path, length: usize) {
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(from).expect("it is there");
    file.read_to_end(&mut bytes).expect("it can be read");
    std::fs::write(to, &bytes[..length.min(bytes.len())]).expect("written");
}

#[test]
fn a_recording_that_was_cut_is_opened_with_a_warning_and_other_files_are_refused() {
    let process = Process::new();
    process.record("whole.npl");
    let whole = process.path("whole.npl");
    let size = std::fs::metadata(&whole).expect("it is there").len();
    let part = process.path("part.npl");
    cut(&whole, &part, usize::try_from(size).expect("small") - 9);
    let target = format!("file:{}", part.display());
    let output = process.ask(&target, &["ls", "waiters"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    assert!(error.contains("it was cut or damaged"), "{error}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 4);
    for (content, code, reason) in [
        (
            Some(&b"something else"[..]),
            1,
            "begins with something else",
        ),
        (Some(b""), 1, "begins with something else"),
        (None, 6, "there is no file"),
    ] {
        let other = process.path("other");
        let _ = std::fs::remove_file(&other);
        if let Some(content) = content {
            std::fs::write(&other, content).expect("written");
        }
        let output = process.ask(&format!("file:{}", other.display()), &["ls"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(
            error.contains(reason) && error.contains("record -o"),
            "{error}"
        );
    }
    process.end();
}
