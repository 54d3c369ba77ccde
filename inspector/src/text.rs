//! Small pieces of text: durations and counts that stay short, and strings cut to a width.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A duration in at most six characters: `840ns`, `12.4µs`, `3.2ms`, `12.4s`, `5m03s`, `2h11m`,
/// `4d06h`.
pub(crate) fn duration(ns: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    match ns {
        0..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => scaled(ns, 1_000, "µs"),
        1_000_000..SECOND => scaled(ns, 1_000_000, "ms"),
        _ => {
            let seconds = ns / SECOND;
            match seconds {
                0..60 => scaled(ns, SECOND, "s"),
                60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
                3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
                _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
            }
        }
    }
}

/// Three digits, cut off rather than rounded: an age of 59.97 s is not yet a minute.
fn scaled(ns: u64, unit: u64, name: &str) -> String {
    let whole = ns / unit;
    if whole >= 100 {
        format!("{whole}{name}")
    } else {
        format!("{whole}.{}{name}", ns % unit * 10 / unit)
    }
}

/// A count with thin groups of three: `1 204 311`. Beyond seven digits it is cut to `12.3M`.
pub(crate) fn count(value: u64) -> String {
    match value {
        0..10_000_000 => grouped(value),
        10_000_000..1_000_000_000 => {
            format!("{}.{}M", value / 1_000_000, value % 1_000_000 / 100_000)
        }
        1_000_000_000..1_000_000_000_000 => {
            format!(
                "{}.{}G",
                value / 1_000_000_000,
                value % 1_000_000_000 / 100_000_000
            )
        }
        _ => format!("{}T", value / 1_000_000_000_000),
    }
}

/// All digits, in groups of three.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// So many of something, whose name only takes an "s" where there are several.
pub(crate) fn several(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// All digits of a number that may be negative.
pub(crate) fn signed(value: i64) -> String {
    let size = grouped(value.unsigned_abs());
    if value < 0 { format!("-{size}") } else { size }
}

/// A rate per second: `0`, `3.2`, `48`, `1.2k`, `3.4M`.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        value if !value.is_finite() || value <= 0.0 => "0".into(),
        value if value < 10.0 => format!("{value:.1}"),
        value if value < 1_000.0 => format!("{value:.0}"),
        value if value < 1e6 => format!("{:.1}k", value / 1e3),
        value if value < 1e9 => format!("{:.1}M", value / 1e6),
        value => format!("{:.1}G", value / 1e9),
    }
}

/// A sample of a histogram in its unit.
pub(crate) fn sample(value: u64, unit: &str) -> String {
    if unit == "ns" {
        duration(value)
    } else {
        count(value)
    }
}

/// The text in lines of at most `room` columns, broken between words; a longer word sticks out.
pub(crate) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Columns that the text takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most `room` columns, its end replaced by an ellipsis if it does not fit.
pub(crate) fn cut(text: &str, room: usize, ascii: bool) -> Cow<'_, str> {
    if width(text) <= room {
        return Cow::Borrowed(text);
    }
    let mark = if ascii { "~" } else { "…" };
    let mut kept = String::new();
    let mut used = 1;
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used > room {
            break;
        }
        kept.push(letter);
    }
    if room > 0 {
        kept.push_str(mark);
    }
    Cow::Owned(kept)
}

/// The text in at most `room` columns, its beginning replaced by an ellipsis if it does not fit.
pub(crate) fn cut_start(text: &str, room: usize, ascii: bool) -> Cow<'_, str> {
    if width(text) <= room {
        return Cow::Borrowed(text);
    }
    let mut from = text.len();
    let mut used = 1;
    for (index, letter) in text.char_indices().rev() {
        used += letter.width().unwrap_or(0);
        if used > room {
            break;
        }
        from = index;
    }
    let mark = match (room, ascii) {
        (0, _) => "",
        (_, true) => "~",
        (_, false) => "…",
    };
    Cow::Owned(format!("{mark}{}", &text[from..]))
}

/// The text in at most `room` columns, its middle replaced by an ellipsis if it does not fit: names
/// of one family begin alike, and their ends tell them apart.
pub(crate) fn cut_middle(text: &str, room: usize, ascii: bool) -> Cow<'_, str> {
    if width(text) <= room {
        return Cow::Borrowed(text);
    }
    let back = room / 2;
    let front = cut(text, room - back, ascii);
    let end = cut_start(text, back + 1, ascii);
    let mark = if ascii { "~" } else { "…" };
    Cow::Owned(format!("{front}{}", end.strip_prefix(mark).unwrap_or(&end)))
}

/// The room that a location needs at least: a mark of what is left out, and the file with its line.
/// It is asked of every row for every picture, so letters are not looked at one by one.
pub(crate) fn file_and_line(location: &str) -> usize {
    match location.rfind('/') {
        Some(slash) => location.len() - slash + 1,
        None => location.len(),
    }
}

