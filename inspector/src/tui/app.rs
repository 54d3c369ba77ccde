//! The state of the terminal UI: what is known, what is looked at, and how.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use netpoller_proto::Direction;
use netpoller_proto::v1::{Descriptor, Event, GetDescriptorResponse, Recording};
use netpoller_proto::vocabulary::DescId;

use ratatui::Frame;
use ratatui::layout::Rect;

use super::Arrangement;
use super::binding::Keymap;
use super::columns::Chooser;
use super::events::Events;
use super::known::{Feed, Link, Travel, Wanted};
use super::latency::Latency;
use super::targets::{Label, Names, Offer};
use super::theme::Theme;
use crate::clock::Anchor;
use crate::model::RowKey;
use crate::query::{Query, Scope};
use crate::table::{Column, Context, Entry, Group, GroupBy, Rows, Shown, SortSpec, find};

/// A view, as all that there is to say of it; `view::VIEWS` is the table of them.
#[derive(Debug)]
pub(crate) struct View {
    /// Over its tab.
    pub(crate) title: &'static str,
    /// The key that opens it.
    pub(crate) key: char,
    /// What the help says of that key.
    pub(crate) help: &'static str,
    /// What the process is asked for while it is open, beside its table.
    pub(crate) wants: Wants,
    /// What its filter is about; `None` if nothing is filtered.
    pub(crate) scope: Option<Scope>,
    pub(crate) body: Body,
}

/// What the process is asked for while a view is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    Nothing,
    /// The lines that open descriptors.
    Sites,
    /// What happens, event by event.
    Events,
    /// How it went on.
    Timeline,
    /// How it went on, latencies above all.
    Latencies,
}

/// What a view shows.
#[derive(Debug)]
pub(crate) enum Body {
    /// A table with a cursor, in this order to begin with.
    Table {
        table: &'static Rows,
        sort: &'static str,
        descending: bool,
    },
    /// What draws itself, at one of the steps that the keys for up and down go through: lines to
    /// scroll by, or things to choose from.
    Drawn {
        render: fn(&App, &mut Frame<'_>, Rect),
        steps: Steps,
    },
}

/// What the keys for up and down go through in a view that draws itself.
#[derive(Debug)]
pub(crate) struct Steps {
    pub(crate) count: fn(&App) -> usize,
    /// What tells the thing at a step from others, so that it stays the chosen one while others
    /// come and go; `None` for lines to scroll by.
    pub(crate) name: fn(&App, usize) -> Option<String>,
    /// The descriptor that it is about, whose details can be opened.
    pub(crate) descriptor: fn(&App, usize) -> Option<Arc<Descriptor>>,
}

impl Steps {
    /// Lines to scroll by.
    pub(crate) const fn lines(count: fn(&App) -> usize) -> Self {
        Self {
            count,
            name: |_, _| None,
            descriptor: |_, _| None,
        }
    }
}

/// Where one is in a view.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Table(Box<TableState>),
    Step(usize),
}

impl Place {
    fn beginning(view: &View) -> Self {
        match view.body {
            Body::Table {
                table,
                sort,
                descending,
            } => Self::Table(Box::new(TableState::new(table, sort, descending))),
            Body::Drawn { .. } => Self::Step(0),
        }
    }
}

/// What lies over the view.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Overlay {
    /// The keys, scrolled by this number of lines.
    Help(usize),
    /// One descriptor.
    Detail(Detail),
    /// The columns of the open table.
    Columns(Chooser),
    /// The processes that can be looked at.
    Targets(Offer),
}

/// One descriptor, as it is or as it was last seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detail {
    pub(crate) last: Arc<Descriptor>,
    /// What the process has told of it beside, when it was asked last.
    pub(crate) answer: Option<Arc<GetDescriptorResponse>>,
    /// When it was last seen, and in which life of the process: what is gone does not grow older.
    pub(crate) seen_ns: u64,
    pub(crate) epoch: u64,
    /// Lines that are scrolled away.
    pub(crate) scroll: usize,
}

