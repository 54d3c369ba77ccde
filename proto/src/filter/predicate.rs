//! A filter that was checked, and whether it holds for a row.
//!
//! A field can have several values in one row (a descriptor has the states of two directions): `EQ`
//! holds if any of them is equal, `NE` if none is. A comparison with something that is not there,
//! such as the deadline of a row without one, does not hold, except `NE` and `LACKS`.

use super::error::{DEEPEST, FilterError, LARGEST};
use super::field::{Field, Seen, Type};
use crate::part::Part;
use crate::v1::{self, Operator, filter::Node, filter_value};

/// A [`v1::Filter`] whose names and values are known to be good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicate(Condition);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare {
        field: Field,
        op: Operator,
        wanted: Vec<Value>,
    },
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// In lower case.
    Text(String),
    /// A number, bytes, or nanoseconds.
    Number(i128),
}

impl TryFrom<&v1::Filter> for Predicate {
    type Error = FilterError;

    fn try_from(filter: &v1::Filter) -> Result<Self, FilterError> {
        let mut room = LARGEST;
        condition(filter, DEEPEST, &mut room).map(Self)
    }
}

fn condition(
    filter: &v1::Filter,
    depth: usize,
    room: &mut usize,
) -> Result<Condition, FilterError> {
    let depth = depth.checked_sub(1).ok_or(FilterError::TooDeep)?;
    *room = room.checked_sub(1).ok_or(FilterError::TooLarge)?;
    match filter.node.as_ref().ok_or(FilterError::UnknownNode)? {
        Node::All(all) => list(all, depth, room).map(Condition::All),
        Node::Any(any) => list(any, depth, room).map(Condition::Any),
        Node::Not(inner) => {
            condition(inner, depth, room).map(|inner| Condition::Not(Box::new(inner)))
        }
        Node::Comparison(comparison) => {
            // Each is compared with each row.
            let more = comparison.values.len().saturating_sub(1);
            *room = room.checked_sub(more).ok_or(FilterError::TooLarge)?;
            compare(comparison)
        }
    }
}

fn list(
    list: &v1::FilterList,
    depth: usize,
    room: &mut usize,
) -> Result<Vec<Condition>, FilterError> {
    let depth = depth.checked_sub(1).ok_or(FilterError::TooDeep)?;
    list.filters
        .iter()
        .map(|inner| condition(inner, depth, room))
        .collect()
}

fn compare(comparison: &v1::Comparison) -> Result<Condition, FilterError> {
    let field = Field::named(&comparison.field)
        .ok_or_else(|| FilterError::UnknownField(comparison.field.clone()))?;
    let op = comparison.op();
    match (op, field.kind()) {
        (Operator::Unspecified, _) => return Err(FilterError::UnknownOperator(field)),
        (
            Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge,
            Type::Text | Type::OneOf(_),
        )
        | (Operator::Contains | Operator::Lacks, Type::Number | Type::Duration) => {
            return Err(FilterError::NotComparable(field, op));
        }
        _ => {}
    }
    if op != Operator::In && comparison.values.len() != 1 {
        return Err(FilterError::Values(field, comparison.values.len()));
    }
    let value = |value: &v1::FilterValue| match (field.kind(), value.value.as_ref()) {
        (Type::Text | Type::OneOf(_), Some(filter_value::Value::Text(text))) => {
            Ok(Value::Text(text.to_lowercase()))
        }
        (
            Type::Number,
            Some(filter_value::Value::Number(number) | filter_value::Value::Bytes(number)),
        )
        | (Type::Duration, Some(filter_value::Value::DurationNs(number))) => {
            Ok(Value::Number((*number).into()))
        }
        _ => Err(FilterError::WrongValue(field)),
    };
    let wanted = comparison
        .values
        .iter()
        .map(value)
        .collect::<Result<_, _>>()?;
    Ok(Condition::Compare { field, op, wanted })
}

impl Predicate {
    /// Whether it holds for a row that was read at `captured_at_ns`.
    #[must_use]
    pub fn holds(&self, part: Part<'_>, captured_at_ns: u64) -> bool {
        self.0.holds(part, captured_at_ns)
    }

    /// Whether a row for which it holds may cease to fulfil it, or the other way round, while
    /// nothing happens to it.
    #[must_use]
    pub fn depends_on_time(&self) -> bool {
        self.speaks_of(Field::is_of_time)
    }

    /// Whether it asks for one of these fields.
    #[must_use]
    pub fn speaks_of(&self, fields: impl Fn(Field) -> bool) -> bool {
        !self.0.speaks_only_of(&|field| !fields(field))
    }

