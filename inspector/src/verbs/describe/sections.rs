//! The description for people, section by section.

use std::io::{self, Write};

use netpoller_proto::Direction;
use netpoller_proto::v1::{
    Call, GetDescriptorResponse, Histogram, Kept, KernelView, PollingThread, Queued, Socket,
};

use super::hints::name_of;
use super::phrases::{beside, person, wake_lines};
use crate::out::Style;
use crate::paint::Tone;
use crate::quantile;
use crate::table::{Align, Context, Entry, at_least, detail, epoll_names, state_cell};
use crate::text;

/// Transitions shown; the document has all.
const SHOWN: usize = 16;
/// Of those who wait for the descriptor's lock; the document and `ls waiters` have all.
const QUEUED: usize = 8;

pub(super) fn print(
    style: &Style,
    out: &mut dyn Write,
    entry: &Entry,
    answer: &GetDescriptorResponse,
    hints: &[String],
    context: &Context,
) -> io::Result<()> {
    let sections = Sections { style, context };
    sections.identity(out, entry)?;
    for direction in Direction::ALL {
        sections.direction(out, entry, direction)?;
    }
    // Nobody keeps it of a process that is read from outside.
    let is_kept = |direction| {
        entry
            .row
            .side(direction)
            .is_some_and(|it| it.transitions.is_some())
    };
    if Direction::ALL.into_iter().any(is_kept) {
        sections.history(out, answer)?;
    }
    sections.latencies(out, &answer.histograms)?;
    if let Some(kernel) = &answer.kernel {
        sections.kernel(out, kernel, entry.row.socket.as_ref())?;
        if let Some(socket) = &entry.row.socket {
            sections.socket(out, socket)?;
        }
    }
    if let Some(kept) = &answer.kept {
        sections.kept(out, kept)?;
    }
    sections.polled_by(out, &answer.polled_by)?;
    if !hints.is_empty() {
        sections.title(out, "HINTS")?;
        for hint in hints {
            writeln!(out, "  - {}", Tone::Warn.paint(hint, style.color))?;
        }
    }
    Ok(())
}

struct Sections<'a> {
    style: &'a Style,
    context: &'a Context,
}