/// The identity of a row, for a selection that stays on it while rows move.
pub(crate) type EntryKey = (RowKey, Option<Direction>);

/// A table with its order and its cursor.
#[derive(Debug, Clone)]
pub(crate) struct TableState {
    pub(crate) table: &'static Rows,
    /// Rows in the order in which they are shown, those that the filter admits.
    pub(crate) rows: Vec<Entry>,
    /// The row that was chosen, which the cursor follows. While there is none, the cursor stays at
    /// the top.
    pub(crate) selected: Option<EntryKey>,
    /// Its place in `rows`, or where it was before it went.
    pub(crate) cursor: usize,
    /// The first row on the screen.
    pub(crate) offset: usize,
    pub(crate) sort: SortSpec,
    /// The columns that were chosen; the usual ones, if none were.
    pub(crate) columns: Vec<&'static Column<Entry>>,
    /// Rows that have this in common are shown as one.
    pub(crate) by: Option<GroupBy>,
    /// These, while they are.
    pub(crate) groups: Vec<Group>,
    /// The group whose rows alone are shown, and what they have in common.
    pub(crate) within: Option<(GroupBy, String)>,
    /// The room that each column has taken: it does not become less while rows come and go.
    pub(crate) widths: HashMap<&'static str, usize>,
}

impl TableState {
    /// Sorts by this, if there is such a column.
    fn sort_by(&mut self, by: &SortSpec) {
        if let Ok(column) = find(self.table.columns, &by.column) {
            self.sort = SortSpec {
                column: column.name.to_owned(),
                descending: by.descending,
            };
        }
    }

    /// The columns that are shown where there is room: without a choice those that always are, and
    /// those that have a word in them.
    pub(crate) fn shown(&self) -> Vec<&'static Column<Entry>> {
        if !self.columns.is_empty() {
            return self.columns.clone();
        }
        let usual = self.table.columns.iter().filter(|it| match it.shown {
            Shown::Always => true,
            Shown::Wide | Shown::Filled => self.widths.contains_key(it.name),
            Shown::Never => false,
        });
        usual.collect()
    }

    /// The columns that may be shown, those without a word in them included.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &'static Column<Entry>> {
        let usual = self.table.columns.iter();
        let usual = usual.filter(|it| self.columns.is_empty() && it.shown != Shown::Never);
        self.columns.iter().copied().chain(usual)
    }

    fn new(table: &'static Rows, sort: &str, descending: bool) -> Self {
        Self {
            table,
            rows: Vec::new(),
            selected: None,
            cursor: 0,
            offset: 0,
            sort: SortSpec {
                column: sort.to_owned(),
                descending,
            },
            columns: Vec::new(),
            by: None,
            groups: Vec::new(),
            within: None,
            widths: HashMap::new(),
        }
    }

    /// The row under the cursor; none, if there is a group.
    pub(crate) fn current(&self) -> Option<&Entry> {
        self.rows.get(self.cursor).filter(|_| self.by.is_none())
    }

    /// The group under the cursor.
    pub(crate) fn group(&self) -> Option<(GroupBy, &Group)> {
        Some((self.by?, self.groups.get(self.cursor)?))
    }

    /// The first line on a screen that has room for so many: the state was scrolled for the size
    /// that it knows.
    pub(crate) fn first(&self, visible: usize) -> usize {
        let least = (self.cursor + 1).saturating_sub(visible.max(1));
        self.offset.min(self.len()).max(least)
    }

    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        match self.by {
            Some(_) => self.groups.len(),
            None => self.rows.len(),
        }
    }
}

/// The filter and what is being typed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Filter {
    /// As typed.
    pub(crate) text: String,
    /// Keys go into it.
    pub(crate) editing: bool,
    /// The text as an expression, if it is one; otherwise it is a word to look for.
    pub(crate) query: Option<Query>,
    /// It looks like an expression, but is none.
    pub(crate) error: Option<String>,
}

/// The command that is being typed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Prompt {
    pub(crate) text: String,
    /// Why it cannot be done.
    pub(crate) error: Option<String>,
}

