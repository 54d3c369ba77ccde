//! What a look did not look for, and could not have found: "no findings" says nothing of it.

use std::collections::BTreeMap;
use std::time::Duration;

use netpoller::view::lints::Lint;

use super::args::{Check, DoctorArgs, WINDOW};
use super::laws;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct NotRun {
    /// The lint, or the law.
    pub(super) check: String,
    /// Why it was not run, or what it did not say.
    pub(super) why: String,
    /// What to say for it to be run.
    pub(super) flag: Option<String>,
    /// It was run; faults that are younger than this are not reported.
    pub(super) younger_than_ns: Option<u64>,
}

impl NotRun {
    fn new(check: &str, why: &str, flag: Option<&str>) -> Self {
        Self {
            check: check.to_owned(),
            why: why.to_owned(),
            flag: flag.map(str::to_owned),
            younger_than_ns: None,
        }
    }
}

/// Of a look in which the process has run the lints called `run`.
pub(super) fn of(args: &DoctorArgs, run: &[String], audit: Result<(), String>) -> Vec<NotRun> {
    let mut all = Vec::new();
    let ran_with_kernel = Lint::ALL
        .iter()
        .any(|lint| lint.needs_kernel() && run.iter().any(|name| name == lint.name()));
    for lint in Lint::ALL {
        let name = lint.name();
        if args.allow.contains(&Check::Lint(lint)) {
            all.push(NotRun::new(name, "left out by --allow", None));
        } else if run.iter().any(|it| it == name) {
            all.extend(too_young(args, lint));
        } else if lint.needs_kernel() && !args.kernel {
            let why = "it reads the kernel's list of registrations";
            all.push(NotRun::new(name, why, Some("--kernel")));
        } else if lint.needs_kernel() && !ran_with_kernel {
            let why = "the kernel's list of registrations was read for others; ask again";
            all.push(NotRun::new(name, why, None));
        } else {
            let why = "the process does not know it: its library is older than this command";
            all.push(NotRun::new(name, why, None));
        }
    }
    if args.allow.contains(&Check::Laws) {
        all.push(NotRun::new(laws::NAME, "left out by --allow", None));
    } else if let Err(why) = audit {
        all.push(NotRun::new(laws::NAME, &why, None));
    } else if !args.kernel {
        let why = "it reads the kernel's list of registrations";
        all.push(NotRun::new("the law `kernel`", why, Some("--kernel")));
    } else {
        let why = "stale-descriptor and ghost-registration compare each descriptor";
        all.push(NotRun::new("the law `kernel`", why, None));
    }
    all
}

/// What a lint that was run leaves out, if that is more than the look itself takes.
fn too_young(args: &DoctorArgs, lint: Lint) -> Option<NotRun> {
    let said = args.hold.iter().rev().find(|hold| hold.lint == lint);
    let hold = said.map_or(lint.default_hold(), |hold| hold.time);
    if hold <= WINDOW {
        return None;
    }
    let name = lint.name();
    if begins_with_the_look(lint) {
        let why = format!(
            "it cannot have lasted for {} within one look, which takes {}",
            humantime::format_duration(hold),
            humantime::format_duration(WINDOW)
        );
        let flag = format!("--hold {name}=0s");
        return Some(NotRun::new(name, &why, Some(&flag)));
    }
    Some(NotRun {
        younger_than_ns: Some(u64::try_from(hold.as_nanos()).unwrap_or(u64::MAX)),
        ..NotRun::new(
            name,
            "a fault that is younger is not reported",
            Some(&format!("--hold {name}=DUR")),
        )
    })
}

/// Nobody knows since when the fault is there, so it is timed from when it was first seen.
pub(super) fn begins_with_the_look(lint: Lint) -> bool {
    lint.default_hold() == Duration::ZERO || lint.needs_kernel() || lint == Lint::BlockingMode
}

