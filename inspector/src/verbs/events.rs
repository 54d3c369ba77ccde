//! `netpoller events`: the flight recorder, as a dump or as it goes on.

use std::io::{self, BufWriter, Write};
use std::time::{Duration, Instant};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use netpoller_proto::v1::{
    Cause, Event, EventKind, Mode, TransitionsFrame, WatchTransitionsRequest,
};
use netpoller_proto::vocabulary;

use super::admission::Admission;
use crate::client::{self, Connection, Selector};
use crate::document;
use crate::failure::{Failure, note};
use crate::globals::{Format, Globals};
use crate::out::{Head, Printer};
use crate::paint::Tone;
use crate::table::{Align, Context, epoll_names};
use crate::text;

/// What to hear of.
#[derive(Debug, Clone, Args)]
pub(crate) struct EventsArgs {
    /// Only this descriptor: 42.7, POLLER/42.7 or fd:19.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Only these kinds, for example park,ready_parked.
    #[arg(short, long, value_name = "KIND,…", value_delimiter = ',', value_parser = kinds())]
    pub(crate) kind: Vec<EventKind>,
    /// Only this direction.
    #[arg(long, value_name = "DIRECTION")]
    pub(crate) direction: Option<Direction>,
    /// Begin with what the recorder still holds.
    #[arg(long)]
    pub(crate) history: bool,
    /// Print what the recorder still holds, and end.
    #[arg(long, conflicts_with = "follow")]
    pub(crate) dump: bool,
    /// Go on until interrupted; this is the default.
    #[arg(long)]
    pub(crate) follow: bool,
}

/// A direction of a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// Reading.
    Read,
    /// Writing.
    Write,
}

impl From<Direction> for Mode {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Read => Self::Read,
            Direction::Write => Self::Write,
        }
    }
}

/// The kinds of events, all of which the shell can complete.
fn kinds() -> impl TypedValueParser<Value = EventKind> {
    PossibleValuesParser::new(vocabulary::EventKind::ALL.map(vocabulary::EventKind::name))
        .try_map(|name| name.parse::<EventKind>())
}

/// What they are called in messages.
const EVENTS: &str = "its events";
/// Events that are kept to make one document of them.
const MOST_KEPT: usize = 400_000;

pub(crate) fn run(globals: &Globals, args: &EventsArgs) -> Result<(), Failure> {
    super::block_on(follow(globals, args))
}

async fn follow(globals: &Globals, args: &EventsArgs) -> Result<(), Failure> {
    let connection = super::connection(globals).await?;
    let (poller, id) = match &args.id {
        None => (String::new(), String::new()),
        Some(which) => {
            which
                .parse::<Selector>()
                .map_err(Failure::Usage)?
                .find(&connection)
                .await?
        }
    };
    super::check_pollers(globals.filter.as_ref(), &connection)?;
    let mut admission = Admission::new(&connection, globals.filter.as_ref());
    let request = WatchTransitionsRequest {
        poller,
        id,
        direction: args.direction.map_or(Mode::Unspecified, Mode::from).into(),
        kinds: args.kind.iter().map(|kind| (*kind).into()).collect(),
        history: args.history,
        history_only: args.dump,
    };
    let (mut client, mut patient) = (connection.client.clone(), connection.clone());
    let mut stream = client::answer(&connection, EVENTS, client.watch_transitions(request)).await?;
    let mut out = Out::new(globals, &connection);
    out.titles()?;
    let mut loss = Loss::default();
    let limit = globals.limit.unwrap_or(usize::MAX);
    let mut printed = 0;
    loop {
        // A dump is an answer, and what it takes to print it does not count.
        let asked = Instant::now();
        let within = args.dump.then_some(Duration::ZERO);
        let Some(frame) = client::next(&patient, EVENTS, &mut stream, within).await? else {
            break;
        };
        loss.tell(&frame);
        let mut wanted = admission.admitted(frame.events).await?;
        if args.dump {
            patient.timeout = patient.timeout.saturating_sub(asked.elapsed());
        }
        wanted.truncate(limit - printed);
        printed += wanted.len();
        out.events(wanted, frame.captured_at_ns)?;
        if printed >= limit {
            break;
        }
    }
    out.finish(loss.nothing())?;
    if !args.dump && printed < limit {
        let trouble = connection.peer.trouble_soon().await;
        let target = connection.target.to_string();
        return Err(Failure::lost(target, "the stream has ended", trouble));
    }
    Ok(())
}

