//! A filter as a tree: evaluated here, and weakened to what a server can be asked.

use netpoller_proto::Part;
use netpoller_proto::filter::{Field, Predicate, any_text};
use netpoller_proto::v1::filter::Node;
use netpoller_proto::v1::filter_value::Value;
use netpoller_proto::v1::{Comparison, Filter, FilterList, FilterValue, Operator};
use regex_lite::{Regex, RegexBuilder};

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    All(Vec<Tree>),
    Any(Vec<Tree>),
    Not(Box<Tree>),
    /// A comparison that every server knows.
    Compare {
        field: Field,
        op: Operator,
        values: Vec<Value>,
    },
    /// A text that a pattern is looked for in.
    Match {
        field: Field,
        pattern: Pattern,
    },
}

/// A regular expression, without regard to case.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Characters with a meaning in a regular expression.
const META: &str = r"\.+*?()|[]{}^$";

impl Pattern {
    /// Reads one; `None` if the text is only a text, which servers can look for too.
    pub(super) fn read(text: &str) -> Result<Option<Self>, String> {
        if !text.contains(|letter| META.contains(letter)) {
            return Ok(None);
        }
        let regex = RegexBuilder::new(text)
            .case_insensitive(true)
            .build()
            .map_err(|error| {
                format!("`{text}` is no regular expression: {error}; write \\ before a character that means itself")
            })?;
        Ok(Some(Self {
            text: text.to_owned(),
            regex,
        }))
    }

    /// A text that is in everything that it matches; empty if none is known.
    fn literal(&self) -> &str {
        // A dot stands for one character and changes nothing beside it; of all else nothing is
        // known.
        if self
            .text
            .contains(|letter| letter != '.' && META.contains(letter))
        {
            return "";
        }
        let pieces = self.text.split('.');
        pieces.max_by_key(|piece| piece.len()).unwrap_or_default()
    }
}

fn list(nodes: &[Tree], join: fn(FilterList) -> Node) -> Filter {
    node(join(FilterList {
        filters: nodes.iter().map(Tree::filter).collect(),
    }))
}

fn node(node: Node) -> Filter {
    Filter { node: Some(node) }
}

fn compare(field: Field, op: Operator, values: &[Value]) -> Filter {
    let value = |value: &Value| FilterValue {
        value: Some(value.clone()),
    };
    node(Node::Comparison(Comparison {
        field: field.name().to_owned(),
        op: op.into(),
        values: values.iter().map(value).collect(),
    }))
}

impl Tree {
    pub(super) fn has_patterns(&self) -> bool {
        match self {
            Self::All(all) | Self::Any(all) => all.iter().any(Self::has_patterns),
            Self::Not(inner) => inner.has_patterns(),
            Self::Compare { .. } => false,
            Self::Match { .. } => true,
        }
    }

    /// What a server can be asked: where this does not hold, the whole does not hold either.
    pub(super) fn filter(&self) -> Filter {
        let everything = || list(&[], Node::All);
        match self {
            Self::All(all) => list(all, Node::All),
            Self::Any(any) => list(any, Node::Any),
            Self::Not(inner) if inner.has_patterns() => everything(),
            Self::Not(inner) => node(Node::Not(Box::new(inner.filter()))),
            Self::Compare { field, op, values } => compare(*field, *op, values),
            Self::Match { field, pattern } => match pattern.literal() {
                // The id with its poller is a text that servers do not know.
                _ if *field == Field::Id => everything(),
                "" => everything(),
                text => compare(
                    *field,
                    Operator::Contains,
                    &[Value::Text(text.to_lowercase())],
                ),
            },
        }
    }

    /// Every field, with the texts that it is equal to, or not.
    pub(super) fn visit(&self, see: &mut dyn FnMut(Field, &[String])) {
        match self {
            Self::All(all) | Self::Any(all) => all.iter().for_each(|inner| inner.visit(see)),
            Self::Not(inner) => inner.visit(see),
            Self::Match { field, .. } => see(*field, &[]),
            Self::Compare { field, op, values } => {
                let texts = values.iter().filter_map(|value| match value {
                    Value::Text(text) => Some(text.clone()),
                    _ => None,
                });
                let equal = matches!(op, Operator::Eq | Operator::Ne | Operator::In);
                see(*field, &texts.filter(|_| equal).collect::<Vec<_>>());
            }
        }
    }
}

/// A tree that is ready to be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    /// All that servers know.
    Known(Predicate),
    Match {
        field: Field,
        pattern: Pattern,
    },
}

impl Expr {
    pub(super) fn of(tree: Tree) -> Result<Self, String> {
        if !tree.has_patterns() {
            let predicate = Predicate::try_from(&tree.filter());
            return predicate
                .map(Self::Known)
                .map_err(|error| format!("the filter: {error}"));
        }
        let each = |trees: Vec<Tree>| trees.into_iter().map(Self::of).collect::<Result<_, _>>();
        Ok(match tree {
            Tree::All(all) => Self::All(each(all)?),
            Tree::Any(any) => Self::Any(each(any)?),
            Tree::Not(inner) => Self::Not(Box::new(Self::of(*inner)?)),
            Tree::Match { field, pattern } => Self::Match { field, pattern },
            Tree::Compare { field, op, values } => {
                let filter = compare(field, op, &values);
                Self::Known(Predicate::try_from(&filter).map_err(|error| error.to_string())?)
            }
        })
    }

    pub(super) fn holds(&self, part: Part<'_>, now_ns: u64) -> bool {
        match self {
            Self::All(all) => all.iter().all(|inner| inner.holds(part, now_ns)),
            Self::Any(any) => any.iter().any(|inner| inner.holds(part, now_ns)),
            Self::Not(inner) => !inner.holds(part, now_ns),
            Self::Known(predicate) => predicate.holds(part, now_ns),
            Self::Match { field, pattern } => {
                let matches = |text: &str| pattern.regex.is_match(text);
                // As tables print it with several pollers; the short form is its end.
                match field {
                    Field::Id => matches(&part.row.id().to_string()) || matches(&part.row.key()),
                    field => any_text(*field, part, matches),
                }
            }
        }
    }

    /// A server can decide it.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self, Self::Known(_))
    }
}
