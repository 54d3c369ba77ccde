//! What a look did not look for, and could not have found: "no findings" says nothing of it.

use std::collections::BTreeMap;
use std::time::Duration;

use netpoller::view::lints;
use netpoller_proto::v1::{AuditResponse, DiagnoseResponse, Lint};

use super::catalogue::{Catalogue, begins_with_the_look, hold};
use super::laws;
use super::terms::{Terms, WINDOW, When};

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct NotRun {
    /// The lint, or the law.
    pub(crate) check: String,
    /// Why it was not run, or what it did not say.
    pub(crate) why: String,
    /// What to say for it to be run.
    pub(crate) flag: Option<String>,
    /// It was run; faults that are younger than this are not reported.
    pub(crate) younger_than_ns: Option<u64>,
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

/// What was asked, and what was answered.
pub(super) struct Look<'a> {
    pub(super) terms: &'a Terms,
    pub(super) catalogue: &'a Catalogue,
    /// Descriptors of the process.
    pub(super) descriptors: u64,
    pub(super) answer: &'a DiagnoseResponse,
    pub(super) audit: &'a Result<AuditResponse, String>,
    /// Why the kernel's list was not read for the laws, although that was asked for.
    pub(super) without_kernel: Option<&'a str>,
}

impl Look<'_> {
    /// All that was not run.
    pub(super) fn not_run(&self) -> Vec<NotRun> {
        let mut all = Vec::new();
        let (terms, run) = (self.terms, &self.answer.lints);
        let is_run = |name: &str| run.iter().any(|it| it == name);
        let needing = self.catalogue.lints.iter().filter(|it| it.needs_kernel);
        let kernel_was_read = needing.clone().any(|it| is_run(&it.name));
        for lint in &self.catalogue.lints {
            let name = lint.name.as_str();
            let unjudged = self.answer.unjudged.iter().find(|it| it.lint == name);
            if terms.allows(name) {
                all.push(NotRun::new(name, "left out by --allow", None));
            } else if let Some(unjudged) = unjudged {
                all.push(NotRun::new(name, &unjudged.why, None));
            } else if is_run(name) {
                all.extend(self.too_young(lint));
            } else if lint.needs_kernel && !terms.asks_kernel(self.descriptors) {
                all.push(self.kernel(name));
            } else if run.is_empty() {
                let why = "the process records nothing: it is built without instrumentation";
                all.push(NotRun::new(name, why, None));
            } else if lint.needs_kernel && !kernel_was_read {
                let why = "that look was without the kernel's list of registrations: others were \
                           reading it, or it was recorded so";
                all.push(NotRun::new(name, why, None));
            } else {
                all.push(NotRun::new(name, "the process did not run it", None));
            }
        }
        for lint in lints::Lint::ALL {
            let name = lint.name();
            if self.catalogue.find(name).is_none() && !is_run(name) {
                let why = match self.catalogue.outside {
                    true => "it cannot be known from outside of the process",
                    false => "the process does not know it: its library is older than this command",
                };
                all.push(NotRun::new(name, why, None));
            }
        }
        all.extend(self.laws());
        all
    }

    fn laws(&self) -> Option<NotRun> {
        if self.terms.allows(laws::NAME) {
            return Some(NotRun::new(laws::NAME, "left out by --allow", None));
        }
        let answer = match self.audit {
            Ok(answer) => answer,
            Err(why) => return Some(NotRun::new(laws::NAME, why, None)),
        };
        if laws::all(answer).any(|law| law.name == laws::KERNEL) {
            return None;
        }
        let name = "the law `kernel`";
        Some(match self.without_kernel {
            Some(why) => NotRun::new(name, why, None),
            None => self.kernel(name),
        })
    }

    /// Of what reads the kernel's list, which was not to be read.
    fn kernel(&self, name: &str) -> NotRun {
        let why = match self.terms.kernel {
            When::Never => "it reads the kernel's list of registrations".to_owned(),
            _ => format!(
                "it reads the kernel's list of registrations, which delays the events of {} descriptors, more than {}, \
                 by about {}",
                self.descriptors,
                self.terms.few,
                humantime::format_duration(Duration::from_micros(self.descriptors / 2))
            ),
        };
        NotRun::new(name, &why, Some("--kernel"))
    }

    /// What a lint that was run leaves out, if that is more than the look itself takes.
    fn too_young(&self, lint: &Lint) -> Option<NotRun> {
        let name = lint.name.as_str();
        let said = self.terms.hold.iter().rev().find(|hold| hold.lint == name);
        let hold = said.map_or(hold(lint), |hold| hold.time);
        if hold <= WINDOW {
            return None;
        }
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
}

