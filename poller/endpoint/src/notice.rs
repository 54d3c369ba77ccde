//! What the endpoint says on stderr: that it is open to strangers, each call that changes
//! something, and that a black box cannot be written.
//!
//! A library has no business there, with these exceptions, which somebody will look for after the
//! fact. No secret reaches this file: it is given names, not requests.

use std::io::Write;

/// Writes a line. Characters that could pass for another line, or move the cursor, are escaped:
/// part of the text comes from whoever called.
pub(super) fn say(text: &str) {
    // Nobody is left to tell when stderr is gone.
    let _ = std::io::stderr().write_all(line(text).as_bytes());
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
