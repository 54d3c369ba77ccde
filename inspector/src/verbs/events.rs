//! `netpoller events`: the flight recorder, as a dump or as it goes on.

use std::io::{self, BufWriter, Write};
use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use netpoller_proto::v1::{Event, TransitionsFrame, WatchTransitionsRequest};
use netpoller_proto::vocabulary::{Direction, EventKind, UnknownName};

use super::admission::Admission;
use crate::document;
use crate::events::Counted;
use crate::failure::{Failure, note};
use crate::globals::Globals;
use crate::out::{Format, Sheet, Style};
use crate::query::Scope;
use crate::source::{Connection, Selector};
use crate::table::{Column, Context, CountBy, EVENT_COUNTS, EVENTS, EventCount, Fit};
use crate::verbs::verb::{ALL, NO_END, Usage, Verb, known};

/// Which events to show.
#[derive(Debug, Clone, Args)]
pub(crate) struct EventsArgs {
    /// Only this descriptor: 42.7, POLLER/42.7 or fd:19.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Only these kinds, for example park,ready_parked.
    #[arg(short, long, value_name = "KIND,…", value_delimiter = ',', value_parser = words::<EventKind>(EventKind::ALL.map(EventKind::name)))]
    pub(crate) kind: Vec<EventKind>,
    /// Only this direction.
    #[arg(long, value_name = "DIRECTION", value_parser = words::<Direction>(Direction::ALL.map(Direction::name)))]
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
    /// Go on for so long, and end.
    #[arg(long = "for", value_name = "DUR", value_parser = humantime::parse_duration, conflicts_with_all = ["dump", "follow"])]
    pub(crate) duration: Option<Duration>,
    /// Count the events by what they have in common, for example location,kind, those of --dump or
    /// of --for; the rows have columns, are limited and sorted.
    #[arg(
        long,
        value_name = "BY,…",
        value_delimiter = ',',
        conflicts_with = "follow"
    )]
    pub(crate) count_by: Vec<CountBy>,
}

/// Words of a list, all of which the shell can complete.
fn words<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = UnknownName> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// Events that are kept to make one document of them.
const MOST_KEPT: usize = 400_000;

impl Verb for EventsArgs {
    fn usage(&self) -> Usage {
        if !self.count_by.is_empty() {
            return Usage {
                why: "its columns are what it counts by",
                limit: true,
                filter: Some(Scope::Events),
                sort: Some(|name| known(&EVENT_COUNTS, name)),
                ..Usage::of("events --count-by")
            };
        }
        Usage {
            why: "events come as they happen",
            limit: true,
            filter: Some(Scope::Events),
            formats: if self.dump { ALL } else { NO_END },
            instead: "events have no end, so there is no whole document; use --format jsonl, or --dump",
            ..Usage::of("events")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        if !self.count_by.is_empty() && !self.dump && self.duration.is_none() {
            return Err(Failure::Usage(
                "--count-by counts what there is or what comes in a while: add --dump, or --for 10s".into(),
            ));
        }
        super::block_on(follow(globals, self))
    }
}

async fn follow(globals: &Globals, args: &EventsArgs) -> Result<(), Failure> {
    let connection = super::connection(globals).await?;
    let (poller, id) = match &args.id {
        None => (String::new(), String::new()),
        Some(which) => {
            let which: Selector = which.parse().map_err(Failure::Usage)?;
            let (poller, id) = which.find(&connection).await?;
            (poller, id.to_string())
        }
    };
    super::check_pollers(globals.filter.as_ref(), &connection)?;
    let with_rows = args.count_by.iter().any(|by| by.is_of_row());
    let mut admission = Admission::new(&connection, globals.filter.as_ref(), with_rows);
    let mut counted = Counted::default();
    let counts = !args.count_by.is_empty();
    let request = WatchTransitionsRequest {
        poller,
        id,
        direction: args.direction.map_or(0, Direction::number),
        kinds: args.kind.iter().map(|kind| kind.number()).collect(),
        history: args.history,
        history_only: args.dump,
    };
    let lasts = args.duration.map(|duration| {
        // A recording from where what goes on begins.
        connection.start();
        connection.lasts(duration)
    });
    // What is read of a recording is ahead of what has come here.
    let until_ns = lasts.as_ref().and_then(|it| it.until_ns());
    let mut patient = connection.clone();
    let mut stream = connection.transitions(request).await?;
    let mut out = Out::new(globals.style(), &connection);
    if !counts {
        out.titles()?;
    }
    let reader = match connection.is_recording() {
        true => "whoever recorded them",
        false => "this command",
    };
    let mut loss = Loss {
        reader,
        ..Loss::default()
    };
    let limit = globals.limit.filter(|_| !counts).unwrap_or(usize::MAX);
    let mut printed = 0;
    let mut captured_at_ns = connection.server.captured_at_ns;
    loop {
        // A dump is an answer, and what it takes to print it does not count.
        let asked = Instant::now();
        let within = args.dump.then_some(Duration::ZERO);
        let next = patient.next(&mut stream, within);
        let next = match &lasts {
            None => next.await?,
            // Events may come faster than they are taken.
            Some(lasts) if until_ns.is_none() && lasts.is_over() => break,
            Some(lasts) => tokio::select! {
                next = next => match next? {
                    None => {
                        connection.ended().await?;
                        None
                    }
                    next => next,
                },
                () = lasts.over() => None,
            },
        };
        let Some(mut frame) = next else {
            break;
        };
        let is_last = until_ns.is_some_and(|until_ns| frame.captured_at_ns > until_ns);
        if let Some(until_ns) = until_ns {
            frame.events.retain(|event| event.at_ns <= until_ns);
        }
        let before = loss;
        loss.take(&frame);
        if !counts {
            loss.tell_since(&before);
        }
        let mut wanted = admission.admitted(frame.events).await?;
        if args.dump {
            patient.timeout = patient.timeout.saturating_sub(asked.elapsed());
        }
        if counts {
            captured_at_ns = frame.captured_at_ns;
            counted.take(&args.count_by, &wanted, |event| admission.row(event));
            if is_last {
                break;
            }
            continue;
        }
        wanted.truncate(limit - printed);
        printed += wanted.len();
        out.events(wanted, frame.captured_at_ns)?;
        if printed >= limit || is_last {
            break;
        }
    }
    if counts {
        loss.tell_since(&Loss::default());
        return print_counts(globals, args, &connection, counted.rows(), captured_at_ns);
    }
    out.finish(loss.nothing())?;
    if !args.dump && lasts.is_none() && printed < limit {
        return connection.ended().await;
    }
    Ok(())
}

/// Prints how many there were of each, and what they were counted by.
fn print_counts(
    globals: &Globals,
    args: &EventsArgs,
    connection: &Connection,
    mut rows: Vec<EventCount>,
    captured_at_ns: u64,
) -> Result<(), Failure> {
    let mut style = globals.style();
    let by = args.count_by.iter().map(|by| by.name());
    let columns = ["count", "share"].into_iter().chain(by);
    style.columns = Some(columns.map(str::to_owned).collect());
    let head = style.head(connection, "netpoller/v1/event_counts", captured_at_ns);
    super::print(|out| style.rows(out, head, &EVENT_COUNTS, &mut rows, |row| row.count))
}

/// What was lost so far, told on stderr when it grows: stdout is for data.
#[derive(Clone, Copy, Default)]
struct Loss {
    lost: u64,
    dropped: u64,
    /// Who reads the events.
    reader: &'static str,
}

impl Loss {
    fn take(&mut self, frame: &TransitionsFrame) {
        self.lost = self.lost.max(frame.lost);
        self.dropped = self.dropped.max(frame.dropped);
    }

