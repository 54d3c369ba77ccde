//! Names of functions and types as rustc writes them, how they are shown, and whose a file is.

use std::fmt::Write;

/// Letters of a name that is shown.
const LONGEST: usize = 200;
/// What is in the paths of files that are not the program's own.
const OF_OTHERS: [&str; 4] = [
    "/rustlib/src/rust/library/",
    "/registry/src/",
    "/git/checkouts/",
    "/rust/deps/",
];

/// Returns a name for people: without numbers where they tell nothing, not too long, and without
/// letters that a terminal would obey.
pub(super) fn tidy(name: &str) -> String {
    let mut rest = &*name.replace(", alloc::alloc::Global>", ">");
    let mut tidied = String::new();
    while let Some((before, inside, after)) = braced(rest) {
        tidied.push_str(before);
        let _ = match shown(inside) {
            Some(shown) => write!(tidied, "{{{shown}}}"),
            None => write!(tidied, "{{{inside}}}"),
        };
        rest = after;
    }
    tidied.push_str(rest);
    plain(&tidied, LONGEST)
}

/// Whether a line is the program's own and no library's, by the path of its file.
pub(in super::super) fn is_own(path: &str) -> bool {
    let is_others = |part: &&str| path.contains(*part);
    !path.is_empty() && !path.starts_with("/rustc/") && !OF_OTHERS.iter().any(is_others)
}

/// Returns the name of a future that may be in a box: tokio puts large ones into one.
pub(super) fn unboxed(name: &str) -> &str {
    let inside = name.strip_prefix("core::pin::Pin<alloc::boxed::Box<");
    let inside = inside.and_then(|it| it.strip_suffix(">>"));
    inside.map_or(name, |it| {
        it.strip_suffix(", alloc::alloc::Global").unwrap_or(it)
    })
}

/// Cuts off what is too long, and shows letters that a terminal would obey as something else.
pub(super) fn plain(text: &str, longest: usize) -> String {
    let mut kept = String::new();
    for (index, letter) in text.chars().enumerate() {
        if index == longest {
            kept.pop();
            kept.push('…');
            break;
        }
        kept.push(if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        });
    }
    kept
}

/// Returns the name of the function in which a future runs that rustc has made.
pub(super) fn body(future: &str) -> Option<String> {
    let (outer, own) = path(future);
    let (kind, rest) = own.strip_prefix("{async_")?.split_once("_env#")?;
    let is_kind = kind.bytes().all(|it| it.is_ascii_lowercase());
    is_kind.then(|| format!("{outer}::{{async_{kind}#{rest}"))
}

/// The first part in braces that has none in it, with what is before and after it.
fn braced(text: &str) -> Option<(&str, &str, &str)> {
    let (before, after) = text.split_once('{')?;
    let (inside, after) = after.split_once('}')?;
    Some((before, inside, after))
}

/// What no function or type of the program's own names, as it is shown: `async_fn_env#0` is the
/// future of an `async fn`.
fn shown(inside: &str) -> Option<String> {
    let (kind, number) = inside.split_once('#')?;
    let is_number = !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit());
    let future = kind.strip_suffix("_env");
    let kind = future.unwrap_or(kind);
    let is_known = future.is_some() || kind.starts_with("async_");
    (is_number && is_known).then(|| kind.replace('_', " "))
}

/// Returns the name of a function without the types for which it was made, and these.
pub(super) fn parameters(name: &str) -> Option<(&str, Vec<&str>)> {
    let (base, inside) = name.strip_suffix('>')?.split_once('<')?;
    let (mut all, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    let mut before = ' ';
    for (at, letter) in inside.char_indices() {
        match letter {
            '<' | '(' | '[' | '{' => depth = depth.checked_add(1)?,
            // The arrow of a function's result.
            '>' if before == '-' => {}
            '>' | ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                all.push(inside.get(start..at)?.trim());
                start = at + 1;
            }
            _ => {}
        }
        before = letter;
    }
    all.push(inside.get(start..)?.trim());
    let base = base.strip_suffix("::").unwrap_or(base);
    (depth == 0).then_some((base, all))
}

/// Splits a name into the path of what it is in, and the rest; neither is looked for in the types
/// for which it was made.
pub(super) fn path(name: &str) -> (&str, &str) {
    let end = name.find('<').unwrap_or(name.len());
    let base = name.get(..end).unwrap_or_default();
    let base = base.strip_suffix("::").unwrap_or(base);
    match base.rfind("::").and_then(|at| name.split_at_checked(at)) {
        Some((path, rest)) => (path, rest.trim_start_matches("::")),
        None => ("", name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tidied_for_people() {
        for (name, tidied) in [
            ("truth::serve::{async_fn_env#0}", "truth::serve::{async fn}"),
            (
                "a::{impl#3}::b::{async_block_env#12}<u8>",
                "a::{impl#3}::b::{async block}<u8>",
            ),
            ("a::{closure_env#0}", "a::{closure}"),
            ("a::{closure#1}", "a::{closure#1}"),
            ("a::{async_block#1}", "a::{async block}"),
            ("a::{b_env#}{", "a::{b_env#}{"),
            (
                "alloc::boxed::Box<u8, alloc::alloc::Global>",
                "alloc::boxed::Box<u8>",
            ),
            ("a\x1b[2Jb\n", "a\u{fffd}[2Jb\u{fffd}"),
        ] {
            assert_eq!(tidy(name), tidied);
        }
        let long = tidy(&"ä".repeat(1000));
        assert_eq!(long.chars().count(), LONGEST);
        assert!(long.ends_with("ä…"));
        assert_eq!(tidy(&"ä".repeat(LONGEST)), "ä".repeat(LONGEST));
    }

    #[test]
    fn a_future_in_a_box_is_called_like_any_other() {
        for (name, unboxed_name) in [
            (
                "core::pin::Pin<alloc::boxed::Box<a::b<c>, alloc::alloc::Global>>",
                "a::b<c>",
            ),
            ("core::pin::Pin<alloc::boxed::Box<a::b<c>>>", "a::b<c>"),
            ("core::pin::Pin<a>", "core::pin::Pin<a>"),
            ("a::b", "a::b"),
        ] {
            assert_eq!(unboxed(name), unboxed_name);
        }
    }

    #[test]
    fn parameters_are_cut_out_of_names() {
        let name = "t::raw::poll<a::b<(u8, [u8; 2]), c>, alloc::sync::Arc<d, e>>";
        let all = vec!["a::b<(u8, [u8; 2]), c>", "alloc::sync::Arc<d, e>"];
        assert_eq!(parameters(name), Some(("t::raw::poll", all)));
        let name = "t::raw::poll::<fn(u8) -> a<b>, c>";
        assert_eq!(
            parameters(name),
            Some(("t::raw::poll", vec!["fn(u8) -> a<b>", "c"]))
        );
        for broken in ["", "a", "a<b", "a<b>>", "a<(>", "a<b>c"] {
            assert_eq!(parameters(broken), None, "{broken}");
        }
        assert_eq!(path("a::b::c<d::e>"), ("a::b", "c<d::e>"));
        assert_eq!(path("a::c::<d::e>"), ("a", "c::<d::e>"));
        assert_eq!(path("c<d::e>"), ("", "c<d::e>"));
    }
}
