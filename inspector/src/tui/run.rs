//! The loop: messages in, pictures out.

use std::io::Write;
use std::time::{Duration, Instant};

use crossterm::event::{Event, EventStream};
use signal_hook::consts::{
    SIGABRT, SIGALRM, SIGBUS, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP,
    SIGTSTP, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;

use super::app::App;
use super::known::{Feed, Wanted};
use super::moves::apply_filter;
use super::terminal::{self, Screen};
use super::theme::Theme;
use super::update::{Cmd, Msg, update};
use super::{Options, feed, view};
use crate::failure::Failure;
use crate::source::Target;

/// Pictures a second at most; the terminal may be far away.
const BETWEEN_PICTURES: Duration = Duration::from_millis(100);
/// A key is answered sooner than that.
const AFTER_A_KEY: Duration = Duration::from_millis(15);

/// Linux has these two as well.
const SIGSTKFLT: i32 = 16;
const SIGPWR: i32 = 30;

/// Opens the terminal UI on the target and returns when it is quit.
///
/// The terminal is as it was when this returns, however it returns. Must not be called inside a
/// tokio runtime.
pub(crate) fn run(target: &Target, options: &Options) -> Result<(), Failure> {
    // One worker: the feed runs there, the terminal on this thread.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::Runtime(format!("starting the runtime: {error}")))?;
    let result = runtime.block_on(session(target, options));
    // The thread that reads keys may be blocked in the kernel; it ends with the process.
    runtime.shutdown_background();
    result
}

async fn session(target: &Target, options: &Options) -> Result<(), Failure> {
    let (sender, mut feeds) = watch::channel(Feed::default());
    let (want, wanted) = watch::channel(Wanted::default());
    tokio::spawn(feed::run(
        target.clone(),
        options.interval,
        options.timeout,
        sender,
        wanted,
    ));

    let mut signals =
        Signals::new().map_err(|error| Failure::Runtime(format!("catching signals: {error}")))?;
    let start = Instant::now();
    let deadline = options
        .until
        .and_then(|until| tokio::time::Instant::now().checked_add(until));
    let mut screen = Screen::enter()?;
    let size = crossterm::terminal::size().unwrap_or((80, 24));
    let mut app = App::new(
        view::VIEWS,
        options.keymap.clone(),
        target.to_string(),
        Theme {
            palette: options.color,
            ascii: options.ascii,
        },
        size,
    );
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
    let mut events = EventStream::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let mut pace = Pace::new();

    loop {
        let msg = tokio::select! {
            biased;
            // The hook has left the terminal and said why.
            () = terminal::panicked() => {
                return Err(Failure::Runtime("a thread panicked; see above".into()));
            }
            caught = signals.next() => {
                if caught != SIGTSTP {
                    screen.leave();
                    return Err(Failure::Signal(u8::try_from(caught).unwrap_or(0)));
                }
                suspend(&mut screen)?;
                pace.want(Duration::ZERO);
                continue;
            }
            () = at(deadline) => return Ok(()),
            event = events.next() => match event {
                Some(Ok(Event::Key(key))) => Msg::Key(key),
                Some(Ok(Event::Paste(text))) => Msg::Paste(text),
                Some(Ok(Event::Mouse(event))) => Msg::Mouse(event),
                Some(Ok(Event::Resize(width, height))) => Msg::Resize(width, height),
                Some(Ok(_)) => continue,
                // The terminal is gone.
                Some(Err(error)) => return Err(Failure::Runtime(format!("reading keys: {error}"))),
                None => return Err(Failure::Runtime("the terminal is gone".into())),
            },
            () = at(pace.due) => {
                screen.draw(|frame| view::render(&app, frame))?;
                pace.drawn();
                continue;
            }
            changed = feeds.changed() => match changed {
                Ok(()) => Msg::Feed(Box::new(feeds.borrow_and_update().clone())),
                Err(_) => return Err(Failure::Runtime("the connection task has ended".into())),
            },
            _ = ticks.tick() => Msg::Tick(start.elapsed()),
        };
        update(&mut app, Msg::Tick(start.elapsed()));
        pace.want(
            if matches!(msg, Msg::Key(_) | Msg::Mouse(_) | Msg::Resize(..)) {
                AFTER_A_KEY
            } else {
                BETWEEN_PICTURES
            },
        );
        let command = update(&mut app, msg);
        let wanted = app.wanted();
        want.send_if_modified(|it| std::mem::replace(it, wanted.clone()) != wanted);
        match command {
            None => {}
            Some(Cmd::Quit) => return Ok(()),
            Some(Cmd::Suspend) => suspend(&mut screen)?,
            Some(Cmd::Redraw) => screen.come_back()?,
            Some(Cmd::Copy(row)) => {
                let done = screen
                    .copy(&row)
                    .map(|()| "copied to the clipboard".to_owned());
                let done = done.map_err(|error| format!("copying: {error}"));
                update(&mut app, Msg::Done(done));
            }
            Some(Cmd::Save { path, bytes }) => {
                update(&mut app, Msg::Done(save(&path, &bytes)));
            }
        }
    }
}

/// Writes a file that is not there yet, and says which.
fn save(path: &str, bytes: &[u8]) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("saving {path}: {error}");
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    let whole = std::fs::canonicalize(path).map_err(failed)?;
    Ok(format!("saved as {}", whole.display()))
}

/// When to draw. Many messages make one picture, but a key does not wait for the others.
struct Pace {
    drawn_at: tokio::time::Instant,
    /// `None` while there is nothing new.
    due: Option<tokio::time::Instant>,
}

impl Pace {
    fn new() -> Self {
        let now = tokio::time::Instant::now();
        Self {
            drawn_at: now,
            due: Some(now),
        }
    }

    /// There is something new, to be seen within this time, or sooner if the last picture is old.
    fn want(&mut self, within: Duration) {
        let now = tokio::time::Instant::now();
        let at = (self.drawn_at + BETWEEN_PICTURES).min(now + within);
        self.due = Some(self.due.map_or(at, |earlier| earlier.min(at)));
    }

    fn drawn(&mut self) {
        self.drawn_at = tokio::time::Instant::now();
        self.due = None;
    }
}

async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Stops this process as any other, with the terminal as the shell wants it, and goes on after
/// `fg`.
fn suspend(screen: &mut Screen) -> Result<(), Failure> {
    screen.leave();
    signal_hook::low_level::emulate_default_handler(SIGTSTP)
        .map_err(|error| Failure::Runtime(format!("suspending: {error}")))?;
    screen.come_back()?;
    Ok(())
}

/// The signals that would otherwise leave the terminal in raw mode: all that end a process, or stop
/// it from the keyboard. KILL and STOP cannot be caught, ILL, FPE and SEGV only with unsafe code,
/// and the standard library ignores PIPE.
const CAUGHT: [i32; 19] = [
    SIGHUP, SIGINT, SIGQUIT, SIGTRAP, SIGABRT, SIGBUS, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM,
    SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSYS, SIGTSTP,
];
/// Those without a name end a process too.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

struct Signals {
    caught: mpsc::UnboundedReceiver<i32>,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let mut signals = signal_hook::iterator::Signals::new(CAUGHT.into_iter().chain(REAL_TIME))?;
        let (sender, caught) = mpsc::unbounded_channel();
        // It ends with the process, or when nobody listens any more.
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || signals.forever().try_for_each(|signal| sender.send(signal)))?;
        Ok(Self { caught })
    }

    /// The number of the next one.
    async fn next(&mut self) -> i32 {
        match self.caught.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}
