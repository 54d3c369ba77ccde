//! What a filter can be about, and the help that says so.

use std::fmt::Write;

use netpoller_proto::filter::{Field, Type};

use crate::table::Rows;

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
    /// Of a table.
    pub(crate) const fn of(rows: &Rows) -> Self {
        if rows.of_directions {
            Self::Directions
        } else {
            Self::Descriptors
        }
    }

    /// Whether rows of this kind have the field. If not, why, and what to write.
    pub(super) fn check(self, field: Field) -> Result<(), String> {
        match self {
            Self::Descriptors if field == Field::Dir => Err(
                "`dir` is a field of waiters and deadlines, which have a row for each direction; of descriptors write \
                 rd=parked or wr=parked"
                    .into(),
            ),
            Self::Events if !field.is_of_events() => {
                let all = Field::ALL.iter().filter(|field| field.is_of_events());
                let known: Vec<&str> = all.map(|field| field.name()).collect();
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

/// What the help is about.
pub(crate) const HELP_TITLE: &str = "The fields and operators of filters: `--where` of ls, top, watch and events, and `/` in the terminal UI.";

/// The fields and operators.
pub(crate) fn help() -> String {
    let mut help = String::from(
        "A filter is FIELD OP VALUE, joined by `and`, `or` and `not` (or &&, || and !), with parentheses:\n\n  \
         netpoller ls -w 'kind=tcp and since>5s and not (peer~^10 or label=admin)'\n\nFields:\n",
    );
    for field in Field::ALL {
        let also = match field.also() {
            [] => String::new(),
            others => format!("; also {}", others.join(", ")),
        };
        let holds = match field.kind() {
            Type::Text => "text".to_owned(),
            Type::Number => "number".to_owned(),
            Type::Duration => "duration".to_owned(),
            Type::OneOf(known) => known().join("|"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            help,
            "  {:<9} {}{also} ({holds})",
            field.name(),
            field.help()
        );
    }
    help.push_str(
        "\nOperators:\n  \
           =  !=            equal, or not; text without regard to case\n  \
           <  <=  >  >=     of numbers and durations\n  \
           ~  !~            text that matches a regular expression, anywhere and without regard to case, or does not;\n                   \
                            write \\. for a dot, and quote what has blanks, parentheses or bars: peer~\"^(10|192)\\.\"\n  \
           in (A, B)        equal to one of several\n\n\
         Numbers may end in k, M or G, or in KiB, MiB or GiB: recvq>4MiB. Durations are written 5s, 10ms or 2min. `-` before a\n\
         duration means ago, where something can be: deadline<-1s is overdue by a second. A field that a row does not\n\
         have fulfils only != and !~.\n",
    );
    help
}

/// A sign where there can be none.
pub(super) fn check_sign(field: Field, word: &str, value: &str) -> Result<(), String> {
    if value.starts_with('-') && !field.is_signed() {
        return Err(format!(
            "`{word}` is never negative, so comparing it with {value} says nothing"
        ));
    }
    Ok(())
}
