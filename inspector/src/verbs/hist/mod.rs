//! `netpoller hist`: quantiles of the latencies, of all time and of the last moment, and bars; or
//! those of waits by what they have in common.

mod by;
mod groups;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use netpoller_proto::v1::{Exemplar, GetStatsResponse, Histogram, PollerStats};

use crate::document;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::out::{Format, Style};
use crate::paint::Tone;
use crate::table::{Align, Context, HISTOGRAM_RECORDS, HISTOGRAMS, HistogramRow};
use crate::text;
use crate::verbs::verb::{Usage, Verb};
use by::GroupArgs;
use clap::Args;

/// Columns of the longest bar.
const BAR: u64 = 40;
/// The longest interval that a server takes.
const LONGEST: Duration = Duration::from_secs(4);

/// Which histograms.
#[derive(Debug, Args)]
pub(crate) struct HistArgs {
    /// Beginning of the name of a histogram, for example wake_latency.
    name: Option<String>,
    #[command(flatten)]
    groups: GroupArgs,
}

impl Verb for HistArgs {
    fn usage(&self) -> Usage {
        let groups = self.groups.by().is_some();
        Usage {
            why: if groups {
                "it looks for as long as --for says"
            } else {
                "it has no rows"
            },
            interval: !groups,
            limit: groups,
            ..Usage::of("hist")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        let name = self.name.as_deref();
        self.groups.check()?;
        if let Some(by) = self.groups.by() {
            return super::block_on(by::show(globals, &self.groups, by, name));
        }
        if globals.interval > LONGEST {
            return Err(Failure::Usage(
                "the longest --interval of `hist` is 4s".into(),
            ));
        }
        super::block_on(async {
            let connection = super::connection(globals).await?;
            connection.must_record("latencies")?;
            let style = globals.style();
            if name.is_some() {
                // A typing error is reported at once, not after the interval.
                select(&connection.stats().await?, name)?;
            }
            let stats = connection.stats_over(globals.interval).await?;
            let shown = select(&stats, name)?;
            let head = style.head(&connection, "netpoller/v1/histograms", stats.captured_at_ns);
            let context = Context {
                several: stats.pollers.len() > 1,
                ..head.context
            };
            let rows = || shown.iter().flat_map(|pair| pair.rows(stats.interval_ns));
            super::print(|out| match style.format {
                Format::Json => {
                    let items = shown
                        .iter()
                        .map(|pair| pair.item(stats.interval_ns))
                        .collect();
                    style.document(out, head, true, items)
                }
                Format::Jsonl => shown.iter().try_for_each(|pair| {
                    serde_json::to_writer(&mut *out, &pair.item(stats.interval_ns))?;
                    Ok(out.write_all(b"\n")?)
                }),
                Format::Csv => style.records(
                    out,
                    &HISTOGRAM_RECORDS,
                    &rows().collect::<Vec<_>>(),
                    &context,
                ),
                Format::Table | Format::Wide if name.is_none() => {
                    Ok(style.sheet(out, &HISTOGRAMS, &rows().collect::<Vec<_>>(), &context)?)
                }
                Format::Table | Format::Wide => shown.iter().try_for_each(|pair| {
                    style.sheet(out, &HISTOGRAMS, &pair.rows(stats.interval_ns), &context)?;
                    Ok(bars(&style, out, pair, &context)?)
                }),
            })
        })
    }
}

/// One histogram of one poller; of an older server, without its interval.
struct Pair<'a> {
    poller: &'a str,
    cumulative: &'a Histogram,
    interval: Option<&'a Histogram>,
}

/// An item of the document.
#[derive(serde::Serialize)]
struct Item<'a> {
    poller: &'a str,
    interval_ns: Option<u64>,
    cumulative: document::Histogram<'a>,
    interval: Option<document::Histogram<'a>>,
}

impl Pair<'_> {
    /// A line of all time, and one of the interval.
    fn rows(&self, interval_ns: u64) -> Vec<HistogramRow> {
        let row = |histogram: &Histogram, over_ns| HistogramRow {
            poller: self.poller.to_owned(),
            histogram: histogram.clone(),
            over_ns,
            ..HistogramRow::default()
        };
        let interval = self.interval.map(|it| row(it, Some(interval_ns)));
        std::iter::once(row(self.cumulative, None))
            .chain(interval)
            .collect()
    }

    fn item(&self, interval_ns: u64) -> Item<'_> {
        Item {
            poller: self.poller,
            interval_ns: (interval_ns != 0).then_some(interval_ns),
            cumulative: document::histogram(self.cumulative),
            interval: self.interval.map(document::histogram),
        }
    }
}