/// Two lines for people: what was not run with what to say for it, and what was not reported yet.
pub(crate) fn lines(all: &[NotRun]) -> Vec<(&'static str, String)> {
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
    use super::super::terms::FEW;
    use super::*;
    use netpoller_proto::v1::{Law, PollerLaws, Unjudged};

    fn terms(kernel: When, allow: &[&str], hold: &[&str]) -> Terms {
        Terms {
            kernel,
            few: FEW,
            allow: allow.iter().map(|it| (*it).to_owned()).collect(),
            hold: hold.iter().map(|it| it.parse().unwrap()).collect(),
        }
    }

    fn answer(kernel: bool) -> DiagnoseResponse {
        let lints = lints::Lint::ALL.into_iter();
        let lints = lints.filter(|lint| kernel || !lint.needs_kernel());
        DiagnoseResponse {
            lints: lints.map(|lint| lint.name().to_owned()).collect(),
            ..Default::default()
        }
    }

    fn laws_of(names: &[&str]) -> Result<AuditResponse, String> {
        let law = |name: &&str| Law {
            name: (*name).to_owned(),
            ..Default::default()
        };
        Ok(AuditResponse {
            pollers: vec![PollerLaws {
                laws: names.iter().map(law).collect(),
                ..Default::default()
            }],
            ..Default::default()
        })
    }

    fn of(
        terms: &Terms,
        descriptors: u64,
        answer: &DiagnoseResponse,
        audit: &Result<AuditResponse, String>,
    ) -> Vec<NotRun> {
        let look = Look {
            terms,
            catalogue: &Catalogue::own(),
            descriptors,
            answer,
            audit,
            without_kernel: None,
        };
        look.not_run()
    }

    #[test]
    fn of_few_descriptors_all_is_run_and_of_many_what_costs_is_named_with_its_price() {
        let holds: Vec<String> = lints::Lint::ALL.map(|lint| format!("{lint}=0s")).into();
        let holds: Vec<&str> = holds.iter().map(String::as_str).collect();
        let terms = terms(When::Auto, &[], &holds);
        assert_eq!(of(&terms, FEW, &answer(true), &laws_of(&["kernel"])), []);
        let many = lines(&of(&terms, 100_000, &answer(false), &laws_of(&["park"])));
        let expected = "duplicate-registration, ghost-registration, the law `kernel`: it reads the kernel's list of \
                        registrations, which delays the events of 100000 descriptors, more than 4096, by about 50ms \
                        (--kernel)";
        assert_eq!(many, [("not run", expected.to_owned())]);
    }

    #[test]
    fn what_is_held_for_longer_than_a_look_is_too_young_before() {
        let usual = of(
            &terms(When::Auto, &[], &[]),
            1,
            &answer(true),
            &laws_of(&["kernel"]),
        );
        assert!(usual.iter().all(|it| it.younger_than_ns.is_some()));
        let [(name, line)] = &lines(&usual)[..] else {
            panic!("{usual:?}")
        };
        assert_eq!(*name, "too young");
        assert!(
            line.starts_with("poller-away, woken-not-run of less than 2s; "),
            "{line}"
        );
        assert!(line.ends_with("(--hold LINT=DUR)"), "{line}");
    }

    #[test]
    fn what_was_left_out_or_is_not_known_or_cannot_be_seen_is_said_to_be() {
        let terms = terms(
            When::Always,
            &["wake-storm", "broken-law"],
            &["ghost-registration=5s"],
        );
        let mut ran = answer(true);
        ran.lints.retain(|name| name != "slow-dispatch");
        ran.unjudged.push(Unjudged {
            lint: "blocked-executor".into(),
            why: "it may not know".into(),
        });
        let all = of(&terms, 1, &ran, &laws_of(&[]));
        let why = |check: &str| {
            let found = all.iter().find(|it| it.check == check);
            found.map_or("", |it| it.why.as_str())
        };
        assert!(why("wake-storm").contains("--allow"));
        assert!(why("broken-law").contains("--allow"));
        assert!(why("slow-dispatch").contains("did not run"));
        assert!(why("ghost-registration").contains("5s within one look"));
        assert_eq!(why("blocked-executor"), "it may not know");
    }

    #[test]
    fn a_process_that_is_older_or_newer_is_judged_by_its_own_lints() {
        let terms = terms(When::Never, &[], &[]);
        let mut catalogue = Catalogue::own();
        catalogue.lints.retain(|lint| lint.name != "woken-not-run");
        catalogue.lints.push(Lint {
            name: "of-tomorrow".into(),
            hold_ns: 7_000_000_000,
            ..Default::default()
        });
        let mut run = answer(false);
        run.lints.retain(|name| name != "woken-not-run");
        run.lints.push("of-tomorrow".into());
        let failed = Err("it is busy".to_owned());
        let look = Look {
            terms: &terms,
            catalogue: &catalogue,
            descriptors: 1,
            answer: &run,
            audit: &failed,
            without_kernel: None,
        };
        let all = look.not_run();
        let of = |check: &str| all.iter().find(|it| it.check == check).expect(check);
        assert!(of("woken-not-run").why.contains("older"));
        assert_eq!(of("of-tomorrow").younger_than_ns, Some(7_000_000_000));
        assert_eq!(of("broken-law").why, "it is busy");
        assert_eq!(of("ghost-registration").flag.as_deref(), Some("--kernel"));
    }
}