    /// What it demands of the `known` fields alone: where this does not hold, it does not hold
    /// either.
    #[must_use]
    pub fn weakened(&self, known: impl Fn(Field) -> bool) -> Self {
        Self(self.0.weakened(&known))
    }

    /// It holds for every row.
    #[must_use]
    pub fn is_trivial(&self) -> bool {
        matches!(&self.0, Condition::All(all) if all.is_empty())
    }
}

impl From<&Predicate> for v1::Filter {
    fn from(predicate: &Predicate) -> Self {
        predicate.0.filter()
    }
}

impl Condition {
    fn holds(&self, part: Part<'_>, now_ns: u64) -> bool {
        match self {
            Self::All(all) => all.iter().all(|inner| inner.holds(part, now_ns)),
            Self::Any(any) => any.iter().any(|inner| inner.holds(part, now_ns)),
            Self::Not(inner) => !inner.holds(part, now_ns),
            Self::Compare { field, op, wanted } => {
                let any = |op| {
                    field.any(part, now_ns, &mut |seen| {
                        wanted.iter().any(|wanted| seen.is(op, wanted))
                    })
                };
                match op {
                    Operator::Ne => !any(Operator::Eq),
                    Operator::Lacks => !any(Operator::Contains),
                    Operator::In => any(Operator::Eq),
                    op => any(*op),
                }
            }
        }
    }

    fn speaks_only_of(&self, known: &dyn Fn(Field) -> bool) -> bool {
        match self {
            Self::All(inner) | Self::Any(inner) => {
                inner.iter().all(|inner| inner.speaks_only_of(known))
            }
            Self::Not(inner) => inner.speaks_only_of(known),
            Self::Compare { field, .. } => known(*field),
        }
    }

    fn weakened(&self, known: &dyn Fn(Field) -> bool) -> Self {
        match self {
            Self::All(all) => Self::All(
                all.iter()
                    .map(|inner| inner.weakened(known))
                    .filter(|inner| *inner != Self::All(Vec::new()))
                    .collect(),
            ),
            other if other.speaks_only_of(known) => other.clone(),
            _ => Self::All(Vec::new()),
        }
    }

    fn filter(&self) -> v1::Filter {
        let list = |inner: &[Self]| v1::FilterList {
            filters: inner.iter().map(Self::filter).collect(),
        };
        let node = match self {
            Self::All(all) => Node::All(list(all)),
            Self::Any(any) => Node::Any(list(any)),
            Self::Not(inner) => Node::Not(Box::new(inner.filter())),
            Self::Compare { field, op, wanted } => Node::Comparison(v1::Comparison {
                field: field.name().to_owned(),
                op: (*op).into(),
                values: wanted.iter().map(|value| value.message(*field)).collect(),
            }),
        };
        v1::Filter { node: Some(node) }
    }
}

impl Value {
    fn message(&self, field: Field) -> v1::FilterValue {
        let value = match self {
            Self::Text(text) => filter_value::Value::Text(text.clone()),
            Self::Number(number) => {
                // It came as one.
                let number = i64::try_from(*number).unwrap_or(i64::MAX);
                match field.kind() {
                    Type::Duration => filter_value::Value::DurationNs(number),
                    _ => filter_value::Value::Number(number),
                }
            }
        };
        v1::FilterValue { value: Some(value) }
    }
}