fn select<'a>(stats: &'a GetStatsResponse, name: Option<&str>) -> Result<Vec<Pair<'a>>, Failure> {
    let poller = |stats: &'a PollerStats| {
        stats
            .poller
            .as_ref()
            .map_or("", |poller| poller.name.as_str())
    };
    let all = stats.pollers.iter().flat_map(|cumulative| {
        let interval = stats
            .interval
            .iter()
            .find(|it| poller(it) == poller(cumulative));
        cumulative.histograms.iter().map(move |histogram| Pair {
            poller: poller(cumulative),
            cumulative: histogram,
            interval: interval
                .and_then(|it| it.histograms.iter().find(|it| it.name == histogram.name)),
        })
    });
    let mut shown: Vec<Pair<'_>> = all.collect();
    let Some(name) = name else {
        return Ok(shown);
    };
    let known: Vec<&str> = shown
        .iter()
        .map(|pair| pair.cumulative.name.as_str())
        .collect();
    // `wake_latency` means both directions.
    let suggestion = text::suggestion(name, known);
    shown.retain(|pair| pair.cumulative.name.starts_with(name));
    if shown.is_empty() {
        return Err(Failure::Usage(format!(
            "no histogram is called `{name}`; {suggestion}"
        )));
    }
    Ok(shown)
}

/// A bar for each power of two, with the last descriptor that fell there, and who waited on it.
fn bars(style: &Style, out: &mut dyn Write, pair: &Pair<'_>, context: &Context) -> io::Result<()> {
    let histogram = pair.cumulative;
    let steps = steps(histogram);
    let most = steps
        .values()
        .map(|step| step.count)
        .max()
        .unwrap_or(0)
        .max(1);
    for step in steps.values() {
        let bound = match step.bound {
            u64::MAX => "beyond".to_owned(),
            bound => context.written(text::sample(bound, &histogram.unit)),
        };
        // Whoever is there is seen, however few they are.
        let length = (u128::from(step.count) * u128::from(BAR)).div_ceil(u128::from(most));
        let bar =
            if context.ascii { "#" } else { "█" }.repeat(usize::try_from(length).unwrap_or(0));
        let exemplar = step.exemplar.as_ref().map_or_else(String::new, |exemplar| {
            let id = match exemplar.id.as_str() {
                "" => String::new(),
                id if context.several => format!("last {}/{id}", pair.poller),
                id => format!("last {id}"),
            };
            // Known as well after the descriptor has gone.
            let line = exemplar.line();
            let parts = [id.as_str(), &line, &exemplar.task];
            let parts = parts.into_iter().filter(|part| !part.is_empty());
            parts.collect::<Vec<_>>().join("  ")
        });
        let cells = [
            (bound, Tone::Dim, Align::Right, 12),
            (bar, Tone::Parked, Align::Left, 40),
            (text::grouped(step.count), Tone::Plain, Align::Right, 12),
            (exemplar, Tone::Dim, Align::Left, 24),
        ];
        style.line(out, &cells)?;
    }
    writeln!(out)
}

/// Buckets with bounds of the same power of two.
#[derive(Default)]
struct Step {
    bound: u64,
    count: u64,
    exemplar: Option<Exemplar>,
}

fn steps(histogram: &Histogram) -> BTreeMap<u32, Step> {
    let mut steps: BTreeMap<u32, Step> = BTreeMap::new();
    for bucket in &histogram.buckets {
        let step = steps
            .entry(u64::BITS - bucket.upper_bound.leading_zeros())
            .or_default();
        step.bound = step.bound.max(bucket.upper_bound);
        step.count = step.count.saturating_add(bucket.count);
        let at = |exemplar: &Option<Exemplar>| exemplar.as_ref().map_or(0, |it| it.at_ns);
        if at(&bucket.exemplar) > at(&step.exemplar) {
            step.exemplar.clone_from(&bucket.exemplar);
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpoller_proto::v1::Bucket;

    #[test]
    fn buckets_of_one_power_of_two_make_one_bar_with_the_latest_exemplar() {
        let bucket = |upper_bound, count, id: &str, at_ns| Bucket {
            upper_bound,
            count,
            exemplar: Some(Exemplar {
                id: id.into(),
                at_ns,
                ..Default::default()
            }),
        };
        let histogram = Histogram {
            buckets: vec![
                bucket(1_279, 3, "1.1", 50),
                bucket(1_535, 4, "2.1", 40),
                bucket(u64::MAX, 1, "3.1", 60),
            ],
            ..Default::default()
        };
        let steps: Vec<_> = steps(&histogram).into_values().collect();
        assert_eq!(steps.len(), 2);
        assert_eq!((steps[0].bound, steps[0].count), (1_535, 7));
        assert_eq!(
            steps[0].exemplar.as_ref().map(|it| it.id.as_str()),
            Some("1.1")
        );
    }
}
