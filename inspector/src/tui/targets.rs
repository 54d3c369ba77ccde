//! The processes that can be looked at: how they are called, those that are offered, and what is
//! seen of those that are open.

use std::collections::BTreeMap;
use std::time::Duration;

use netpoller_proto::v1::Severity;

use crate::paint::Tone;
use crate::source::{Access, Found, TargetSpec, discover, discover_outside, hidden};
use crate::table::{Context, TARGETS, find};

/// How processes are called, and what is shown to those that are reached over a network.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// What the names of the configuration stand for.
    pub(crate) aliases: BTreeMap<String, TargetSpec>,
    /// What is shown to all others.
    pub(crate) access: Access,
}

impl Names {
    /// What is meant by a name of the configuration, or by what `--target` takes.
    pub(crate) fn read(&self, text: &str) -> Result<TargetSpec, String> {
        match self.aliases.get(text) {
            Some(spec) => Ok(spec.clone()),
            None => Ok(text.parse::<TargetSpec>()?.with_access(&self.access)),
        }
    }
}

/// What is seen of a process while another is shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Label {
    pub(crate) name: String,
    /// What was found, and how grave the worst of it is.
    pub(crate) found: u64,
    pub(crate) severity: Option<Severity>,
    /// Nobody answers there.
    pub(crate) is_lost: bool,
    pub(crate) is_shown: bool,
}

/// A process that is offered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    /// Its name in the configuration, or that of its executable.
    pub(crate) name: String,
    /// `None` if it is elsewhere.
    pub(crate) pid: Option<u32>,
    /// Whether it answers, and how that is to be taken.
    pub(crate) state: (String, Tone),
    pub(crate) spec: TargetSpec,
}

/// The processes that are offered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Offer {
    /// `None` while they are looked for.
    pub(crate) choices: Option<Vec<Choice>>,
    /// What is not seen.
    pub(crate) hidden: Option<String>,
    pub(crate) cursor: usize,
}

impl Offer {
    /// The process under the cursor.
    pub(crate) fn chosen(&self) -> Option<&Choice> {
        self.choices.as_ref()?.get(self.cursor)
    }

    /// Takes what was found; the cursor stays on the process where it stood.
    pub(crate) fn take(&mut self, found: Self) {
        let here = self.chosen().map(|it| it.spec.clone());
        let choices = found.choices.as_deref().unwrap_or_default();
        let place = choices
            .iter()
            .position(|it| Some(&it.spec) == here.as_ref());
        *self = Self {
            cursor: place.unwrap_or(0),
            ..found
        };
    }

    /// Looks for all that there are: those that have an endpoint, those that the configuration
    /// names, and those that can be read from outside.
    pub(crate) async fn look(names: &Names, timeout: Duration) -> Self {
        let mut found = discover(timeout).await;
        let known = found.clone();
        // All of /proc is read for that, which others need not wait for.
        let read = move || (discover_outside(&known), hidden());
        let read = tokio::task::spawn_blocking(read).await;
        let (outside, hidden) = read.unwrap_or_default();
        let mut named: Vec<Choice> = Vec::new();
        for (name, spec) in &names.aliases {
            let alias = |it: &mut Found| it.alias = Some(name.clone());
            let is_here = |it: &&mut Found| it.is(spec);
            match found.iter_mut().find(is_here) {
                Some(it) => alias(it),
                None => named.push(Choice {
                    name: name.clone(),
                    pid: None,
                    state: (told(spec), Tone::Plain),
                    spec: spec.clone(),
                }),
            }
        }
        let found = found.iter().map(Choice::of);
        let outside = outside.iter().map(Choice::of);
        Self {
            choices: Some(found.chain(named).chain(outside).collect()),
            hidden,
            cursor: 0,
        }
    }
}

fn told(spec: &TargetSpec) -> String {
    match spec {
        TargetSpec::At(target) => target.to_string(),
        TargetSpec::Pid(pid) => format!("pid:{pid}"),
        TargetSpec::Name(name) => name.clone(),
    }
}

impl Choice {
    fn of(found: &Found) -> Self {
        let state = find(&TARGETS, "state").map(|it| it.cell(found, &Context::default()));
        let state = state.map(|cell| (cell.text, cell.tone));
        Self {
            name: match &found.alias {
                Some(alias) => alias.clone(),
                None => found.name().to_owned(),
            },
            pid: Some(found.pid),
            state: state.unwrap_or_else(|_| (String::new(), Tone::Plain)),
            spec: TargetSpec::At(found.target()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Target;

    fn choice(name: &str, pid: u32) -> Choice {
        Choice {
            name: name.into(),
            pid: Some(pid),
            state: ("ok".into(), Tone::Good),
            spec: TargetSpec::At(Target::Process(pid)),
        }
    }

    #[test]
    fn a_name_of_the_configuration_goes_before_one_of_a_process() {
        let aliases = [("shop".to_owned(), TargetSpec::Pid(7))];
        let names = Names {
            aliases: aliases.into_iter().collect(),
            access: Access::default(),
        };
        assert_eq!(names.read("shop"), Ok(TargetSpec::Pid(7)));
        assert_eq!(names.read("other"), Ok(TargetSpec::Name("other".into())));
        assert!(names.read("http://nowhere").is_err());
    }

    #[test]
    fn the_cursor_stays_on_the_process_where_it_stood() {
        let offer = |choices: &[Choice]| Offer {
            choices: Some(choices.to_vec()),
            ..Offer::default()
        };
        let mut shown = offer(&[choice("a", 1), choice("b", 2)]);
        shown.cursor = 1;
        shown.take(offer(&[choice("n", 9), choice("a", 1), choice("b", 2)]));
        assert_eq!(shown.chosen().map(|it| it.pid), Some(Some(2)));
        shown.take(offer(&[choice("n", 9)]));
        assert_eq!(shown.chosen().map(|it| it.pid), Some(Some(9)));
    }
}
