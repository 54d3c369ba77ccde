//! The processes that are looked at side by side, of which one is shown.

use std::time::Duration;

use tokio::sync::watch;

use super::app::App;
use super::known::{Feed, Link, Wanted};
use super::moves::apply_filter;
use super::targets::{Label, Offer};
use super::theme::Theme;
use super::update::{Cmd, Msg, update};
use super::{Options, feed, view};
use crate::source::Target;
use crate::text;

/// Processes that are looked at: what is remembered of each takes memory.
const MOST: usize = 16;
/// Room for the name of one.
const LONGEST_NAME: usize = 24;

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
        match (&self.target, name, server) {
            // A process may have several, and be there itself.
            (Some(Target::File(_)), ..) => {
                let path = self.app.target.rsplit('/').next();
                path.unwrap_or_default().to_owned()
            }
            (_, Some(name), Some(server)) if !name.is_empty() => {
                let name = text::cut_middle(name, LONGEST_NAME, self.app.theme.ascii);
                format!("{name} {}", server.pid)
            }
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

    /// Gives those who look for processes what was found, whichever is shown.
    pub(super) fn offer(&mut self, offer: &Offer) {
        for tab in &mut self.all {
            update(&mut tab.app, Msg::Offer(offer.clone()));
        }
    }

    /// Shows a process, beside those that are looked at already.
    pub(super) fn open(&mut self, target: Target, options: &Options) {
        // It is connected.
        self.tab().app.notice = None;
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
        if self.all.len() >= MOST {
            let why = format!("{MOST} processes are looked at, and no more can be; X ends one");
            self.update(Msg::Done(Err(why)));
            return;
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
        if index == self.shown {
            return;
        }
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
        self.update(Msg::Tick(now));
        self.update(Msg::Resize(width, height));
        // What was known is as old as it was.
        if self.tab().feeds.has_changed().unwrap_or(false) {
            let feed = self.feed();
            self.update(feed);
        }
    }

    fn label(&mut self) {
        let label = |(index, tab): (usize, &Tab)| {
            let checkup = &tab.feeds.borrow().checkup;
            Label {
                name: tab.name(),
                found: checkup.count(),
                severity: checkup.severity(),
                is_lost: matches!(tab.feeds.borrow().link, Link::Lost { .. }),
                is_shown: index == self.shown,
            }
        };
        let labels = self.all.iter().enumerate().map(label).collect();
        self.tab().app.tabs = labels;
    }
}
