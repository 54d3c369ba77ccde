//! What is to be told of the futures of `truth.rs`, by its comments.

use super::super::super::kept::Stack;

const TRUTH: &str = include_str!("truth.rs");

/// Calls with the lines they are in.
pub(super) type Told = Vec<(String, Option<u64>)>;

pub(super) fn told(stack: &Stack) -> Told {
    let calls = stack.calls.iter().rev().map(|call| {
        let line = call.location.rsplit_once(':').map(|(path, line)| {
            assert!(path.ends_with("/rust/tests/truth.rs"), "{path}");
            line.parse().expect("a line")
        });
        (call.function.clone(), line)
    });
    calls.collect()
}

/// The same as comments say it.
pub(super) fn expected_of(calls: &[(&str, &str)]) -> Told {
    let calls = calls.iter().map(|(function, comment)| {
        let line = (!comment.is_empty()).then(|| line(comment));
        ((*function).to_owned(), line)
    });
    calls.collect()
}

/// The line that has this comment.
pub(super) fn line(comment: &str) -> u64 {
    let end = format!("// {comment}");
    let index = TRUTH.lines().position(|line| line.ends_with(&end));
    index.expect("it is there") as u64 + 1
}

pub(super) fn line_of(start: &str) -> u64 {
    let index = TRUTH.lines().position(|line| line.starts_with(start));
    index.expect("it is there") as u64 + 1
}

/// What is expected of each future, the outermost call first: a comment, or else that there is no
/// line.
pub(super) const EXPECTED: &[(&str, &[(&str, &str)])] = &[
    (
        "leaf",
        &[("truth::leaf::{async fn}", "leaf"), ("truth::Never", "")],
    ),
    (
        "second",
        &[
            ("truth::second::{async fn}", "second"),
            ("truth::leaf::{async fn}", "leaf"),
            ("truth::Never", ""),
        ],
    ),
    (
        "boxed",
        &[
            ("truth::boxed::{async fn}", "boxed"),
            ("truth::second::{async fn}", "second"),
            ("truth::leaf::{async fn}", "leaf"),
            ("truth::Never", ""),
        ],
    ),
    (
        "boxed_leaf",
        &[
            ("truth::boxed_leaf::{async fn}", "boxed_leaf"),
            ("truth::Never", ""),
        ],
    ),
    (
        "pinned",
        &[
            ("truth::pinned::{async fn}", "pinned"),
            ("truth::leaf::{async fn}", "leaf"),
            ("truth::Never", ""),
        ],
    ),
    (
        "thin",
        &[
            ("truth::thin::{async fn}", "thin"),
            ("truth::leaf::{async fn}", "leaf"),
            ("truth::Never", ""),
        ],
    ),
    (
        "wrapped",
        &[
            ("truth::wrapped::{async fn}", "wrapped"),
            ("truth::leaf::{async fn}", "leaf"),
            ("truth::Never", ""),
        ],
    ),
    (
        "left",
        &[
            ("truth::either::{async fn}", "either"),
            ("truth::leaf::{async fn}", "leaf"),
            ("truth::Never", ""),
        ],
    ),
    (
        "right",
        &[
            ("truth::either::{async fn}", "either"),
            ("truth::second::{async fn}", "second"),
            ("truth::leaf::{async fn}", "leaf"),
            ("truth::Never", ""),
        ],
    ),
    (
        "some",
        &[
            ("truth::perhaps::{async fn}", "perhaps"),
            ("truth::leaf::{async fn}", "leaf"),
            ("truth::Never", ""),
        ],
    ),
    (
        "none",
        &[
            ("truth::perhaps::{async fn}", "perhaps"),
            ("truth::Perhaps<truth::leaf::{async fn}>", ""),
        ],
    ),
    (
        "both",
        &[
            ("truth::both::{async fn}", "both"),
            (
                "truth::Both<truth::leaf::{async fn}, truth::second::{async fn}>",
                "",
            ),
        ],
    ),
    (
        "one_looks_like_none",
        &[
            (
                "truth::one_looks_like_none::{async fn}",
                "one_looks_like_none",
            ),
            (
                "truth::Both<truth::leaf::{async fn}, tokio::time::Sleep>",
                "",
            ),
        ],
    ),
    (
        "selected",
        &[
            ("truth::selected::{async fn}", "selected"),
            (
                "core::future::poll_fn::PollFn<truth::selected::{async fn}::{closure}>",
                "",
            ),
        ],
    ),
    (
        "later",
        &[
            ("truth::later::{async fn}", "later"),
            ("truth::Later<truth::leaf::{async fn}>", ""),
        ],
    ),
    (
        "over_beside",
        &[
            (
                "truth::both_of_which_one_is_over::{async fn}",
                "over_beside",
            ),
            (
                "truth::Both<truth::leaf::{async fn}, truth::second::{async fn}>",
                "",
            ),
        ],
    ),
    (
        "nested",
        &[
            ("truth::nested::{async fn}", "nested"),
            (
                "truth::Both<tokio::time::Sleep, truth::Both<core::pin::Pin<&mut \
                 truth::selected::{async fn}>, tokio::time::Sleep>>",
                "",
            ),
        ],
    ),
    (
        "boxed_beside",
        &[
            ("truth::boxed_beside::{async fn}", "boxed_beside"),
            (
                "truth::Both<core::pin::Pin<alloc::boxed::Box<(dyn \
                 core::future::future::Future<Output=u32> + core::marker::Send)>>, \
                 truth::Later<truth::leaf::{async fn}>>",
                "",
            ),
        ],
    ),
    (
        "deep",
        &[
            ("truth::deep::{async block}", "deep"),
            ("truth::deep::{async block}", "deep"),
            ("truth::deep::{async block}", "deep"),
            ("truth::deep::{async block}", "deepest"),
            ("truth::leaf::{async fn}", "leaf"),
            ("truth::Never", ""),
        ],
    ),
    (
        "ask",
        &[
            ("truth::inner::{impl#0}::ask::{async fn}<u8>", "ask"),
            ("truth::leaf::{async fn}", "leaf"),
            ("truth::Never", ""),
        ],
    ),
    (
        "block",
        &[
            ("truth::main::{async block}", "block"),
            ("truth::inner::{impl#0}::ask::{async fn}<&str>", "ask"),
            ("truth::leaf::{async fn}", "leaf"),
            ("truth::Never", ""),
        ],
    ),
    (
        "timeout",
        &[("truth::leaf::{async fn}", "leaf"), ("truth::Never", "")],
    ),
];

/// Of those of which no more is known: the only future in them that has begun.
pub(super) const WITHIN: &[(&str, &[(&str, &str)])] = &[
    (
        "one_looks_like_none",
        &[("truth::leaf::{async fn}", "leaf"), ("truth::Never", "")],
    ),
    (
        "selected",
        &[("truth::leaf::{async fn}", "leaf"), ("truth::Never", "")],
    ),
    (
        "over_beside",
        &[
            ("truth::second::{async fn}", "second"),
            ("truth::leaf::{async fn}", "leaf"),
            ("truth::Never", ""),
        ],
    ),
    (
        "nested",
        &[
            ("truth::selected::{async fn}", "selected"),
            (
                "core::future::poll_fn::PollFn<truth::selected::{async fn}::{closure}>",
                "",
            ),
        ],
    ),
    (
        "boxed_beside",
        &[
            ("truth::boxed::{async fn}", "boxed"),
            ("truth::second::{async fn}", "second"),
            ("truth::leaf::{async fn}", "leaf"),
            ("truth::Never", ""),
        ],
    ),
];
