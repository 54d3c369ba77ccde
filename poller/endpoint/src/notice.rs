//! What the endpoint says on stderr: that it is open to strangers, and each call that changes
//! something.
//!
//! A library has no business there, with two exceptions, which somebody will look for after the
//! fact. No secret reaches this file: it is given names, not requests.

use std::io::Write;

/// Writes a line. Characters that could pass for another line, or move the cursor, are escaped:
/// part of the text comes from whoever called.
pub(super) fn say(text: &str) {
    let line = line(text);
    #[cfg(all(test, feature = "tls"))]
    said::keep(&line);
    // Nobody is left to tell when stderr is gone.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn line(text: &str) -> String {
    let mut line = String::from("netpoller: ");
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    line
}

/// What was said, for tests.
#[cfg(all(test, feature = "tls"))]
pub(super) mod said {
    use std::sync::Mutex;

    static SAID: Mutex<String> = Mutex::new(String::new());

    pub(super) fn keep(line: &str) {
        SAID.lock().unwrap().push_str(line);
    }

    pub(in super::super) fn all() -> String {
        SAID.lock().unwrap().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_cannot_forge_a_line_of_the_log() {
        assert_eq!(
            line("Evict x\nnetpoller: control\x1b[2K"),
            "netpoller: Evict x\\nnetpoller: control\\u{1b}[2K\n"
        );
    }
}
