//! What a filter can be about, and the help that says so.

use std::fmt::Write;

use netpoller_proto::filter::{Field, Type};

/// The rows that a filter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Whole descriptors.
    Descriptors,
    /// Directions of descriptors: waiters and deadlines.
    Directions,
    /// Events of the flight recorder.
    Events,
    /// Now these, now those.
    Any,
}

impl Scope {
    /// Whether rows of this kind have the field. If not, why, and what to write.
    pub(super) fn check(self, field: Field) -> Result<(), String> {
        match self {
            Self::Descriptors if field == Field::Dir => Err(
                "`dir` is a field of waiters and deadlines, which have a row for each direction; of descriptors write \
                 rd=parked or wr=parked"
                    .into(),
            ),
            Self::Events if !is_of_events(field) => {
                let known: Vec<&str> = fields()
                    .filter(|(_, field)| is_of_events(*field))
                    .map(|(name, _)| name)
                    .collect();
                Err(format!(
                    "`{}` is no field of events, which have {}; kinds of events are chosen with --kind",
                    field.name(),
                    known.join(", ")
                ))
            }
            _ => Ok(()),
        }
    }
}

/// An event has it of its own, or of its descriptor, where it does not change from moment to moment.
fn is_of_events(field: Field) -> bool {
    is_own_of_events(field)
        || matches!(
            field,
            Field::Fd
                | Field::Kind
                | Field::Local
                | Field::Peer
                | Field::Label
                | Field::Opened
                | Field::Where
                | Field::Task
        )
}

/// The event itself has it.
pub(crate) fn is_own_of_events(field: Field) -> bool {
    matches!(
        field,
        Field::Poller | Field::Id | Field::Slot | Field::Dir | Field::Thread
    )
}

/// Each field by its first name.
fn fields() -> impl Iterator<Item = (&'static str, Field)> {
    Field::NAMES
        .into_iter()
        .filter(|(name, field)| field.name() == *name)
}

/// What the help is about.
pub(crate) const HELP_TITLE: &str = "The fields and operators of filters: `--where` of ls, top, watch and events, and `/` in the terminal UI.";

/// The fields and operators.
pub(crate) fn help() -> String {
    let mut help = String::from(
        "A filter is FIELD OP VALUE, joined by &&, || and !, with parentheses:\n\n  \
         netpoller ls -w 'kind=tcp && since>5s && !(peer~^10 || label=admin)'\n\nFields:\n",
    );
    for (name, field) in fields() {
        let others: Vec<&str> = Field::NAMES
            .into_iter()
            .filter(|(other, it)| *it == field && *other != name)
            .map(|(other, _)| other)
            .collect();
        let also = match others[..] {
            [] => String::new(),
            _ => format!("; also {}", others.join(", ")),
        };
        let holds = match field.kind() {
            Type::Text => "text".to_owned(),
            Type::Number => "number".to_owned(),
            Type::Duration => "duration".to_owned(),
            Type::OneOf(known) => known().join("|"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(help, "  {name:<9} {}{also} ({holds})", field.help());
    }
    help.push_str(
        "\nOperators:\n  \
           =  !=            equal, or not; text without regard to case\n  \
           <  <=  >  >=     of numbers and durations\n  \
           ~  !~            text that matches a regular expression, anywhere and without regard to case, or does not;\n                   \
                            write \\. for a dot, and quote what has blanks, parentheses or bars: peer~\"^(10|192)\\.\"\n  \
           in (A, B)        equal to one of several\n\n\
         Numbers may end in k, M or G; durations are written 5s, 10ms or 2min. `-` before a duration means ago, where\n\
         something can be: deadline<-1s is overdue by a second. A field that a row does not have fulfils only != and !~.\n",
    );
    help
}

/// A sign where there can be none.
pub(super) fn check_sign(field: Field, word: &str, value: &str) -> Result<(), String> {
    let signed = matches!(field, Field::Fd | Field::Deadline);
    if value.starts_with('-') && !signed {
        return Err(format!(
            "`{word}` is never negative, so comparing it with {value} says nothing"
        ));
    }
    Ok(())
}
