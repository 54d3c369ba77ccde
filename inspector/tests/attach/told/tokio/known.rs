//! What has to be told of who waits, by how the program was built: which future it is, at which
//! line that waits, or where it is written.

use std::fs;

use netpoller_tests::rust::{Build, Stripped};
use serde_json::{Value, json};

use crate::told::Tally;

/// Places at which several futures are awaited at once, in a macro of tokio's: which of them are
/// under way, nobody knows, and the line is the macro's.
const SEVERAL: [&str; 3] = ["select", "nested-select", "nested-join"];
/// Those of them where just one is the program's own.
const ONE_OF_SEVERAL: [&str; 2] = ["nested-select", "nested-join"];
const MACROS: [&str; 2] = ["/src/macros/select.rs:", "/src/macros/join.rs:"];
/// The one whose future is no `async fn`.
const BLOCK: &str = "block";
/// The one whose future is a method's, and whose the method is.
const METHOD: (&str, &str) = ("method", "Reader");
/// One of so many lines may be left out where all are known, and one of so few futures where what
/// is optimised may be one function for several of them.
const LEFT_OUT: usize = 50;
const LEFT_OUT_OF_FUTURES: usize = 4;

/// What is known of futures.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Futures {
    /// All of it.
    Types,
    /// Names and lines, of functions that were optimised.
    Lines,
    /// Names that are in symbols.
    Symbols,
    Nothing,
}

/// What is known of a program.
pub(super) struct Known {
    futures: Futures,
    /// What whoever runs a future without a task may be called.
    pub(super) threads: &'static [&'static str],
}

impl Known {
    pub(super) fn of(how: &Build<'_>) -> Self {
        let futures = match (how.release, how.stripped) {
            (false, Stripped::Nothing) => Futures::Types,
            (_, Stripped::Nothing) => Futures::Lines,
            (_, Stripped::Debug) => Futures::Symbols,
            (_, Stripped::All) => Futures::Nothing,
        };
        let threads: &[_] = match how.stripped {
            Stripped::All => &["another waker"],
            _ => &["block_on"],
        };
        Self { futures, threads }
    }

    /// Compares what is told of somebody with what is so.
    pub(super) fn compare(&self, tally: &mut Tally, told: &Value, truth: &Value) {
        // Line tables leave out what nothing was inlined into: then the symbols tell.
        let is_of_symbols = |it: &str| it.ends_with("{closure#0}");
        let futures = match self.futures {
            Futures::Lines if told["future"].as_str().is_some_and(is_of_symbols) => {
                Futures::Symbols
            }
            futures => futures,
        };
        Self { futures, ..*self }.compare_with(tally, told, truth);
    }

    fn compare_with(&self, tally: &mut Tally, told: &Value, truth: &Value) {
        let what = format!("{} at {}", truth["task"], truth["place"]);
        let is_task = truth["task"].is_u64();
        // The future of a thread is found by the place in the list that it has in itself, if there
        // is just one that it can be.
        let is_of_thread = !is_task && !told["future"].is_null();
        let may_be_told = self.futures == Futures::Types && truth["how"] == "list";
        let is_told = is_task || (is_of_thread && may_be_told);
        tally.of_threads += usize::from(is_of_thread && may_be_told);
        if is_task && told["task_state"] != "idle" {
            tally.wrong.push(format!("{what}: {}", told["task_state"]));
        }
        let future = self.future(truth).filter(|_| is_told);
        match (&told["future"], future) {
            // Several are one function.
            (Value::Null, Some(_)) if self.futures != Futures::Types => (),
            (told, future) => {
                tally.futures += usize::from(future.is_some());
                tally.same(&what, told, &future.into());
            }
        }
        let line = &told["location"];
        let is_several = SEVERAL.iter().any(|it| truth["place"] == *it);
        let is_known = is_told && self.futures == Futures::Types;
        match line.as_str() {
            None if is_known => tally.no_line.push(what.clone()),
            Some(line) if is_known && is_several => {
                tally.lines += 1;
                if !MACROS.iter().any(|it| line.contains(it)) {
                    tally.wrong.push(format!("{what}: {line}"));
                }
            }
            _ => {
                tally.lines += usize::from(is_known);
                let innermost = innermost(truth).filter(|_| is_known);
                tally.same(&what, line, &innermost.into());
            }
        }
        let is_one = ONE_OF_SEVERAL.iter().any(|it| truth["place"] == *it);
        let nearest = match self.futures {
            Futures::Types if is_told && is_one => {
                json!({"location": innermost(truth), "kind": "suspended"})
            }
            Futures::Types if is_told && (line.is_null() || is_several) => written(truth),
            Futures::Lines if !told["future"].is_null() => written(truth),
            _ => Value::Null,
        };
        tally.same(&format!("{what}, nearest"), &told["nearest"], &nearest);
    }