/// Two lines for people: what was not run with what to say for it, and what was not reported yet.
pub(super) fn lines(all: &[NotRun]) -> Vec<(&'static str, String)> {
    let (young, rest): (Vec<&NotRun>, Vec<&NotRun>) =
        all.iter().partition(|it| it.younger_than_ns.is_some());
    let mut parts: Vec<String> = Vec::new();
    // Those of one reason together.
    let mut left = rest;
    while let Some(first) = left.first().copied() {
        let (same, others): (Vec<&NotRun>, Vec<&NotRun>) = left
            .into_iter()
            .partition(|it| (&it.why, &it.flag) == (&first.why, &first.flag));
        left = others;
        let names: Vec<&str> = same.iter().map(|it| it.check.as_str()).collect();
        parts.push(match &first.flag {
            Some(flag) if flag == "--kernel" => format!("{} ({flag})", names.join(", ")),
            Some(flag) => format!("{}: {} ({flag})", names.join(", "), first.why),
            None => format!("{}: {}", names.join(", "), first.why),
        });
    }
    let mut lines = Vec::new();
    if !parts.is_empty() {
        lines.push(("not run", parts.join("; ")));
    }
    if !young.is_empty() {
        // Those of one age together, the youngest first.
        let mut ages: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
        for it in young {
            let age = it.younger_than_ns.unwrap_or(0);
            ages.entry(age).or_default().push(&it.check);
        }
        let each: Vec<String> = ages
            .into_iter()
            .map(|(ns, names)| {
                let hold = humantime::format_duration(Duration::from_nanos(ns));
                format!("{} of less than {hold}", names.join(", "))
            })
            .collect();
        lines.push((
            "too young",
            format!("{} (--hold LINT=DUR)", each.join("; ")),
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(kernel: bool, allow: Vec<Check>, hold: &[&str]) -> DoctorArgs {
        DoctorArgs {
            duration: None,
            kernel,
            allow,
            hold: hold.iter().map(|it| it.parse().unwrap()).collect(),
            list: false,
        }
    }

    fn run(kernel: bool) -> Vec<String> {
        let lints = Lint::ALL.into_iter();
        let lints = lints.filter(|lint| kernel || !lint.needs_kernel());
        lints.map(|lint| lint.name().to_owned()).collect()
    }

    #[test]
    fn what_needs_a_flag_is_named_with_it() {
        let usual = lines(&of(&args(false, vec![], &[]), &run(false), Ok(())));
        assert_eq!(
            usual,
            [
                (
                    "not run",
                    "duplicate-registration, ghost-registration, the law `kernel` (--kernel)".into()
                ),
                (
                    "too young",
                    "poller-away, woken-not-run of less than 2s; peer-not-reading, peer-gone, accept-stalled of less \
                     than 4s; leaked-readiness, close-wait-held of less than 10s; no-deadline of less than 5m \
                     (--hold LINT=DUR)"
                        .into()
                ),
            ]
        );
        let holds: Vec<String> = Lint::ALL.map(|lint| format!("{lint}=0s")).into();
        let holds: Vec<&str> = holds.iter().map(String::as_str).collect();
        let all = of(&args(true, vec![], &holds), &run(true), Ok(()));
        let names: Vec<_> = all.iter().map(|it| it.check.as_str()).collect();
        assert_eq!(names, ["the law `kernel`"]);
    }

    #[test]
    fn what_was_left_out_or_is_not_known_or_cannot_be_seen_is_said_to_be() {
        let allow = vec![Check::Lint(Lint::WakeStorm), Check::Laws];
        let mut ran = run(true);
        ran.retain(|name| name != "slow-dispatch");
        let all = of(&args(true, allow, &["ghost-registration=5s"]), &ran, Ok(()));
        let why = |check: &str| {
            let found = all.iter().find(|it| it.check == check);
            found.map_or("", |it| it.why.as_str())
        };
        assert!(why("wake-storm").contains("--allow"));
        assert!(why("broken-law").contains("--allow"));
        assert!(why("slow-dispatch").contains("older"));
        assert!(why("ghost-registration").contains("5s within one look"));
        let failed = of(
            &args(true, vec![], &[]),
            &run(true),
            Err("it is busy".into()),
        );
        assert!(
            failed
                .iter()
                .any(|it| it.check == "broken-law" && it.why == "it is busy")
        );
    }
}
