//! What the feed knows of the process, as one value, and what it is asked to find out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use netpoller_proto::v1::{
    Descriptor, GetDescriptorResponse, GetServerResponse, ListSitesResponse, Severity,
};
use netpoller_proto::vocabulary::DescId;

use super::tail::Tail;
use crate::findings::{Case, Key, Looked, lines};
use crate::model::Model;
use crate::table::{SiteRow, leaks};
use crate::timeline::Timeline;

/// The state of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// The first attempt.
    Connecting,
    /// Frames come in.
    Live,
    /// Lost, for this reason; the next attempt comes after this time.
    Lost {
        reason: String,
        attempt: u32,
        retry_in: Duration,
    },
}

/// What the feed knows, as one value.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    pub(crate) server: Option<Arc<GetServerResponse>>,
    /// The process whose place it has taken, if it was restarted meanwhile.
    pub(crate) before: Option<u32>,
    /// It is not as the process is, but as is remembered of it.
    pub(crate) is_remembered: bool,
    /// It is a recording, or what is remembered, in which one may go elsewhere.
    pub(crate) is_recording: bool,
    /// It is the last moment of that.
    pub(crate) is_over: bool,
    pub(crate) model: Model,
    /// How it went on: of a process since it is looked at, and of what was recorded once somebody
    /// wants to know.
    pub(crate) timeline: Arc<Timeline>,
    /// The same of all that was recorded.
    pub(crate) is_timeline_whole: bool,
    /// The lines that open descriptors, once somebody has looked at them.
    pub(crate) leaks: Arc<Leaks>,
    /// What is wrong, as the process says from time to time.
    pub(crate) checkup: Arc<Checkup>,
    /// The last events, once somebody has looked at them.
    pub(crate) events: Arc<Tail>,
    /// The last descriptor of which more was asked for, and what was answered.
    pub(crate) described: Option<Arc<GetDescriptorResponse>>,
    pub(crate) link: Link,
}

/// What the process is asked for beside its table, while somebody looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The lines that open descriptors.
    pub(crate) sites: bool,
    /// What happens, event by event.
    pub(crate) events: bool,
    /// How it went on.
    pub(crate) timeline: bool,
    /// One descriptor in full: its poller and its number there.
    pub(crate) descriptor: Option<(String, DescId)>,
    /// Another moment of what was recorded, or is remembered.
    pub(crate) travel: Travel,
}

/// Which moment somebody looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Travel {
    /// What is remembered of a process, and not the process.
    pub(crate) in_memory: bool,
    /// So many intervals later than at first, or earlier.
    pub(crate) steps: i32,
    /// So many findings later than at first, or earlier.
    pub(crate) finds: i32,
}

/// Sites that are shown. Nobody scrolls through more.
const MOST_SITES: usize = 1_000;

/// What has become of the lines that open descriptors, from the first look at them on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leaks {
    /// All of it in one line; empty before the first answer.
    pub(crate) summary: String,
    pub(crate) rows: Vec<SiteRow>,
    /// When it was so.
    pub(crate) captured_at_ns: u64,
    /// Why there is no newer answer, or what the last one lacks.
    pub(crate) trouble: String,
}

impl Leaks {
    /// As two answers tell it.
    pub(crate) fn between(first: &ListSitesResponse, mut now: ListSitesResponse) -> Self {
        let captured_at_ns = now.captured_at_ns;
        let trouble = std::mem::take(&mut now.sockets_error);
        let mut all = leaks::between(first, now);
        let mut summary = leaks::summary(&all);
        if all.len() > MOST_SITES {
            all.truncate(MOST_SITES);
            summary.push_str(&format!("; the first {MOST_SITES} lines"));
        }
        let rows = all.into_iter().flat_map(|leak| leak.lines(leaks::PARTS));
        Self {
            summary,
            rows: rows.collect(),
            captured_at_ns,
            trouble,
        }
    }
}

impl Feed {
    /// Somebody answers: forgets what another process has told beside its table, or another life of
    /// this one. The table goes once there is another.
    pub(crate) fn meet(&mut self, server: &GetServerResponse) {
        let life = |it: &GetServerResponse| (it.boot_id.clone(), it.pid, it.started_at_ns);
        let is_same = |before: &Arc<GetServerResponse>| life(before) == life(server);
        if self.server.as_ref().is_none_or(is_same) {
            return;
        }
        self.timeline = Arc::default();
        self.leaks = Arc::default();
        self.checkup = Arc::default();
        Arc::make_mut(&mut self.events).forget();
        self.described = None;
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            server: None,
            before: None,
            is_remembered: false,
            is_recording: false,
            is_over: false,
            model: Model::default(),
            timeline: Arc::default(),
            is_timeline_whole: false,
            leaks: Arc::default(),
            checkup: Arc::default(),
            events: Arc::default(),
            described: None,
            link: Link::Connecting,
        }
    }
}

/// What the doctor said when it looked last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checkup {
    /// The gravest first.
    pub(crate) cases: Vec<Case>,
    /// Findings beyond these, which the process does not list.
    pub(crate) more: u64,
    /// What was run, in a few words; empty before the first answer.
    pub(crate) ran: String,
    /// What was not run, or not told yet, under its name.
    pub(crate) not_run: Vec<(&'static str, String)>,
    /// When it looked.
    pub(crate) captured_at_ns: u64,
    /// Why there is no newer answer.
    pub(crate) trouble: String,
    /// How grave the worst is of each descriptor.
    worst: HashMap<String, HashMap<DescId, Severity>>,
}

impl Checkup {
    /// As the last look found it.
    pub(crate) fn of(looked: Looked) -> Self {
        let ran = looked.ran();
        let mut cases = looked.cases;
        // Those of one gravity stay in the order in which the process lists them.
        cases.sort_by_key(|case| std::cmp::Reverse(case.finding.severity()));
        let mut worst: HashMap<String, HashMap<DescId, Severity>> = HashMap::new();
        for case in cases.iter().rev() {
            if let Some(entry) = &case.entry {
                let of_poller = worst.entry(entry.row.poller.clone()).or_default();
                of_poller.insert(entry.row.id(), case.finding.severity());
            }
        }
        Self {
            more: looked.more,
            ran,
            not_run: lines(&looked.not_run),
            captured_at_ns: looked.captured_at_ns,
            trouble: String::new(),
            worst,
            cases,
        }
    }

    /// Findings, those that are not listed too.
    pub(crate) fn count(&self) -> u64 {
        self.more.saturating_add(self.cases.len() as u64)
    }

    /// Whether something is found that another look had not found.
    pub(crate) fn has_more_than(&self, other: &Self) -> bool {
        let known: HashSet<Key> = other.cases.iter().map(Case::key).collect();
        self.cases.iter().any(|it| !known.contains(&it.key()))
    }

    /// How grave the worst finding is.
    pub(crate) fn severity(&self) -> Option<Severity> {
        self.cases.first().map(|case| case.finding.severity())
    }

    /// How grave the worst finding of this descriptor is.
    pub(crate) fn mark(&self, row: &Descriptor) -> Option<Severity> {
        self.worst.get(&row.poller)?.get(&row.id()).copied()
    }

    /// What was found of this descriptor.
    pub(crate) fn cases_of(&self, row: &Descriptor) -> impl Iterator<Item = &Case> {
        let (poller, id) = (row.poller.clone(), row.id());
        self.cases.iter().filter(move |case| {
            let row = case.entry.as_ref().map(|entry| &entry.row);
            row.is_some_and(|row| row.poller == poller && row.id() == id)
        })
    }
}
