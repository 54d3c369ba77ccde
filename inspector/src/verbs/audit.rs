//! `netpoller audit`: do the conservation laws hold.

use std::time::Duration;

use netpoller_proto::v1::AuditResponse;

use crate::document;
use crate::failure::Failure;
use crate::findings::laws::cause;
use crate::globals::Globals;
use crate::source::Connection;
use crate::table::{LAWS, LawRow};
use crate::verbs::verb::{Usage, Verb, known};
use clap::Args;

/// What to check, and for how long.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Compare with the kernel's list of registrations too. It holds up registrations for half a
    /// microsecond a descriptor.
    #[arg(long)]
    kernel: bool,
    /// Keep checking for this time, every --interval.
    #[arg(long = "for", value_name = "DUR", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
}

impl Verb for AuditArgs {
    fn usage(&self) -> Usage {
        Usage {
            why: "it checks laws, once unless --for says for how long",
            interval: self.duration.is_some(),
            limit: true,
            columns: Some(|name| known(&LAWS, name)),
            sort: Some(|name| known(&LAWS, name)),
            view: "laws",
            ..Usage::of("audit")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        super::block_on(async {
            let connection = super::connection(globals).await?;
            let style = globals.style();
            let answer = watch(&connection, globals.interval, self.kernel, self.duration).await?;
            let head = style.head(&connection, "netpoller/v1/audit", answer.captured_at_ns);
            let mut rows: Vec<LawRow> = answer
                .pollers
                .into_iter()
                .flat_map(|poller| {
                    let name = poller.poller;
                    poller.laws.into_iter().map(move |law| LawRow {
                        poller: name.clone(),
                        law,
                    })
                })
                .collect();
            let broken: Vec<String> = rows
                .iter()
                .filter(|row| row.law.violated)
                .map(verdict)
                .collect();
            super::print(|out| {
                style.rows(out, head, &LAWS, &mut rows, |row| {
                    document::audited(&row.poller, &row.law)
                })
            })?;
            if broken.is_empty() {
                return Ok(());
            }
            Err(Failure::Findings(broken.join("\n")))
        })
    }
}

fn verdict(row: &LawRow) -> String {
    format!(
        "the law `{}` of poller {} is violated: {} ({} on the left, {} on the right); {}",
        &row.law.name,
        &row.poller,
        &row.law.statement,
        row.law.lhs,
        row.law.rhs,
        cause(&row.law)
    )
}

/// Asks once, or again and again for a while. A law that was violated in any answer stays so, with
/// the numbers of then.
async fn watch(
    connection: &Connection,
    interval: Duration,
    kernel: bool,
    duration: Option<Duration>,
) -> Result<AuditResponse, Failure> {
    if duration.is_some() {
        connection.start();
    }
    let lasts = connection.lasts(duration.unwrap_or_default());
    let mut answer = connection.audit(kernel).await?;
    while !lasts.is_over_after(interval) && !connection.is_over() {
        connection.pass(interval).await;
        let before = std::mem::replace(&mut answer, connection.audit(kernel).await?);
        keep_violations(&before, &mut answer);
    }
    Ok(answer)
}

fn keep_violations(before: &AuditResponse, now: &mut AuditResponse) {
    for poller in &before.pollers {
        let Some(known) = now.pollers.iter_mut().find(|it| it.poller == poller.poller) else {
            if poller.laws.iter().any(|law| law.violated) {
                now.pollers.push(poller.clone());
            }
            continue;
        };
        for law in poller.laws.iter().filter(|law| law.violated) {
            match known.laws.iter_mut().find(|it| it.name == law.name) {
                Some(it) => it.clone_from(law),
                None => known.laws.push(law.clone()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpoller_proto::v1::{Law, PollerLaws};

    fn answer(poller: &str, lhs: i64, violated: bool) -> AuditResponse {
        AuditResponse {
            pollers: vec![PollerLaws {
                poller: poller.into(),
                laws: vec![Law {
                    name: "park".into(),
                    lhs,
                    violated,
                    ..Default::default()
                }],
            }],
            ..Default::default()
        }
    }

    /// What they have closed is no bug of ours.
    #[test]
    fn the_law_of_the_kernel_blames_whoever_closed_and_not_netpoller() {
        let said = |name: &str| {
            let mut answer = answer("global", 7, true);
            answer.pollers[0].laws[0].name = name.into();
            let poller = answer.pollers.remove(0);
            let mut laws = poller.laws.into_iter();
            verdict(&LawRow {
                poller: poller.poller,
                law: laws.next().unwrap(),
            })
        };
        let (kernel, park) = (said("kernel"), said("park"));
        assert!(park.contains("please report it"), "{park}");
        assert!(!kernel.contains("report"), "{kernel}");
        assert!(kernel.contains("were closed, replaced or duplicated"));
        assert!(kernel.contains("`netpoller doctor --kernel`"));
    }

    #[test]
    fn a_violation_stays_with_its_numbers_even_when_the_poller_is_gone() {
        let mut now = answer("global", 9, false);
        keep_violations(&answer("global", 7, true), &mut now);
        assert_eq!(now, answer("global", 7, true));
        let mut now = AuditResponse::default();
        keep_violations(&answer("gone", 7, true), &mut now);
        assert_eq!(now.pollers[0].poller, "gone");
        keep_violations(&answer("sound", 7, false), &mut now);
        assert_eq!(now.pollers.len(), 1);
    }
}
