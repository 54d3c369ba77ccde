//! From which line of code: the program's own, where the call that waits is a library's.
//!
//! Behind the traits of the runtimes the caller of a read is the runtime, behind those of std the
//! standard library, behind a server the server: `tokio::io::copy` waits at a line of tokio's for
//! every connection of every program. Which line of the program's own stands for that one is
//! decided here, once, for tables, findings, consoles, groups of waits and exemplars alike.

use std::fmt;
use std::panic::Location;

use super::LineKind;

/// A line of the program's own that stands for one of a library.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct Line {
    /// The line.
    pub location: &'static Location<'static>,
    /// What it has to do with the wait.
    pub kind: LineKind,
}

/// A call, and the line that stands for it where it is a library's and one is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    pub(crate) call: &'static Location<'static>,
    pub(crate) nearest: Option<Line>,
}

impl Place {
    /// The call of one who waits on a descriptor that was `opened` there, as far as that is known,
    /// in a task that got its name at `named`.
    pub(crate) fn of(
        call: &'static Location<'static>,
        named: impl FnOnce() -> Option<&'static Location<'static>>,
        opened: Option<Line>,
    ) -> Self {
        let is_own = |line: &&'static Location<'static>| !is_of_a_library(line.file());
        let nearest = if is_own(&call) {
            None
        } else {
            let named = named().filter(is_own).map(|location| Line {
                location,
                kind: LineKind::Named,
            });
            named.or(opened.filter(|line| is_own(&line.location)))
        };
        Self { call, nearest }
    }

    /// The line that people look for.
    pub(crate) fn shown(self) -> &'static Location<'static> {
        self.nearest.map_or(self.call, |line| line.location)
    }

    /// The same for all calls that one line stands for.
    pub(crate) fn without_call(self) -> Self {
        Self {
            call: self.shown(),
            ..self
        }
    }
}

impl From<&'static Location<'static>> for Place {
    fn from(call: &'static Location<'static>) -> Self {
        Self {
            call,
            nearest: None,
        }
    }
}

/// As `src/main.rs:42`, or `src/main.rs:42 (accepted here)`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.shown();
        write!(f, "{}:{}", shown.file(), shown.line())?;
        match self.nearest {
            Some(line) => write!(f, " ({} here)", line.kind),
            None => Ok(()),
        }
    }
}

/// Whether a file is not the program's own, as far as its path tells: it is the standard library's,
/// or of a crate from a registry or a repository. Where cargo has put those is in their path, and
/// what puts them elsewhere, or renames them (`--remap-path-prefix`), leaves the directory of
/// registries its name, `tokio-1.40.0`. A crate in a directory of the program's, as `vendor/tokio`,
/// is not to be told from the program.
fn is_of_a_library(file: &str) -> bool {
    let mut before = "";
    file.split('/').enumerate().any(|(depth, part)| {
        let found = matches!(
            (before, part),
            ("registry", "src") | ("git", "checkouts") | ("rustlib", "src")
        ) || (depth == 1 && file.starts_with("/rustc/"))
            || is_versioned(part);
        before = part;
        found
    })
}

/// Whether a directory is named as that of a package, `tokio-1.40.0`.
fn is_versioned(directory: &str) -> bool {
    let is_number = |part: Option<&str>| {
        part.is_some_and(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()))
    };
    directory.match_indices('-').any(|(at, _)| {
        let mut parts = directory[at + 1..].splitn(3, '.');
        let (major, minor, patch) = (parts.next(), parts.next(), parts.next());
        let begins = |it: &str| it.starts_with(|c: char| c.is_ascii_digit());
        at > 0 && is_number(major) && is_number(minor) && patch.is_some_and(begins)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_of_registries_and_repositories_and_the_standard_library_are_no_lines_of_the_programs()
    {
        for library in [
            "/home/u/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/tokio-1.54.1/src/io/async_read.rs",
            "/usr/local/cargo/registry/src/github.com-1ecc6299db9ec823/hyper-util-0.1.21/src/rt/tokio.rs",
            "/opt/cargo/git/checkouts/axum-0bd3e2a3d8f1a6f5/3b92cd7/axum/src/serve/mod.rs",
            "/rustc/6b00bc3880198600130e1cf62b8f8a93494488cc/library/std/src/io/mod.rs",
            "/home/u/.rustup/toolchains/stable-x86_64-unknown-linux-gnu/lib/rustlib/src/rust/library/std/src/io/copy.rs",
            // Renamed, trimmed, and put elsewhere by distributions and other build tools.
            "/deps/tokio-1.54.1/src/io/util/copy.rs",
            "tokio-1.54.1/src/io/util/copy.rs",
            "/usr/share/cargo/registry/futures-util-0.3.31/src/io/copy.rs",
            "external/rules_rust/crates__h2-0.4.0-alpha.2/src/codec/framed_read.rs",
            "/build/app-1.0-vendor/ring-0.17.8+bundled/src/lib.rs",
        ] {
            assert!(is_of_a_library(library), "{library}");
        }
        for own in [
            "src/main.rs",
            "poller/core/src/fd/attempt.rs",
            "/home/u/projects/service/src/main.rs",
            "/home/u/registry/service/src/main.rs",
            "/home/u/my-service-2/src/main.rs",
            "/home/u/release-1.2/src/main.rs",
            "/src/git/service/src/checkouts/mod.rs",
            // It cannot be known.
            "vendor/tokio/src/io/async_read.rs",
            "",
        ] {
            assert!(!is_of_a_library(own), "{own}");
        }
    }

    /// Reads, and notes who calls.
    #[derive(Default)]
    struct Called(Option<&'static Location<'static>>);

    impl std::io::Read for Called {
        #[track_caller]
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.0 = Some(Location::caller());
            Ok(buf.len())
        }
    }

    #[test]
    fn a_line_of_a_library_is_stood_for_by_that_of_the_name_and_else_by_that_of_the_descriptor() {
        let mut called = Called::default();
        std::io::Read::read_exact(&mut called, &mut [0]).unwrap();
        let library = called.0.unwrap();
        let (own, name, accept) = (Location::caller(), Location::caller(), Location::caller());
        let of = |call, named, opened| {
            let opened = Line {
                location: opened,
                kind: LineKind::Accepted,
            };
            Place::of(call, || named, Some(opened))
        };

        let place = of(own, Some(name), accept);
        assert_eq!((place.nearest, place.shown()), (None, own));
        assert_eq!(place.to_string(), format!("{}:{}", file!(), own.line()));

        for (named, opened, shown, word) in [
            (Some(name), accept, name, "named"),
            (None, accept, accept, "accepted"),
            (Some(library), accept, accept, "accepted"),
        ] {
            let place = of(library, named, opened);
            let text = format!("{}:{} ({word} here)", file!(), shown.line());
            assert_eq!((place.shown(), place.to_string()), (shown, text));
        }
        let unknown = of(library, None, library);
        assert_eq!((unknown.nearest, unknown.shown()), (None, library));
        assert_eq!(Place::of(library, || None, None), unknown);
    }
}
