//! Whether a row is wanted.
//!
//! A field can have several values in one row (a descriptor has the states of two directions): `=` holds if any of them
//! is equal, `!=` if none is. A comparison with something that is not there, such as the deadline of a row without one,
//! does not hold, except `!=` and `!~`.

use super::field::Field;
use super::lex::Op;
use super::parse::{Expr, Value};
use crate::table::{Entry, Side};

/// Whether the expression holds for the row.
pub(crate) fn holds(expr: &Expr, entry: &Entry, now_ns: u64) -> bool {
    match expr {
        Expr::And(left, right) => holds(left, entry, now_ns) && holds(right, entry, now_ns),
        Expr::Or(left, right) => holds(left, entry, now_ns) || holds(right, entry, now_ns),
        Expr::Not(inner) => !holds(inner, entry, now_ns),
        Expr::OneOf(field, wanted) => values(*field, entry, now_ns)
            .iter()
            .any(|value| wanted.contains(value)),
        Expr::Compare(field, op, wanted) => {
            let values = values(*field, entry, now_ns);
            let any =
                |test: fn(&Value, &Value) -> bool| values.iter().any(|value| test(value, wanted));
            match op {
                Op::Equal => any(|value, wanted| value == wanted),
                Op::NotEqual => !any(|value, wanted| value == wanted),
                Op::Less => any(|value, wanted| numbers(value, wanted, |left, right| left < right)),
                Op::LessOrEqual => {
                    any(|value, wanted| numbers(value, wanted, |left, right| left <= right))
                }
                Op::Greater => {
                    any(|value, wanted| numbers(value, wanted, |left, right| left > right))
                }
                Op::GreaterOrEqual => {
                    any(|value, wanted| numbers(value, wanted, |left, right| left >= right))
                }
                Op::Contains => any(contains),
                Op::ContainsNot => !any(contains),
            }
        }
    }
}

fn numbers(value: &Value, wanted: &Value, test: fn(i128, i128) -> bool) -> bool {
    matches!((value, wanted), (Value::Number(left), Value::Number(right)) if test(*left, *right))
}

fn contains(value: &Value, wanted: &Value) -> bool {
    matches!((value, wanted), (Value::Text(text), Value::Text(part)) if text.contains(part.as_str()))
}

fn values(field: Field, entry: &Entry, now_ns: u64) -> Vec<Value> {
    let row = &entry.row;
    let text = |text: &str| vec![Value::Text(text.to_lowercase())];
    let number = |number: i128| vec![Value::Number(number)];
    let truth = |truth: bool| text(if truth { "true" } else { "false" });
    let side = |side: Side| {
        side.of(row)
            .map(|it| text(it.state().name()))
            .unwrap_or_default()
    };
    let waiters = |part: fn(&netpoller_proto::v1::Waiter) -> &str| {
        entry
            .directions()
            .filter_map(|it| it.waiter.as_ref())
            .map(|it| Value::Text(part(it).to_lowercase()))
            .collect()
    };
    match field {
        Field::Id => text(&row.id()),
        Field::Fd => number(row.fd.into()),
        Field::Slot => number(row.slot.into()),
        Field::Kind => text(row.kind().name()),
        Field::Local => text(&row.local),
        Field::Peer => text(&row.peer),
        Field::Label => text(&row.label),
        Field::Poller => text(&row.poller),
        Field::State => entry
            .directions()
            .map(|it| Value::Text(it.state().name().to_owned()))
            .collect(),
        Field::Rd => side(Side::Read),
        Field::Wr => side(Side::Write),
        Field::Dir => entry.side.map(|side| text(side.name())).unwrap_or_default(),
        Field::Since => entry
            .since(now_ns)
            .map(|age| number(age.into()))
            .unwrap_or_default(),
        Field::Deadline => entry.deadline_in(now_ns).map(number).unwrap_or_default(),
        Field::Opened => number(now_ns.saturating_sub(row.opened_at_ns).into()),
        Field::Edges => number(entry.edges().into()),
        Field::Where => text(entry.location()),
        Field::Task => waiters(|waiter| &waiter.task),
        Field::Thread => waiters(|waiter| &waiter.thread),
        Field::Closing => truth(row.closing),
        Field::Error => truth(row.event_err),
        Field::Torn => truth(row.torn),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::fixture;
    use crate::query::Query;
    use crate::table::{descriptors, waiters};

    fn admits(filter: &str) -> bool {
        let query: Query = filter
            .parse()
            .unwrap_or_else(|error| panic!("{filter}: {error}"));
        query.admits(
            &descriptors([Arc::new(fixture::parked_reader())])[0],
            fixture::NOW_NS,
        )
    }

    #[test]
    fn a_parked_reader_is_found_by_what_is_seen_of_it() {
        for filter in [
            "state=parked && since>5s && kind=tcp",
            "state = ready",
            "rd=parked && wr=ready",
            "read.state != nil",
            "fd=19",
            "fd in (18, 19)",
            "kind in (udp,tcp)",
            "peer~10.0.0.9 || peer ~ nowhere",
            "!(state=wait)",
            "deadline<20s && deadline>-1s",
            "edges>=1k",
            "task=conn-42",
            "where~server.rs:88",
            "id=42.7",
            "closing=false",
            "label!='the one'",
        ] {
            assert!(admits(filter), "{filter}");
        }
    }

    #[test]
    fn it_is_not_found_by_what_is_not_so() {
        for filter in [
            "state=wait",
            "state!=parked",
            "since>1min",
            "fd<19",
            "kind!=tcp",
            "peer!~10.",
            "!fd=19",
            "edges>2k",
        ] {
            assert!(!admits(filter), "{filter}");
        }
    }

    #[test]
    fn what_is_not_there_compares_with_nothing() {
        let mut row = fixture::parked_reader();
        for side in [&mut row.read, &mut row.write] {
            side.as_mut().expect("a direction").deadline_ns = 0;
        }
        let entry = &descriptors([Arc::new(row)])[0];
        for (filter, wanted) in [
            ("deadline<1h", false),
            ("deadline>1ns", false),
            ("deadline!=5s", true),
        ] {
            let query: Query = filter.parse().expect(filter);
            assert_eq!(query.admits(entry, fixture::NOW_NS), wanted, "{filter}");
        }
    }

    #[test]
    fn a_waiter_has_the_state_of_its_own_direction() {
        let rows = waiters([Arc::new(fixture::parked_reader())]);
        let query: Query = "state=ready || dir=write".parse().expect("a filter");
        assert!(!query.admits(&rows[0], fixture::NOW_NS));
    }

    #[test]
    fn a_slip_is_answered_with_what_was_meant() {
        for (filter, hint) in [
            ("sinse>5s", "did you mean `since`?"),
            ("state=parkd", "did you mean `parked`?"),
            ("kind=tpc", "did you mean `tcp`?"),
            ("since>5 parsecs", "no duration"),
            ("fd=many", "no number"),
            ("kind<tcp", "has no order"),
            ("fd~1", "is not text"),
            ("fd=1 fd=2", "join comparisons"),
            ("(fd=1", "not closed"),
            ("label='x", "not closed"),
            ("fd", "compared with something"),
            ("fd=", "missing"),
            ("", "missing"),
            ("fd in 1", "write the list"),
            ("|", "means nothing"),
        ] {
            let error = filter.parse::<Query>().expect_err(filter);
            assert!(error.contains(hint), "{filter}: {error}");
        }
        let deep = format!("{}fd=1{}", "(".repeat(10_000), ")".repeat(10_000));
        assert!(
            deep.parse::<Query>()
                .expect_err("too deep")
                .contains("too deeply")
        );
    }
}