impl Sections<'_> {
    fn title(&self, out: &mut dyn Write, title: &str) -> io::Result<()> {
        writeln!(out, "\n{}", Tone::Title.paint(title, self.style.color))
    }

    fn field(&self, out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
        let value = if value.is_empty() { "-" } else { value };
        let value = self.context.written(value.to_owned());
        writeln!(out, "  {name:<16}{value}")
    }

    fn ago(&self, moment_ns: u64) -> String {
        if moment_ns == 0 {
            return String::new();
        }
        format!(
            "{} ago",
            text::duration(self.context.now_ns.saturating_sub(moment_ns))
        )
    }

    fn identity(&self, out: &mut dyn Write, entry: &Entry) -> io::Result<()> {
        let row = &entry.row;
        writeln!(
            out,
            "{}",
            Tone::Title.paint(&format!("DESCRIPTOR {}", row.key()), self.style.color)
        )?;
        let fd = if row.fd < 0 {
            String::new()
        } else {
            row.fd.to_string()
        };
        let opened = format!("{}  {}", self.ago(row.opened_at_ns), row.opened_location);
        for (name, value) in [
            ("fd", fd.as_str()),
            ("kind", row.kind().name()),
            ("local", &row.local),
            ("peer", &row.peer),
            ("label", &row.label),
            ("opened", opened.trim()),
            ("last events", &epoll_names(row.last_events)),
            ("flags", &entry.flags()),
        ] {
            self.field(out, name, value)?;
        }
        Ok(())
    }

    fn direction(
        &self,
        out: &mut dyn Write,
        entry: &Entry,
        direction: Direction,
    ) -> io::Result<()> {
        let Some(side) = entry.row.side(direction) else {
            return Ok(());
        };
        self.title(out, &direction.name().to_uppercase())?;
        let state = state_cell(side.state());
        let age = self.context.now_ns.saturating_sub(side.since_ns);
        let since = match side.since_ns {
            0 => String::new(),
            _ if side.since_at_least => {
                format!(" at each look for {}", at_least(age, self.context))
            }
            _ => format!(" for {}", text::duration(age)),
        };
        self.field(out, "state", &format!("{}{since}", state.text))?;
        if let Some(waiter) = &side.waiter {
            // One without a name is called by its number already.
            let id = match waiter.task_id {
                0 => String::new(),
                id if waiter.task.trim_start_matches('G') == id.to_string() => String::new(),
                id => format!(" (task {id})"),
            };
            self.field(out, "task", format!("{}{id}", waiter.task).trim())?;
            self.field(out, "thread", &waiter.thread)?;
            for (name, value) in [
                ("future", &waiter.future),
                ("task state", &waiter.task_state),
                ("waits for", &waiter.reason),
            ] {
                if !value.is_empty() {
                    self.field(out, name, value)?;
                }
            }
            self.field(out, "waits at", text::tail_of_path(&waiter.line()))?;
            self.stack(out, "stack", &waiter.stack)?;
            self.stack(out, "within", &waiter.within)?;
            if waiter.nearest.is_some() {
                self.field(out, "library's line", &waiter.location)?;
            }
        }
        let mut above = side.waiter.as_ref().map(|it| &it.stack);
        for other in &side.others {
            self.field(out, "and", &beside(other))?;
            match above {
                Some(stack) if !stack.is_empty() && *stack == other.stack => {
                    self.field(out, "stack", "the same")?;
                }
                _ => {
                    self.stack(out, "stack", &other.stack)?;
                    self.stack(out, "within", &other.within)?;
                }
            }
            above = Some(&other.stack);
        }
        self.queued(out, &side.queued)?;
        let one = Entry {
            row: entry.row.clone(),
            direction: Some(direction),
        };
        let deadline = match one.deadline_in(self.context.now_ns) {
            _ if one.expired() => "expired".to_owned(),
            None => String::new(),
            Some(left) => {
                let size = text::duration(u64::try_from(left.unsigned_abs()).unwrap_or(u64::MAX));
                if left < 0 {
                    format!("{size} overdue")
                } else {
                    format!("in {size}")
                }
            }
        };
        self.field(out, "deadline", &deadline)?;
        if let Some(wake) = &side.last_wake {
            for (name, value) in wake_lines(wake, &self.ago(wake.fetched_ns)) {
                self.field(out, name, &value)?;
            }
        }
        let Some(transitions) = side.transitions else {
            return Ok(());
        };
        let counts: Vec<String> = transitions
            .named()
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{name} {}", text::grouped(count)))
            .collect();
        self.field(out, "transitions", &counts.join(", "))
    }

    /// The calls that a waiter is in, the innermost first, each with its line below it.
    fn stack(&self, out: &mut dyn Write, name: &str, stack: &[Call]) -> io::Result<()> {
        for (index, call) in stack.iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            self.field(out, name, &call.function)?;
            if !call.location.is_empty() {
                let line = self
                    .context
                    .written(format!("    {}", text::tail_of_path(&call.location)));
                writeln!(
                    out,
                    "  {:<16}{}",
                    "",
                    Tone::Dim.paint(&line, self.style.color)
                )?;
            }
        }
        Ok(())
    }

    /// What its runtime keeps of it.
    fn kept(&self, out: &mut dyn Write, kept: &Kept) -> io::Result<()> {
        self.title(out, "MEMORY")?;
        self.field(
            out,
            "kept as",
            &format!("{} at {:#x}", kept.r#type, kept.address),
        )?;
        match kept.sequence {
            None => Ok(()),
            Some(sequence) => self.field(out, "sequence", &text::grouped(sequence)),
        }
    }

    /// Who waits for the descriptor's lock, in order of arrival.
    fn queued(&self, out: &mut dyn Write, queued: &[Queued]) -> io::Result<()> {
        for (index, one) in queued.iter().take(QUEUED).enumerate() {
            let name = if index == 0 { "queued" } else { "" };
            let who = one.waiter.as_ref().map(person).unwrap_or_default();
            let age = text::duration(self.context.now_ns.saturating_sub(one.since_ns));
            self.field(out, name, &format!("{who}, for {age}"))?;
        }
        match queued.len().saturating_sub(QUEUED) {
            0 => Ok(()),
            more => self.field(out, "", &format!("and {more} more: netpoller ls waiters")),
        }
    }

    fn history(&self, out: &mut dyn Write, answer: &GetDescriptorResponse) -> io::Result<()> {
        let events = &answer.history;
        let left_out = events.len().saturating_sub(SHOWN);
        let title = match left_out {
            0 => "LAST TRANSITIONS".to_owned(),
            more => format!("LAST TRANSITIONS ({more} older ones: --format json)"),
        };
        self.title(out, &title)?;
        if events.is_empty() {
            return self.field(out, "none", "");
        }
        for event in &events[left_out..] {
            let age = text::duration(self.context.now_ns.saturating_sub(event.at_ns));
            let age = self.context.written(age);
            let cells = [
                (format!("  -{age}"), Tone::Dim, Align::Right, 11),
                (
                    name_of(event.direction()).to_owned(),
                    Tone::Plain,
                    Align::Left,
                    5,
                ),
                (event.kind().name().to_owned(), Tone::Title, Align::Left, 17),
                (detail(event, self.context), Tone::Plain, Align::Left, 24),
                (event.thread.clone(), Tone::Dim, Align::Left, 32),
            ];
            self.style.line(out, &cells)?;
        }
        Ok(())
    }

    fn latencies(&self, out: &mut dyn Write, histograms: &[Histogram]) -> io::Result<()> {
        let known = histograms.iter().filter(|histogram| histogram.count > 0);
        let lines: Vec<(&str, String)> = known
            .map(|histogram| {
                let quantiles = quantile::SHOWN.map(|(name, share)| {
                    let value = quantile::quantile(histogram, share).unwrap_or(0);
                    format!("{name} {}", text::sample(value, &histogram.unit))
                });
                let line = format!(
                    "{}, of {}",
                    quantiles.join("  "),
                    text::grouped(histogram.count)
                );
                (histogram.name.as_str(), line)
            })
            .collect();
        if lines.is_empty() {
            return Ok(());
        }
        self.title(out, "LATENCIES, as far back as the flight recorder reaches")?;
        lines
            .iter()
            .try_for_each(|(name, line)| self.field(out, name, line))
    }

    /// Who polls for it, and for how long the kernel kept them from it.
    fn polled_by(&self, out: &mut dyn Write, threads: &[PollingThread]) -> io::Result<()> {
        if threads.is_empty() {
            return Ok(());
        }
        self.title(out, "POLLED BY")?;
        for thread in threads {
            let times = thread.ran_ns.zip(thread.run_delay_ns);
            let times = times.map_or_else(String::new, |(ran, delay)| {
                let (ran, delay) = (text::duration(ran), text::duration(delay));
                format!("ran for {ran}, waited {delay} for a processor, ever")
            });
            self.field(out, &thread.name, &times)?;
        }
        Ok(())
    }

    fn kernel(
        &self,
        out: &mut dyn Write,
        view: &KernelView,
        socket: Option<&Socket>,
    ) -> io::Result<()> {
        self.title(out, "KERNEL")?;
        let bytes = |number: i64| {
            if number < 0 {
                String::new()
            } else {
                text::signed(number)
            }
        };
        let time = |number: i64| {
            u64::try_from(number)
                .map(text::duration)
                .unwrap_or_default()
        };
        let came = match time(view.last_data_received_ns) {
            time if time.is_empty() => time,
            time => format!("{time} ago"),
        };
        // Where its parts are known, they say all of it.
        let is_in_parts = socket.is_some_and(|it| it.unacked.is_some() && it.unsent.is_some());
        let send_queue = match is_in_parts {
            true => String::new(),
            false => bytes(view.send_queue),
        };
        let registered = if view.registered {
            format!("for {}", epoll_names(view.events))
        } else {
            "no".to_owned()
        };
        let inode = if view.inode == 0 {
            String::new()
        } else {
            view.inode.to_string()
        };
        let ready = match view.ready {
            0 if !view.error.is_empty() => String::new(),
            ready => epoll_names(ready),
        };
        for (name, value) in [
            ("registered", registered.as_str()),
            // From outside nobody can ask for it, and that is told below.
            ("ready now", &ready),
            ("blocking mode", if view.blocking { "yes" } else { "no" }),
            ("to be read", &bytes(view.receive_queue)),
            ("send queue", &send_queue),
            ("tcp state", &view.tcp_state),
            ("data came", &came),
            ("round trip", &time(view.rtt_ns)),
            ("sent again", &bytes(view.retransmits)),
            ("inode", &inode),
            ("not known", &view.error),
        ] {
            if !value.is_empty() {
                self.field(out, name, value)?;
            }
        }
        Ok(())
    }

    /// What the kernel's view of the descriptor has not said.
    fn socket(&self, out: &mut dyn Write, socket: &Socket) -> io::Result<()> {
        let number = |number: Option<u64>| number.map_or_else(String::new, text::grouped);
        let ago = |moment: Option<u64>| self.ago(moment.unwrap_or(0));
        let acceptq = match (socket.acceptq, socket.acceptq_limit) {
            (Some(waiting), Some(limit)) => format!("{waiting} of {limit}"),
            _ => String::new(),
        };
        for (name, value) in [
            ("unacknowledged", number(socket.unacked)),
            ("unsent", number(socket.unsent)),
            ("data sent", ago(socket.last_send_ns)),
            ("accept queue", acceptq),
            ("bytes received", number(socket.bytes_received)),
            ("bytes sent", number(socket.bytes_sent)),
            ("dropped", number(socket.drops.filter(|drops| *drops > 0))),
        ] {
            if !value.is_empty() {
                self.field(out, name, &value)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::Waiter;

    use super::*;
    use crate::fixture;
    use crate::out::Format;
    use crate::paint::Palette;
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
        print(&style, &mut out, &entry, &answer, &[], &context).expect("memory takes all");
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