    /// Returns the name of a future as it is shown.
    pub(super) fn future(&self, truth: &Value) -> Option<String> {
        // "module::function<types>::{{closure}}", or "module::Type<types>::function::{{closure}}".
        let name = truth["future"].as_str()?.strip_suffix("::{{closure}}")?;
        let (path, types, method) = match name.split_once('<') {
            None => (name, String::new(), ""),
            Some((path, rest)) => {
                let (types, method) = rest.rsplit_once('>')?;
                (path, format!("<{types}>"), method)
            }
        };
        let kind = match truth["place"] == BLOCK {
            true => "block",
            false => "fn",
        };
        match self.futures {
            Futures::Nothing => None,
            Futures::Types | Futures::Lines => {
                let path = match method {
                    "" => path,
                    _ => &path.replace(METHOD.1, "{impl#0}"),
                };
                Some(format!("{path}{method}::{{async {kind}}}{types}"))
            }
            Futures::Symbols => Some(match method {
                "" => format!("{path}{types}::{{closure#0}}"),
                _ => format!("<{path}{types}>{method}::{{closure#0}}"),
            }),
        }
    }

    /// Enough was told of what is known.
    #[track_caller]
    pub(super) fn assert_enough(&self, tally: &Tally, of: &str) {
        let Tally {
            parked,
            lines,
            futures,
            of_threads,
            no_line,
            ..
        } = tally;
        let least = match self.futures {
            // Line tables leave out what nothing was inlined into, and so may all of these.
            Futures::Nothing | Futures::Lines => 0,
            Futures::Types => parked / 2,
            Futures::Symbols => parked / LEFT_OUT_OF_FUTURES,
        };
        assert!(*futures >= least, "{of}: {futures} futures of {parked}");
        let is_enough = *lines >= parked / 2 && no_line.len() * LEFT_OUT < *lines;
        let is_known = self.futures == Futures::Types;
        assert!(!is_known || *of_threads > 0, "{of}: none of a thread");
        assert!(
            !is_known || is_enough,
            "{of}: {lines} lines of {parked}, but {no_line:?}"
        );
    }
}

/// The line of the innermost await of the program itself.
fn innermost(truth: &Value) -> Option<String> {
    let innermost = truth["awaits"].as_array()?.first()?;
    Some(format!(
        "{}:{}",
        innermost["file"].as_str()?,
        innermost["line"]
    ))
}

/// Where its future is written, as it is told.
fn written(truth: &Value) -> Value {
    let outermost = truth["awaits"].as_array().and_then(|it| it.last());
    let file = outermost
        .and_then(|it| it["file"].as_str())
        .expect("a file");
    let source = fs::read_to_string(file).expect("a source");
    let name = truth["future"].as_str().expect("a name");
    let name = name.trim_end_matches("::{{closure}}");
    let path = match name.rsplit_once('>') {
        Some((_, method @ "::run")) => method,
        _ => name.split('<').next().unwrap_or(name),
    };
    let function = path.rsplit("::").next().expect("a name");
    let begins = [format!("fn {function}<"), format!("fn {function}(")];
    let mut lines = (1..).zip(source.lines());
    let found = lines.find(|(_, line)| begins.iter().any(|it| line.contains(it)));
    let (mut number, _) = found.expect("it is there");
    if truth["place"] == BLOCK {
        let found = lines.find(|(_, line)| line.contains("async move {"));
        (number, _) = found.expect("it is there");
    }
    json!({"location": format!("{file}:{number}"), "kind": "written"})
}
