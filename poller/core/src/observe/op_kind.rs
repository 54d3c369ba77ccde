//! Which counter an operation, or a call behind one, counts in.

use super::Counter;

/// The operations whose results are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OpKind {
    Read,
    Write,
    Accept,
    Connect,
}

/// How an operation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OpResult {
    Ok,
    Eof,
    Timeout,
    Closed,
    Error,
}

/// How a call behind an operation ended.
#[derive(Clone, Copy)]
enum SysResult {
    Ok,
    Eagain,
    Eintr,
    Error,
}

/// What the label `op` says of each [`OpKind`], and the label `result` of each result.
const OPS: [&str; 4] = ["read", "write", "accept", "connect"];
const OP_RESULTS: [&str; 5] = ["ok", "eof", "timeout", "closed", "error"];
const SYS_RESULTS: [&str; 4] = ["ok", "eagain", "eintr", "error"];

const OP: [[Counter; 5]; 4] = by_labels(Counter::OpReadOk, OP_RESULTS);
const SYS: [[Counter; 4]; 4] = by_labels(Counter::SysReadOk, SYS_RESULTS);

/// Lays out the series of the metric of `one` by operation and result.
const fn by_labels<const RESULTS: usize>(
    one: Counter,
    results: [&str; RESULTS],
) -> [[Counter; RESULTS]; 4] {
    let mut table = [[one; RESULTS]; 4];
    let mut op = 0;
    while op < OPS.len() {
        let mut result = 0;
        while result < RESULTS {
            table[op][result] = match find(one, OPS[op], results[result]) {
                Some(counter) => counter,
                None => {
                    assert!(is(results[result], "eof"), "every other pair has a counter");
                    // Nothing but a read meets the end of a stream; elsewhere no bytes are a result
                    // like another.
                    table[op][0]
                }
            };
            result += 1;
        }
        op += 1;
    }
    table
}

/// The series of the metric of `one` with these values of its two labels.
const fn find(one: Counter, op: &str, result: &str) -> Option<Counter> {
    let series = one.family().series;
    let mut index = 0;
    while index < series.len() {
        let (labels, counter) = series[index];
        if is(labels[0].1, op) && is(labels[1].1, result) {
            return Some(counter);
        }
        index += 1;
    }
    None
}

/// `==` of texts, at compile time.
const fn is(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut same = left.len() == right.len();
    let mut index = 0;
    while same && index < left.len() {
        same = left[index] == right[index];
        index += 1;
    }
    same
}

impl OpKind {
    /// The counter of operations of this kind with this result.
    #[inline]
    pub(crate) const fn op(self, result: OpResult) -> Counter {
        OP[self as usize][result as usize]
    }

    #[inline]
    const fn sys(self, result: SysResult) -> Counter {
        SYS[self as usize][result as usize]
    }

    /// The counter of calls behind this kind that did something.
    #[inline]
    pub(crate) const fn sys_ok(self) -> Counter {
        self.sys(SysResult::Ok)
    }

    #[inline]
    pub(crate) const fn sys_eagain(self) -> Counter {
        self.sys(SysResult::Eagain)
    }

    #[inline]
    pub(crate) const fn sys_eintr(self) -> Counter {
        self.sys(SysResult::Eintr)
    }

    #[inline]
    pub(crate) const fn sys_error(self) -> Counter {
        self.sys(SysResult::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computed_counters_have_the_name_they_are_computed_for() {
        use OpKind::{Accept, Connect, Read, Write};
        use OpResult::{Closed, Eof, Error, Ok, Timeout};

        let ops = [
            (Read, "read"),
            (Write, "write"),
            (Accept, "accept"),
            (Connect, "connect"),
        ];
        let results = [
            (Ok, "ok"),
            (Timeout, "timeout"),
            (Closed, "closed"),
            (Error, "error"),
        ];
        for (op, name) in ops {
            for (result, result_name) in results {
                assert_eq!(op.op(result).name(), format!("op_{name}_{result_name}"));
            }
            assert_eq!(op.sys_ok().name(), format!("sys_{name}_ok"));
            assert_eq!(op.sys_eagain().name(), format!("sys_{name}_eagain"));
            assert_eq!(op.sys_eintr().name(), format!("sys_{name}_eintr"));
            assert_eq!(op.sys_error().name(), format!("sys_{name}_error"));
        }
        assert_eq!(Read.op(Eof), Counter::OpReadEof);
        assert_eq!(Accept.op(Eof), Counter::OpAcceptOk);
    }

    #[test]
    fn names_are_unique_and_snake_case() {
        let names: std::collections::BTreeSet<_> =
            Counter::ALL.iter().map(|counter| counter.name()).collect();
        assert_eq!(names.len(), Counter::COUNT);
        assert!(
            names
                .iter()
                .all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        );
    }
}