/// The whole state of the terminal UI.
#[derive(Debug, Clone)]
pub(crate) struct App {
    /// Empty before one was chosen.
    pub(crate) target: String,
    /// The processes that are looked at, this one among them.
    pub(crate) tabs: Vec<Label>,
    /// How processes are called.
    pub(crate) names: Names,
    pub(crate) theme: Theme,
    pub(crate) keymap: Keymap,
    /// What is shown.
    pub(crate) feed: Feed,
    /// What came in while the picture is frozen.
    pub(crate) frozen: Option<Box<Feed>>,
    /// Time since the start of the UI.
    pub(crate) now: Duration,
    /// When a group came in last.
    pub(crate) fed_at: Duration,
    /// A picture older than this is called old.
    pub(crate) old_after: Duration,
    pub(crate) views: &'static [View],
    /// The index of the view that is open.
    pub(crate) open: usize,
    /// Where one is in each of them.
    places: Vec<Place>,
    pub(crate) overlay: Option<Overlay>,
    /// Rows of sleeps are left out of the tables.
    pub(crate) hides_sleeps: bool,
    /// The command that is being typed.
    pub(crate) command: Option<Prompt>,
    /// What has become of the last command, until the next key.
    pub(crate) notice: Option<Result<String, String>>,
    pub(crate) filter: Filter,
    /// The events that the filter admits.
    pub(crate) events: Events,
    /// The latencies of the process, and which of them are shown.
    pub(crate) latency: Latency,
    /// The moment that is looked at.
    pub(crate) travel: Travel,
    /// Of the terminal.
    pub(crate) size: (u16, u16),
}

impl App {
    /// Sorts the tables that have this column by it.
    pub(crate) fn sort_by(&mut self, by: &SortSpec) {
        for place in &mut self.places {
            let Place::Table(table) = place else { continue };
            table.sort_by(by);
        }
    }

    /// Arranges the table of a view.
    pub(crate) fn arrange(&mut self, arrangement: &Arrangement) {
        let views = self.views.iter().zip(&mut self.places);
        for (shown, place) in views {
            let Place::Table(table) = place else { continue };
            if !shown.title.eq_ignore_ascii_case(arrangement.view) {
                continue;
            }
            let known = table.table.columns;
            if let Some(columns) = &arrangement.columns {
                let columns = columns.iter().filter_map(|name| find(known, name).ok());
                table.columns = columns.collect();
            }
            if let Some(sort) = &arrangement.sort {
                table.sort_by(sort);
            }
        }
    }

    /// Opens the first of these views.
    pub(crate) fn new(
        views: &'static [View],
        keymap: Keymap,
        target: String,
        theme: Theme,
        size: (u16, u16),
    ) -> Self {
        Self {
            target,
            tabs: Vec::new(),
            names: Names::default(),
            theme,
            keymap,
            feed: Feed::default(),
            frozen: None,
            now: Duration::ZERO,
            fed_at: Duration::ZERO,
            old_after: Duration::from_secs(3),
            views,
            open: 0,
            places: views.iter().map(Place::beginning).collect(),
            overlay: None,
            hides_sleeps: false,
            command: None,
            notice: None,
            filter: Filter::default(),
            events: Events::default(),
            latency: Latency::default(),
            travel: Travel::default(),
            size,
        }
    }

    /// What cells are rendered with.
    pub(crate) fn context(&self) -> Context {
        Context {
            now_ns: self.feed.model.captured_at_ns,
            anchor: self
                .feed
                .server
                .as_deref()
                .map(Anchor::of)
                .unwrap_or_default(),
            ascii: self.theme.ascii,
            several: self.has_several_pollers(),
        }
    }

    /// The names of the pollers, as far as they are known.
    pub(crate) fn pollers(&self) -> Vec<&str> {
        let stats = self.feed.model.stats.as_deref();
        match (stats, self.feed.server.as_deref()) {
            (Some(stats), _) => {
                let pollers = stats.pollers.iter().filter_map(|it| it.poller.as_ref());
                pollers.map(|poller| poller.name.as_str()).collect()
            }
            (None, Some(server)) => server.pollers.iter().map(|it| it.name.as_str()).collect(),
            (None, None) => Vec::new(),
        }
    }

