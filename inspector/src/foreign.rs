//! Text from elsewhere: of the process that is looked at, of its peers, of other users' paths.
//!
//! It may have been chosen to mislead whoever reads it on a terminal. Whatever a terminal obeys,
//! does not show, or shows elsewhere is written as `\u{1b}`, the way Rust and JavaScript write it:
//! control and format characters (among them those that turn the direction of writing), line and
//! paragraph separators, every kind of blank but the ordinary one, what is private or not assigned,
//! what has no shape, and marks without a letter or in heaps.
//!
//! Messages of the process pass through here once, where they are decoded
//! (`source::endpoint::gate`); what is found in /proc and in the file system where it is read;
//! reports of failures once more where they are printed.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// Marks on one letter; no script needs more.
const MOST_MARKS: usize = 4;
/// What is longer than that is cut: it is neither read nor kept for every row.
const LONGEST: usize = 4096;

/// The text as it can be printed, in a form that [`restored`] turns back: a `\u{` that was there
/// before has its backslash written out as well.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'\\';
    if text.len() <= LONGEST && text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(written(text, true, false))
}

/// The text as it can be printed, each of its lines; to do it twice changes nothing.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| (0x20..0x7f).contains(&byte) || byte == b'\n';
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(written(text, false, true))
}

/// What [`visible`] was given, unless it was cut.
pub(crate) fn restored(text: &str) -> Cow<'_, str> {
    if !text.contains(r"\u{") {
        return Cow::Borrowed(text);
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(r"\u{") {
        whole.push_str(before);
        let letter = after.split_once('}').and_then(|(digits, rest)| {
            let letter = u32::from_str_radix(digits, 16)
                .ok()
                .and_then(char::from_u32)?;
            Some((letter, rest))
        });
        rest = match letter {
            Some((letter, rest)) => {
                whole.push(letter);
                rest
            }
            None => {
                whole.push_str(r"\u{");
                after
            }
        };
    }
    whole.push_str(rest);
    Cow::Owned(whole)
}

fn written(text: &str, reversible: bool, lines: bool) -> String {
    let mut whole = String::with_capacity(text.len());
    // A mark at the beginning would sit on what stands before the text.
    let mut marks = MOST_MARKS;
    for (at, letter) in text.char_indices() {
        if reversible && whole.len() >= LONGEST {
            whole.push('…');
            break;
        }
        let is_mark = letter.width() == Some(0);
        let shown = match letter {
            '\n' => lines,
            '\\' => !(reversible && text[at..].starts_with(r"\u{")),
            ' '..='~' => true,
            _ => has_shape(letter) && !(is_mark && marks >= MOST_MARKS),
        };
        marks = match (shown, is_mark) {
            (true, true) => marks + 1,
            (true, false) if letter != '\n' => 0,
            _ => MOST_MARKS,
        };
        if shown {
            whole.push(letter);
        } else {
            whole.extend(letter.escape_unicode());
        }
    }
    whole
}

/// Whether it is seen, and seen where it stands.
fn has_shape(letter: char) -> bool {
    // Letters and marks by category, which are not to be seen all the same: joiners of graphemes,
    // fillers of Hangul, inherent vowels, separators and variation selectors.
    let is_ignorable = matches!(letter,
        '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}');
    // The standard library knows the categories: what it escapes behind a letter is control,
    // format, separator, private or not assigned. (Alone, or at the beginning, it would escape
    // marks as well.)
    let mut bytes = [b'a'; 5];
    let length = letter.encode_utf8(&mut bytes[1..]).len();
    let is_printable =
        std::str::from_utf8(&bytes[..=length]).is_ok_and(|pair| pair.escape_debug().count() == 2);
    is_printable && !is_ignorable
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_obey_or_hide_is_written_out() {
        for (text, shown) in [
            ("plain text, ~!", "plain text, ~!"),
            ("a\x1b[2Jb", r"a\u{1b}[2Jb"),
            ("\r\n\t\0\x7f", r"\u{d}\u{a}\u{9}\u{0}\u{7f}"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("a\u{202e}b\u{2066}c", r"a\u{202e}b\u{2066}c"),
            ("a\u{200b}b\u{feff}\u{ad}", r"a\u{200b}b\u{feff}\u{ad}"),
            ("a\u{2028}b\u{2029}", r"a\u{2028}b\u{2029}"),
            ("\u{e0041}\u{e007f}", r"\u{e0041}\u{e007f}"),
            ("\u{a0}\u{3000}", r"\u{a0}\u{3000}"),
            ("\u{e000}\u{ffff}\u{378}", r"\u{e000}\u{ffff}\u{378}"),
            (
                "\u{3164}\u{fe0f}\u{e0100}\u{115f}",
                r"\u{3164}\u{fe0f}\u{e0100}\u{115f}",
            ),
            ("Käse, 日本語, шум, ¿⇒", "Käse, 日本語, шум, ¿⇒"),
        ] {
            assert_eq!(visible(text), shown);
            assert_eq!(restored(shown), text);
        }
    }

    #[test]
    fn a_mark_needs_a_letter_and_a_letter_has_few() {
        assert_eq!(visible("e\u{301}"), "e\u{301}");
        assert_eq!(visible("\u{301}e"), r"\u{301}e");
        assert_eq!(visible("\x1b\u{301}"), r"\u{1b}\u{301}");
        let heap = format!("e{}", "\u{301}".repeat(50));
        let shown = visible(&heap);
        assert_eq!(shown.matches('\u{301}').count(), MOST_MARKS);
        assert_eq!(restored(&shown), heap);
    }

    #[test]
    fn what_looks_like_an_escape_already_is_told_from_one() {
        assert_eq!(visible(r"\u{1b}"), r"\u{5c}u{1b}");
        assert_eq!(visible(r"C:\users"), r"C:\users");
        assert_eq!(restored(r"\u{xyz}\u{110000}\u{"), r"\u{xyz}\u{110000}\u{");
        assert_eq!(lines(r"\u{1b}"), r"\u{1b}");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(lines("a\nb\x1b\r"), "a\nb\\u{1b}\\u{d}");
    }

    #[test]
    fn a_long_text_is_cut() {
        let long = "x".repeat(100_000);
        assert!(visible(&long).len() < LONGEST + 16);
        let long = "\x1b".repeat(100_000);
        assert!(visible(&long).len() < LONGEST + 16);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in any::<String>()) {
            let shown = visible(&text);
            let is_plain = |letter: char| letter == ' ' || letter.is_ascii_graphic();
            prop_assert!(shown.chars().all(|letter| is_plain(letter) || has_shape(letter)));
            prop_assert_eq!(restored(&shown), text.as_str());
            prop_assert_eq!(lines(&shown), shown.as_ref());
        }
    }
}