    /// Tells what has been lost since `before`.
    fn tell_since(&self, before: &Self) {
        if self.lost > before.lost {
            let more = self.lost - before.lost;
            note(&format!(
                "{more} events were overwritten before they could be read"
            ));
        }
        if self.dropped > before.dropped {
            let more = self.dropped - before.dropped;
            note(&format!(
                "{more} events were left out because {} was slow",
                self.reader
            ));
        }
    }

    fn nothing(&self) -> bool {
        self.lost == 0 && self.dropped == 0
    }
}

/// Prints events as they come.
struct Out<'a> {
    style: Style,
    connection: &'a Connection,
    context: Context,
    /// For one whole document.
    kept: Vec<Event>,
}

impl<'a> Out<'a> {
    fn new(style: Style, connection: &'a Connection) -> Self {
        let context = style
            .head(connection, "", connection.server.captured_at_ns)
            .context;
        Self {
            style,
            connection,
            context,
            kept: Vec::new(),
        }
    }

    fn titles(&self) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match self.style.format {
            Format::Csv if self.style.header => document::event_names(&mut out),
            Format::Table | Format::Wide => {
                Ok(self.sheet().titles(&self.style, &mut out, Vec::new())?)
            }
            _ => Ok(()),
        }
    }

    fn is_table(&self) -> bool {
        matches!(self.style.format, Format::Table | Format::Wide)
    }

    /// The name of the thread gets what is left of a terminal.
    fn sheet(&self) -> Sheet<Event> {
        let several = self.context.several;
        let width = |column: &Column<Event>| match column.name {
            "id" if several => 24,
            _ => column.least.into(),
        };
        let [others @ .., thread] = &EVENTS;
        let taken: usize = others.iter().map(|column| width(column) + 2).sum();
        let room = self.style.room.map(|room| room.saturating_sub(taken));
        let room = room.filter(|room| *room >= width(thread));
        let mut fits: Vec<Fit<Event>> = others
            .iter()
            .map(|column| Fit::new(column, width(column), []))
            .collect();
        fits.push(Fit::new(thread, room.unwrap_or_default(), []));
        Sheet {
            fits,
            cuts: room.is_some(),
        }
    }

    fn events(&mut self, events: Vec<Event>, captured_at_ns: u64) -> Result<(), Failure> {
        self.context.now_ns = captured_at_ns;
        // Others may have been made since the beginning.
        let is_known = |event: &Event| {
            let mut known = self.connection.server.pollers.iter();
            known.any(|poller| poller.name == event.poller)
        };
        self.context.several |= !events.iter().all(is_known);
        if self.style.format == Format::Json {
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
        if self.style.format == Format::Csv {
            document::event_records(&mut out, &events, &self.context)?;
            return Ok(out.flush()?);
        }
        let sheet = self.sheet();
        for event in &events {
            if self.is_table() {
                sheet.row(&self.style, &mut out, Vec::new(), event, &self.context)?;
            } else {
                serde_json::to_writer(&mut out, &document::event(event, &self.context))?;
                out.write_all(b"\n")?;
            }
        }
        Ok(out.flush()?)
    }

    fn finish(&self, complete: bool) -> Result<(), Failure> {
        if self.style.format != Format::Json {
            return Ok(());
        }
        let head = self
            .style
            .head(self.connection, "netpoller/v1/events", self.context.now_ns);
        let items = self
            .kept
            .iter()
            .map(|event| document::event(event, &self.context))
            .collect();
        super::print(|out| self.style.document(out, head, complete, items))
    }
}
