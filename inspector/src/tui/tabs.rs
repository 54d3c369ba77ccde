//! The processes that are looked at side by side, of which one is shown.

use std::time::Duration;

use netpoller_proto::v1::Severity;
use tokio::sync::watch;

use super::app::App;
use super::known::{Feed, Wanted};
use super::moves::apply_filter;
use super::theme::Theme;
use super::update::{Cmd, Msg, update};
use super::{Options, feed, view};
use crate::source::Target;

/// What is seen of a process while another is shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Label {
    pub(crate) name: String,
    /// What was found, and how grave the worst of it is.
    pub(crate) found: u64,
    pub(crate) severity: Option<Severity>,
    pub(crate) is_shown: bool,
}

/// A process, and what is known of it.
struct Tab {
    /// `None` before anything was chosen.
    target: Option<Target>,
    app: App,
    feeds: watch::Receiver<Feed>,
    want: watch::Sender<Wanted>,
    /// Of nobody.
    _nobody: Option<watch::Sender<Feed>>,
}

impl Tab {
    fn new(target: Option<Target>, options: &Options, size: (u16, u16)) -> Self {
        let (sender, feeds) = watch::channel(Feed::default());
        let (want, wanted) = watch::channel(Wanted::default());
        let nobody = match &target {
            Some(target) => {
                let (interval, timeout) = (options.interval, options.timeout);
                tokio::spawn(feed::run(target.clone(), interval, timeout, sender, wanted));
                None
            }
            None => Some(sender),
        };
        Self {
            app: app(target.as_ref(), options, size),
            target,
            feeds,
            want,
            _nobody: nobody,
        }
    }

    fn ask(&self, wanted: Wanted) {
        self.want
            .send_if_modified(|it| std::mem::replace(it, wanted.clone()) != wanted);
    }

    fn name(&self) -> String {
        let feed = self.feeds.borrow();
        let server = feed.server.as_ref();
        let name = server.and_then(|it| it.executable.rsplit('/').next());
        match (name, server) {
            (Some(name), Some(server)) if !name.is_empty() => format!("{name} {}", server.pid),
            _ => self.app.target.clone(),
        }
    }
}

fn app(target: Option<&Target>, options: &Options, size: (u16, u16)) -> App {
    let mut app = App::new(
        view::VIEWS,
        options.keymap.clone(),
        target.map(Target::to_string).unwrap_or_default(),
        Theme {
            palette: options.color,
            ascii: options.ascii,
        },
        size,
    );
    app.names = options.names.clone();
    app.old_after = options.interval.saturating_mul(2).max(app.old_after);
    for arrangement in &options.views {
        app.arrange(arrangement);
    }
    if let Some(sort) = &options.sort {
        app.sort_by(sort);
    }
    if let Some(filter) = &options.filter {
        app.filter.text.clone_from(filter);
        apply_filter(&mut app);
    }
    app
}

/// The processes that are looked at. There is always one, if only the place for it.
pub(super) struct Tabs {
    all: Vec<Tab>,
    shown: usize,
}

impl Tabs {
    pub(super) fn new(target: Option<Target>, options: &Options, size: (u16, u16)) -> Self {
        Self {
            all: vec![Tab::new(target, options, size)],
            shown: 0,
        }
    }

    fn tab(&mut self) -> &mut Tab {
        &mut self.all[self.shown]
    }

    /// The state that is shown.
    pub(super) fn app(&self) -> &App {
        &self.all[self.shown].app
    }

    /// Waits until more is known of the process that is shown; false if nothing more will be.
    pub(super) async fn changed(&mut self) -> bool {
        self.tab().feeds.changed().await.is_ok()
    }

    /// What is known of it now.
    pub(super) fn feed(&mut self) -> Msg {
        Msg::Feed(Box::new(self.tab().feeds.borrow_and_update().clone()))
    }

    /// Takes a message, and asks for what is wanted then.
    pub(super) fn update(&mut self, msg: Msg) -> Option<Cmd> {
        let tab = self.tab();
        let command = update(&mut tab.app, msg);
        tab.ask(tab.app.wanted());
        self.label();
        command
    }

    /// Shows a process, beside those that are looked at already.
    pub(super) fn open(&mut self, target: Target, options: &Options) {
        let is_it = |tab: &Tab| tab.target.as_ref() == Some(&target);
        if let Some(known) = self.all.iter().position(is_it) {
            return self.show(known);
        }
        let tab = Tab::new(Some(target), options, self.app().size);
        if self.app().target.is_empty() {
            // It was the place for one.
            self.all[self.shown] = tab;
            return self.label();
        }
        self.all.push(tab);
        self.show(self.all.len() - 1);
    }

    /// Shows the next one, or the one before; behind the last comes the first.
    pub(super) fn turn(&mut self, forth: bool) {
        let by = if forth { 1 } else { self.all.len() - 1 };
        self.show((self.shown + by) % self.all.len());
    }

    /// Looks no longer at the process that is shown; the last one stays.
    pub(super) fn close(&mut self) {
        if self.all.len() == 1 {
            let why = Err("it is the only process that is looked at; q quits".into());
            self.update(Msg::Done(why));
            return;
        }
        let (now, size) = (self.app().now, self.app().size);
        self.all.remove(self.shown);
        self.shown = self.shown.min(self.all.len() - 1);
        self.come(now, size);
    }

    fn show(&mut self, index: usize) {
        let (now, size) = (self.app().now, self.app().size);
        let tab = self.tab();
        // Nobody sees more of it than its table and its findings.
        tab.ask(Wanted {
            travel: tab.app.travel,
            ..Wanted::default()
        });
        self.shown = index;
        self.come(now, size);
    }

    /// Tells the state that is shown now what others were told meanwhile.
    fn come(&mut self, now: Duration, (width, height): (u16, u16)) {
        let feed = self.feed();
        for msg in [Msg::Tick(now), Msg::Resize(width, height), feed] {
            self.update(msg);
        }
    }

    fn label(&mut self) {
        let label = |(index, tab): (usize, &Tab)| {
            let checkup = &tab.feeds.borrow().checkup;
            Label {
                name: tab.name(),
                found: checkup.count(),
                severity: checkup.severity(),
                is_shown: index == self.shown,
            }
        };
        let labels = self.all.iter().enumerate().map(label).collect();
        self.tab().app.tabs = labels;
    }
}