/// What was lost so far, told on stderr when it grows: stdout is for data.
#[derive(Default)]
struct Loss {
    lost: u64,
    dropped: u64,
}

impl Loss {
    fn tell(&mut self, frame: &TransitionsFrame) {
        if frame.lost > self.lost {
            let more = frame.lost - self.lost;
            note(&format!(
                "{more} events were overwritten before they could be read"
            ));
        }
        if frame.dropped > self.dropped {
            let more = frame.dropped - self.dropped;
            note(&format!(
                "{more} events were left out because this command was slow"
            ));
        }
        self.lost = self.lost.max(frame.lost);
        self.dropped = self.dropped.max(frame.dropped);
    }

    fn nothing(&self) -> bool {
        self.lost == 0 && self.dropped == 0
    }
}

/// Prints events as they come.
struct Out<'a> {
    printer: Printer<'a>,
    globals: &'a Globals,
    connection: &'a Connection,
    context: Context,
    several: bool,
    /// For one whole document.
    kept: Vec<Event>,
}

impl<'a> Out<'a> {
    fn new(globals: &'a Globals, connection: &'a Connection) -> Self {
        let head = Head::of(
            connection,
            "",
            connection.server.captured_at_ns,
            globals.ascii,
        );
        Self {
            printer: Printer::new(globals),
            globals,
            connection,
            context: head.context,
            several: connection.server.pollers.len() > 1,
            kept: Vec::new(),
        }
    }

    fn titles(&self) -> Result<(), Failure> {
        if self.globals.no_header || !self.is_table() {
            return Ok(());
        }
        let title = |name: &str| name.to_owned();
        let cells = self.cells(
            [
                title("TIME"),
                title("ID"),
                title("DIR"),
                title("KIND"),
                title("DETAIL"),
                title("THREAD"),
            ],
            [Tone::Title; 6],
        );
        let mut out = io::stdout().lock();
        Ok(self.printer.line(&mut out, &cells)?)
    }

    fn is_table(&self) -> bool {
        matches!(self.globals.format, Format::Table | Format::Wide)
    }

    fn cells(&self, texts: [String; 6], tones: [Tone; 6]) -> Vec<(String, Tone, Align, usize)> {
        let id = if self.several { 24 } else { 12 };
        let widths = [15, id, 5, 17, 24, 0];
        let taken: usize = widths.iter().map(|width| width + 2).sum();
        texts
            .into_iter()
            .zip(tones)
            .zip(widths)
            .enumerate()
            .map(|(index, ((text, tone), width))| {
                // The name of the thread gets what is left of a terminal; only its end tells it from others.
                let room = self.printer.room.filter(|_| index == 5);
                let text = match room.map(|room| room.saturating_sub(taken)) {
                    Some(room) if room >= 8 => {
                        text::cut_middle(&text, room, self.context.ascii).into_owned()
                    }
                    _ => text,
                };
                (text, tone, Align::Left, width)
            })
            .collect()
    }

    fn events(&mut self, events: Vec<Event>, captured_at_ns: u64) -> Result<(), Failure> {
        self.context.now_ns = captured_at_ns;
        // Others may have been made since the beginning.
        let is_known = |event: &Event| {
            let mut known = self.connection.server.pollers.iter();
            known.any(|poller| poller.name == event.poller)
        };
        self.several |= !events.iter().all(is_known);
        if self.globals.format == Format::Json {
            self.kept.extend(events);
            if self.kept.len() > MOST_KEPT {
                return Err(Failure::Runtime(format!(
                    "{} has more than {MOST_KEPT} events, which is too much for one document: ask for fewer, or for \
                     --format jsonl",
                    self.connection.target
                )));
            }
            return Ok(());
        }
        let mut out = BufWriter::new(io::stdout().lock());
        for event in &events {
            if self.is_table() {
                self.printer.line(&mut out, &self.line(event))?;
            } else {
                serde_json::to_writer(&mut out, &document::event(event, &self.context))?;
                out.write_all(b"\n")?;
            }
        }
        Ok(out.flush()?)
    }

