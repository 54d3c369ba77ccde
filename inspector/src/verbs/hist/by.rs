//! `netpoller hist --by`: latencies of waits by descriptor, by line or by task.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use netpoller_proto::Direction;
use netpoller_proto::v1::WatchLatenciesRequest;
use netpoller_proto::vocabulary::GroupBy;

use super::groups::{Groups, is_line};
use crate::failure::{Failure, note};
use crate::globals::Globals;
use crate::out::Format;
use crate::source::{Connection, Selection, Selector};
use crate::table::{GROUP_RECORDS, GROUPS, HistogramRow};
use crate::text;

/// Longest time between two frames: so long nothing is known of a process that has ended.
const STEP: Duration = Duration::from_secs(1);
const LEAST: Duration = Duration::from_millis(100);

/// What waits are grouped by, which of them are shown, and for how long they are counted.
#[derive(Debug, clap::Args)]
pub(super) struct GroupArgs {
    /// Group the waits that end from now on by what they have in common.
    #[arg(long, value_name = "WHAT", value_parser = by())]
    by: Option<GroupBy>,
    /// Only the waits of this descriptor: 42.7, POLLER/42.7 or fd:19.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Only the waits of the descriptor with this number.
    #[arg(long, value_name = "N", conflicts_with = "id")]
    fd: Option<i32>,
    /// Only the waits at this line.
    #[arg(long, value_name = "FILE:LINE", conflicts_with = "task")]
    location: Option<String>,
    /// Only the waits of tasks with this name.
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// How long to count the waits that end, by default 5s.
    #[arg(long = "for", value_name = "DUR", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
}

fn by() -> impl TypedValueParser<Value = GroupBy> {
    PossibleValuesParser::new(GroupBy::ALL.map(GroupBy::name))
        .try_map(|name| name.parse::<GroupBy>())
}

impl GroupArgs {
    /// What to group by; `None` if that is not asked for.
    pub(super) fn by(&self) -> Option<GroupBy> {
        let implied = [
            (self.location.is_some(), GroupBy::Location),
            (self.task.is_some(), GroupBy::Task),
            (self.id.is_some() || self.fd.is_some(), GroupBy::Descriptor),
        ];
        let implied = implied.into_iter().find(|(is, _)| *is);
        self.by.or(implied.map(|(_, by)| by))
    }

    /// Those that count nothing are not to be taken for some that do.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.duration.is_some() && self.by().is_none() {
            return Err(Failure::Usage(
                "--for counts the waits of groups: say --by location, task or descriptor with it; the time of all together is --interval".into(),
            ));
        }
        Ok(())
    }

    /// The one group that is asked for.
    fn only(&self, by: GroupBy) -> Result<Option<&str>, Failure> {
        let named = [
            (&self.location, GroupBy::Location),
            (&self.task, GroupBy::Task),
        ];
        let Some((only, of)) = named.into_iter().find(|(only, _)| only.is_some()) else {
            return Ok(None);
        };
        if of != by {
            return Err(Failure::Usage(format!(
                "--{of} says which waits by {of} are shown, and --by {by} groups them otherwise; leave --by out, or say --by {of}"
            )));
        }
        Ok(only.as_deref())
    }

    fn selector(&self) -> Result<Option<Selector>, Failure> {
        match (self.fd, &self.id) {
            (Some(fd), _) => Ok(Some(Selector::Fd(fd))),
            (None, Some(id)) => id.parse().map(Some).map_err(Failure::Usage),
            (None, None) => Ok(None),
        }
    }

    fn duration(&self) -> Result<Duration, Failure> {
        let duration = self.duration.unwrap_or(Duration::from_secs(5));
        if duration < LEAST {
            return Err(Failure::Usage(format!(
                "--for {duration:?} is too short to count waits; the least is {LEAST:?}"
            )));
        }
        Ok(duration)
    }
}