/// A location without the folders in which cargo keeps what it has fetched, and rustc the library:
/// they are the same for all, and long.
pub(crate) fn tail_of_path(location: &str) -> &str {
    let fetched = location.split_once("/registry/src/");
    let built = || location.strip_prefix("/rustc/");
    let folder = fetched.map(|(_, rest)| rest).or_else(built);
    let tail = folder.and_then(|it| it.split_once('/'));
    let tail = tail.filter(|(_, tail)| tail.contains('/'));
    tail.map_or(location, |(_, tail)| tail)
}

/// ASCII in place of the few other characters that this module writes.
pub(crate) fn ascii(text: String) -> String {
    if text.is_ascii() {
        text
    } else {
        text.replace('µ', "u")
            .replace('…', "~")
            .replace('∞', "inf")
            .replace('≥', ">=")
    }
}

/// The known word that is nearest to a mistyped one, if any is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(slips, candidate)| *slips <= 1 + candidate.len() / 4)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// "did you mean" if something is near, else all that is known.
pub(crate) fn suggestion<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    match nearest(word, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "known are {}",
            known.into_iter().collect::<Vec<_>>().join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_stay_short_and_are_never_rounded_up() {
        for (ns, text) in [
            (0, "0ns"),
            (999, "999ns"),
            (12_480, "12.4µs"),
            (840_000, "840µs"),
            (3_299_999, "3.2ms"),
            (12_400_000_000, "12.4s"),
            (59_999_999_999, "59.9s"),
            (303_000_000_000, "5m03s"),
            (7_860_000_000_000, "2h11m"),
            (367_200_000_000_000, "4d06h"),
        ] {
            assert_eq!(duration(ns), text);
        }
        assert!(width(&duration(u64::MAX)) <= 10);
    }

    #[test]
    fn counts_are_grouped_until_they_are_long() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_204), "1 204");
        assert_eq!(count(9_999_999), "9 999 999");
        assert_eq!(count(12_345_678), "12.3M");
        assert_eq!(grouped(12_345_678), "12 345 678");
    }

    #[test]
    fn a_cut_text_ends_in_a_mark_and_fits() {
        assert_eq!(cut("127.0.0.1:8080", 20, false), "127.0.0.1:8080");
        assert_eq!(cut("127.0.0.1:8080", 8, false), "127.0.0…");
        assert_eq!(cut("127.0.0.1:8080", 8, true), "127.0.0~");
        assert_eq!(cut("日本語", 4, false), "日…");
        assert_eq!(cut("abc", 0, false), "");
        assert_eq!(cut_start("src/server.rs:88", 10, false), "…ver.rs:88");
        assert_eq!(cut_start("日本語", 4, true), "~語");
        assert_eq!(cut_start("abc", 0, false), "");
    }

    #[test]
    fn names_that_differ_in_their_ends_still_do_when_cut() {
        assert_eq!(cut_middle("stuck-reader-117", 10, false), "stuc…r-117");
        assert_eq!(cut_middle("stuck-reader-117", 10, true), "stuc~r-117");
        assert_eq!(cut_middle("reader", 6, false), "reader");
        for room in 0..20 {
            assert!(width(&cut_middle("日本語日本語-1", room, false)) <= room);
        }
    }

    #[test]
    fn one_of_something_is_told_from_several() {
        for (count, told) in [(0, "0 bytes"), (1, "1 byte"), (2, "2 bytes")] {
            assert_eq!(several(count, "byte"), told);
        }
    }

    #[test]
    fn of_a_location_the_file_and_the_line_are_what_counts() {
        let location = "inspector/src/verbs/demo/clients.rs:119";
        let room = file_and_line(location);
        assert_eq!(cut_start(location, room, false), "…/clients.rs:119");
        assert_eq!(file_and_line("main.rs:7"), 9);
    }

    #[test]
    fn of_a_crate_that_cargo_has_fetched_its_own_path_is_told() {
        for (location, tail) in [
            (
                "/home/me/.cargo/registry/src/index-19/tokio-1.54.1/src/a.rs:7",
                "tokio-1.54.1/src/a.rs:7",
            ),
            (
                "/rustc/ded5c06cf21d/library/core/src/future.rs:7",
                "library/core/src/future.rs:7",
            ),
            ("/me/registry/src/main.rs:7", "/me/registry/src/main.rs:7"),
            (
                "/home/me/rustc/src/main.rs:7",
                "/home/me/rustc/src/main.rs:7",
            ),
            ("main.rs:7", "main.rs:7"),
            ("", ""),
        ] {
            assert_eq!(tail_of_path(location), tail);
        }
    }

    #[test]
    fn a_mistyped_word_is_answered_with_the_nearest_known_one() {
        assert_eq!(
            suggestion("sinse", ["since", "kind"]),
            "did you mean `since`?"
        );
        assert_eq!(
            suggestion("zzz", ["since", "kind"]),
            "known are since, kind"
        );
    }
}