    fn line(&self, event: &Event) -> Vec<(String, Tone, Align, usize)> {
        // The time of day, to the microsecond.
        let time = self.context.anchor.rfc3339(event.at_ns).unwrap_or_default();
        let time = time.get(11..26).unwrap_or(&time).to_owned();
        let dash = |text: &str| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text.to_owned()
            }
        };
        self.cells(
            [
                time,
                self.id(event),
                dash(event.direction().name().unwrap_or_default()),
                event.kind().name().to_owned(),
                detail(event, self.context.ascii),
                event.thread.clone(),
            ],
            [
                Tone::Dim,
                Tone::Title,
                Tone::Plain,
                tone(event.kind()),
                Tone::Plain,
                Tone::Dim,
            ],
        )
    }

    /// Its descriptor as every verb takes it; the poller alone, if it is about the poller.
    fn id(&self, event: &Event) -> String {
        match (self.several, event.id.is_empty()) {
            (true, true) => event.poller.clone(),
            (true, false) => format!("{}/{}", event.poller, event.id),
            (false, true) => "-".to_owned(),
            (false, false) => event.id.clone(),
        }
    }

    fn finish(&self, complete: bool) -> Result<(), Failure> {
        if self.globals.format != Format::Json {
            return Ok(());
        }
        let head = Head::of(
            self.connection,
            "netpoller/v1/events",
            self.context.now_ns,
            self.globals.ascii,
        );
        let items = self
            .kept
            .iter()
            .map(|event| document::event(event, &self.context))
            .collect();
        super::print(|out| self.printer.document(out, head, complete, items))
    }
}

fn tone(kind: EventKind) -> Tone {
    match kind {
        EventKind::Park => Tone::Parked,
        EventKind::ReadyIdle | EventKind::ReadyArmed | EventKind::ReadyParked => Tone::Ready,
        EventKind::StaleEvent
        | EventKind::Evicted
        | EventKind::EventErrSet
        | EventKind::DeadlineFired => Tone::Warn,
        _ => Tone::Plain,
    }
}

/// What the argument of an event says; a dash for nothing.
pub(crate) fn detail(event: &Event, ascii: bool) -> String {
    let argument = event.argument;
    let micros = |micros: u32| text::duration(u64::from(micros) * 1_000);
    let said = match event.kind() {
        EventKind::Event | EventKind::StaleEvent => epoll_names(argument),
        EventKind::UnblockArmed | EventKind::UnblockParked => i32::try_from(argument)
            .ok()
            .and_then(|cause| Cause::try_from(cause).ok())
            .map_or_else(|| argument.to_string(), |cause| cause.name().to_owned()),
        #[allow(clippy::cast_possible_wrap)] // -1 for a sleep.
        EventKind::Opened | EventKind::Closed => match argument as i32 {
            -1 => "a sleep".to_owned(),
            fd => format!("fd {fd}"),
        },
        EventKind::DeadlineSet => format!("in {}", micros(argument)),
        EventKind::DeadlineFired => format!("{} late", micros(argument)),
        EventKind::Poll => format!("{argument} events"),
        EventKind::Run => format!("{} after the wake", text::duration(argument.into())),
        _ if argument != 0 => argument.to_string(),
        _ => "-".to_owned(),
    };
    if ascii { text::ascii(said) } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_said_in_its_unit() {
        let said = |kind: EventKind, argument| {
            detail(
                &Event {
                    kind: kind.into(),
                    argument,
                    ..Event::default()
                },
                true,
            )
        };
        assert_eq!(said(EventKind::Event, 0x2001), "IN|RDHUP");
        assert_eq!(
            said(EventKind::UnblockParked, Cause::Deadline as u32),
            "deadline"
        );
        assert_eq!(said(EventKind::Opened, 19), "fd 19");
        assert_eq!(said(EventKind::Closed, u32::MAX), "a sleep");
        assert_eq!(said(EventKind::DeadlineSet, 5_000_000), "in 5.0s");
        assert_eq!(said(EventKind::DeadlineFired, 40), "40.0us late");
        assert_eq!(said(EventKind::Run, 12_400), "12.4us after the wake");
        assert_eq!(said(EventKind::Arm, 0), "-");
    }
}