/// Counts for a while, and prints what there was.
pub(super) async fn show(
    globals: &Globals,
    args: &GroupArgs,
    by: GroupBy,
    name: Option<&str>,
) -> Result<(), Failure> {
    let (only, selector, duration) = (args.only(by)?, args.selector()?, args.duration()?);
    let connection = super::super::connection(globals).await?;
    let (poller, id) = match selector {
        None => (String::new(), String::new()),
        Some(which) => {
            let (poller, id) = which.find(&connection).await?;
            (poller, id.to_string())
        }
    };
    let duration = match args.duration {
        // All of it.
        None if connection.is_recording() => Duration::from_secs(u32::MAX.into()),
        _ => duration,
    };
    let mut groups = counted(&connection, poller, by, id, duration).await?;
    groups.sort();
    let over = text::duration(groups.interval_ns);
    match only.map(|only| (only, groups.select(by, only))) {
        Some((only, Err(nothing))) => {
            // Whoever waits all the time is there, and no wait of it ends.
            if !is_waiting(&connection, by, only).await? {
                return Err(nothing);
            }
            groups.all.clear();
            note(&format!(
                "no wait of {by} `{only}` has ended in {over}: it still waits; --for looks for longer"
            ));
        }
        _ if groups.all.is_empty() => {
            note(&format!(
                "no wait has ended in {over}; --for looks for longer"
            ));
        }
        _ => {}
    }
    if let Some(name) = name {
        groups.name(name)?;
    }
    let all = groups.all.len();
    groups.all.truncate(globals.limit.unwrap_or(all));
    let style = globals.style();
    let head = style.head(&connection, "netpoller/v1/latencies", groups.captured_at_ns);
    let context = head.context;
    let over_ns = groups.interval_ns;
    let rows = |at_all| -> Vec<HistogramRow> {
        let rows = groups.all.iter().flat_map(|it| it.rows(over_ns, at_all));
        rows.collect()
    };
    let complete = groups.all.len() == all;
    super::super::print(|out| match style.format {
        Format::Json => {
            let items = groups.all.iter().map(|it| it.item(by, over_ns)).collect();
            style.document(out, head, complete, items)
        }
        Format::Jsonl => groups.all.iter().try_for_each(|it| {
            serde_json::to_writer(&mut *out, &it.item(by, over_ns))?;
            Ok(out.write_all(b"\n")?)
        }),
        Format::Csv => style.records(out, &GROUP_RECORDS, &rows(true), &context),
        Format::Table | Format::Wide => Ok(style.sheet(out, &GROUPS, &rows(false), &context)?),
    })
}

/// Whether somebody waits now who would be counted in this group.
async fn is_waiting(connection: &Connection, by: GroupBy, only: &str) -> Result<bool, Failure> {
    let selection = Selection {
        waiting_only: true,
        ..Selection::default()
    };
    let rows = connection.descriptors(&selection).await?.rows;
    let mut waiters = rows.iter().flat_map(|row| {
        let sides = Direction::ALL.into_iter().filter_map(|it| row.side(it));
        sides.filter_map(|side| side.waiter.as_ref())
    });
    Ok(waiters.any(|waiter| match by {
        GroupBy::Location => is_line(&waiter.line(), only) || is_line(&waiter.location, only),
        _ => waiter.task == only,
    }))
}

async fn counted(
    connection: &Connection,
    poller: String,
    by: GroupBy,
    id: String,
    duration: Duration,
) -> Result<Groups, Failure> {
    // As many steps of one length as that takes.
    let frames = duration.as_nanos().div_ceil(STEP.as_nanos());
    let frames = u32::try_from(frames).unwrap_or(u32::MAX);
    let step = duration / frames;
    let request = WatchLatenciesRequest {
        poller,
        by: by.number(),
        id,
        interval_ns: u64::try_from(step.as_nanos()).unwrap_or(u64::MAX),
    };
    let mut stream = connection.latencies(request).await?;
    let mut groups = Groups::default();
    for _ in 0..frames {
        match connection.next(&mut stream, Some(step)).await? {
            Some(frame) => {
                if !groups.add(frame) {
                    return Err(Failure::Runtime(format!(
                        "{} has more groups of waits, or larger ones, than this command takes: ask for one descriptor with \
                         --id, or for a shorter time with --for",
                        connection.target
                    )));
                }
            }
            None => {
                connection.ended().await?;
                break;
            }
        }
    }
    Ok(groups)
}