impl Seen<'_> {
    fn is(&self, op: Operator, wanted: &Value) -> bool {
        match (self, wanted) {
            (Self::Text(text), Value::Text(wanted)) => match op {
                Operator::Eq => text == wanted,
                Operator::Contains => text.contains(wanted.as_str()),
                _ => false,
            },
            (Self::Number(number), Value::Number(wanted)) => match op {
                Operator::Eq => number == wanted,
                Operator::Lt => number < wanted,
                Operator::Le => number <= wanted,
                Operator::Gt => number > wanted,
                Operator::Ge => number >= wanted,
                _ => false,
            },
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{Comparison, Descriptor, Direction, Filter, FilterList, FilterValue, State};

    fn comparison(field: &str, op: Operator, value: filter_value::Value) -> Filter {
        let values = vec![FilterValue { value: Some(value) }];
        Filter {
            node: Some(Node::Comparison(Comparison {
                field: field.into(),
                op: op.into(),
                values,
            })),
        }
    }

    fn fd(number: i64) -> Filter {
        comparison("fd", Operator::Eq, filter_value::Value::Number(number))
    }

    fn peer(text: &str) -> Filter {
        comparison(
            "peer",
            Operator::Contains,
            filter_value::Value::Text(text.into()),
        )
    }

    fn not(filter: Filter) -> Filter {
        Filter {
            node: Some(Node::Not(Box::new(filter))),
        }
    }

    fn all(filters: Vec<Filter>) -> Filter {
        Filter {
            node: Some(Node::All(FilterList { filters })),
        }
    }

    fn check(filter: &Filter) -> Result<Predicate, FilterError> {
        Predicate::try_from(filter)
    }

    #[test]
    fn a_filter_with_a_fault_is_refused_with_its_name() {
        let text = || filter_value::Value::Text("x".into());
        let mut twice = fd(1);
        if let Some(Node::Comparison(comparison)) = &mut twice.node {
            comparison.values.clear();
        }
        for (filter, expected) in [
            (
                comparison("fdd", Operator::Eq, text()),
                FilterError::UnknownField("fdd".into()),
            ),
            (Filter::default(), FilterError::UnknownNode),
            (
                comparison("fd", Operator::Unspecified, text()),
                FilterError::UnknownOperator(Field::Fd),
            ),
            (
                comparison("peer", Operator::Lt, text()),
                FilterError::NotComparable(Field::Peer, Operator::Lt),
            ),
            (
                comparison("fd", Operator::Eq, text()),
                FilterError::WrongValue(Field::Fd),
            ),
            (twice, FilterError::Values(Field::Fd, 0)),
        ] {
            assert_eq!(check(&filter), Err(expected));
        }
    }

    #[test]
    fn a_filter_is_bounded_in_depth_and_size() {
        let nested = |levels: usize| (1..levels).fold(fd(1), |inner, _| not(inner));
        assert!(check(&nested(DEEPEST)).is_ok());
        assert_eq!(check(&nested(DEEPEST + 1)), Err(FilterError::TooDeep));
        assert!(check(&all(vec![fd(1); LARGEST - 1])).is_ok());
        assert_eq!(
            check(&all(vec![fd(1); LARGEST])),
            Err(FilterError::TooLarge)
        );
    }

    #[test]
    fn the_values_of_a_comparison_count_as_much_as_comparisons() {
        let one_of = |count: usize| {
            let mut filter = fd(1);
            if let Some(Node::Comparison(comparison)) = &mut filter.node {
                comparison.set_op(Operator::In);
                comparison.values = vec![comparison.values[0].clone(); count];
            }
            filter
        };
        assert!(check(&one_of(LARGEST)).is_ok());
        assert_eq!(check(&one_of(LARGEST + 1)), Err(FilterError::TooLarge));
    }

    #[test]
    fn the_connectives_of_nothing_are_true_and_false() {
        let row = Descriptor::default();
        let any = Filter {
            node: Some(Node::Any(FilterList::default())),
        };
        assert!(check(&all(Vec::new())).unwrap().holds(Part::whole(&row), 0));
        assert!(!check(&any).unwrap().holds(Part::whole(&row), 0));
    }

    #[test]
    fn what_is_weakened_to_some_fields_holds_wherever_the_whole_does() {
        let rows = [(3, "a"), (3, "b"), (4, "a")].map(|(fd, peer)| Descriptor {
            fd,
            peer: peer.into(),
            ..Default::default()
        });
        let of = |filter: &Filter| check(filter).unwrap();
        let cheap = |filter: &Filter| of(filter).weakened(Field::is_cheap);
        assert_eq!(cheap(&all(vec![fd(3), peer("a")])), of(&all(vec![fd(3)])));
        assert!(cheap(&peer("a")).is_trivial());
        let either = Filter {
            node: Some(Node::Any(FilterList {
                filters: vec![fd(3), peer("a")],
            })),
        };
        assert!(
            cheap(&either).is_trivial(),
            "one of the two may hold by its peer"
        );
        for filter in [
            all(vec![fd(3), peer("a")]),
            either,
            not(peer("a")),
            not(fd(3)),
        ] {
            for row in &rows {
                if of(&filter).holds(Part::whole(row), 0) {
                    assert!(
                        cheap(&filter).holds(Part::whole(row), 0),
                        "{filter:?} {row:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_checked_filter_can_be_sent_as_it_was() {
        let long = comparison("since", Operator::Gt, filter_value::Value::DurationNs(5));
        let filter = all(vec![long, not(peer("a")), fd(3)]);
        assert_eq!(Filter::from(&check(&filter).unwrap()), filter);
    }

    #[test]
    fn a_row_without_a_deadline_is_neither_early_nor_late() {
        let row = Descriptor {
            read: Some(Direction {
                state: State::Parked.into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        for (op, expected) in [
            (Operator::Lt, false),
            (Operator::Gt, false),
            (Operator::Ne, true),
        ] {
            let filter = comparison("deadline", op, filter_value::Value::DurationNs(0));
            assert_eq!(
                check(&filter).unwrap().holds(Part::whole(&row), 7),
                expected,
                "{op:?}"
            );
        }
    }
}
