//! The description for people.

use std::io::{self, Write};

use crate::description::{Fact, Line, Section};
use crate::out::Style;
use crate::paint::Tone;
use crate::table::Context;

pub(super) fn print(
    style: &Style,
    out: &mut dyn Write,
    sections: &[Section],
    context: &Context,
) -> io::Result<()> {
    for (number, section) in sections.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", Tone::Title.paint(&section.title, style.color))?;
        for line in &section.lines {
            print_line(style, out, line, context)?;
        }
    }
    Ok(())
}

fn print_line(
    style: &Style,
    out: &mut dyn Write,
    line: &Line,
    context: &Context,
) -> io::Result<()> {
    match line {
        Line::Fact(Fact { name, value, tone }) => {
            let value = match value.as_str() {
                "" => "-".to_owned(),
                value => tone.paint(&context.written(value.to_owned()), style.color),
            };
            writeln!(out, "  {name:<15} {value}")
        }
        Line::Below(line) => {
            let line = context.written(format!("    {line}"));
            writeln!(out, "  {:<16}{}", "", Tone::Dim.paint(&line, style.color))
        }
        Line::Cells(cells) => {
            let cells = cells.iter().map(|(text, tone, align, width)| {
                (context.written(text.clone()), *tone, *align, *width)
            });
            style.line(out, &cells.collect::<Vec<_>>())
        }
        Line::Sentence(sentence) => {
            writeln!(out, "  - {}", Tone::Warn.paint(sentence, style.color))
        }
    }
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::{Call, GetDescriptorResponse, KernelView, Socket, Waiter};

    use super::*;
    use crate::description::sections;
    use crate::fixture;
    use crate::out::Format;
    use crate::paint::Palette;
    use crate::table::Entry;
    use std::sync::Arc;

    fn described(socket: Option<Socket>) -> String {
        described_beside(socket, Vec::new())
    }

    fn described_beside(socket: Option<Socket>, others: Vec<Waiter>) -> String {
        let mut row = fixture::parked_reader();
        row.socket = socket;
        if let Some(side) = &mut row.read {
            side.others = others;
        }
        if let Some(waiter) = row.read.as_mut().and_then(|it| it.waiter.as_mut()) {
            (waiter.task, waiter.task_id) = ("6".into(), 6);
        }
        let answer = GetDescriptorResponse {
            kernel: Some(KernelView {
                send_queue: 4_711,
                last_data_received_ns: 38_200_000_000,
                ..Default::default()
            }),
            ..Default::default()
        };
        let context = Context {
            now_ns: fixture::NOW_NS,
            anchor: Default::default(),
            ascii: true,
            several: false,
        };
        let entry = Entry {
            row: Arc::new(row),
            direction: None,
        };
        let style = Style {
            format: Format::Table,
            color: Palette::Mono,
            ascii: true,
            header: true,
            room: None,
            columns: None,
            usual: None,
            sort: None,
            limit: None,
        };
        let mut out = Vec::new();
        let sections = sections(&entry, Some(&answer), &[], &context);
        print(&style, &mut out, &sections, &context).expect("memory takes all");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn of_the_kernel_no_number_is_told_twice() {
        let alone = described(None);
        assert!(alone.contains("  send queue      4 711\n"), "{alone}");
        let parts = described(Some(Socket {
            unacked: Some(0),
            unsent: Some(4_711),
            ..Default::default()
        }));
        assert_eq!(parts.matches("4 711").count(), 1, "{parts}");
        assert!(parts.contains("  unsent          4 711\n"), "{parts}");
    }

    #[test]
    fn calls_that_are_those_of_the_one_before_are_not_told_again() {
        let waiter = |task: &str, function: &str| Waiter {
            task: task.to_owned(),
            stack: vec![Call {
                function: function.to_owned(),
                location: "/home/me/.cargo/registry/src/x/tokio-1.54.1/src/a.rs:7".to_owned(),
            }],
            ..Default::default()
        };
        let others = ["a", "a", "b"].iter().zip(["7", "8", "9"]);
        let others = others.map(|(function, task)| waiter(task, function));
        let text = described_beside(None, others.collect());
        for (part, times) in [
            ("  stack           a\n", 1),
            ("  stack           b\n", 1),
            ("  and             8\n  stack           the same\n", 1),
            ("                      tokio-1.54.1/src/a.rs:7\n", 2),
        ] {
            assert_eq!(text.matches(part).count(), times, "{part}: {text}");
        }
    }

    #[test]
    fn moments_are_told_apart_from_durations_and_a_task_without_a_name_has_one_number() {
        let text = described(None);
        assert!(text.contains("  data came       38.2s ago\n"), "{text}");
        assert!(text.contains("  task            6\n"), "{text}");
    }
}