    /// Ids are written with their poller.
    fn has_several_pollers(&self) -> bool {
        // Rows are in the order of their pollers.
        let rows = &self.feed.model.rows;
        let ends = rows.first_key_value().zip(rows.last_key_value());
        self.pollers().len() > 1
            || ends.is_some_and(|((_, first), (_, last))| first.poller != last.poller)
    }

    /// The state of the connection now, even while the picture is frozen.
    pub(crate) fn link(&self) -> &Link {
        self.frozen
            .as_ref()
            .map_or(&self.feed.link, |latest| &latest.link)
    }

    /// The view that is open.
    pub(crate) fn view(&self) -> Option<&'static View> {
        self.views.get(self.open)
    }

    pub(crate) fn wants(&self, what: Wants) -> bool {
        self.view().is_some_and(|view| view.wants == what)
    }

    /// The row that an event is about, if it is known.
    pub(crate) fn row_of(&self, event: &Event) -> Option<Arc<Descriptor>> {
        self.row(&event.poller, &event.id)
    }

    /// The row of a descriptor, if it is there.
    pub(crate) fn row(&self, poller: &str, id: &str) -> Option<Arc<Descriptor>> {
        let id: DescId = id.parse().ok()?;
        let key = RowKey::of(&Descriptor {
            poller: poller.to_owned(),
            slot: id.slot,
            generation: id.generation,
            ..Descriptor::default()
        });
        self.feed.model.rows.get(&key).cloned()
    }

    /// What the process is to be asked for.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            sites: self.wants(Wants::Sites),
            events: self.wants(Wants::Events),
            timeline: self.wants(Wants::Timeline) || self.wants(Wants::Latencies),
            descriptor: match &self.overlay {
                Some(Overlay::Detail(detail)) => {
                    Some((detail.last.poller.clone(), detail.last.id()))
                }
                _ => None,
            },
            travel: self.travel,
        }
    }

    /// The recording that is looked at, and at which moment.
    pub(crate) fn recording(&self) -> Option<(u64, &Recording)> {
        // A replay goes on by itself, as a process does.
        let server = self
            .feed
            .server
            .as_ref()
            .filter(|_| self.feed.is_recording)?;
        let recording = server.recording.as_ref()?;
        Some((self.feed.model.captured_at_ns, recording))
    }

    pub(crate) fn place_mut(&mut self) -> Option<&mut Place> {
        self.places.get_mut(self.open)
    }

    /// The open table, if the view is one.
    pub(crate) fn table(&self) -> Option<&TableState> {
        match self.places.get(self.open) {
            Some(Place::Table(table)) => Some(table),
            _ => None,
        }
    }

    pub(crate) fn table_mut(&mut self) -> Option<&mut TableState> {
        match self.place_mut() {
            Some(Place::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// The step at which a view stands that draws itself.
    pub(crate) fn step(&self) -> usize {
        match self.places.get(self.open) {
            Some(Place::Step(step)) => *step,
            _ => 0,
        }
    }

    /// What is chosen in a view that draws itself.
    pub(crate) fn chosen(&self) -> Option<String> {
        match self.view().map(|view| &view.body) {
            Some(Body::Drawn { steps, .. }) => (steps.name)(self, self.step()),
            _ => None,
        }
    }

    /// The descriptor under the cursor, whatever the view.
    pub(crate) fn descriptor(&self) -> Option<Arc<Descriptor>> {
        match self.view().map(|view| &view.body) {
            Some(Body::Drawn { steps, .. }) => (steps.descriptor)(self, self.step()),
            _ => {
                let entry = self.table().and_then(TableState::current);
                entry.map(|entry| Arc::clone(&entry.row))
            }
        }
    }

    /// How many steps, or rows, the open view has.
    pub(crate) fn steps(&self) -> usize {
        match self.view().map(|view| &view.body) {
            Some(Body::Drawn { steps, .. }) => (steps.count)(self),
            _ => self.table().map_or(0, TableState::len),
        }
    }
}
