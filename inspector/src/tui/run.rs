//! The loop: messages in, pictures out.

use std::io::Write;
use std::time::{Duration, Instant};

use crossterm::event::{Event, EventStream};
use signal_hook::consts::{
    SIGABRT, SIGALRM, SIGBUS, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP,
    SIGTSTP, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;

use super::tabs::Tabs;
use super::targets::Offer;
use super::terminal::{self, Screen};
use super::update::{Cmd, Msg};
use super::{Options, view};
use crate::failure::Failure;
use crate::source::{Target, TargetSpec, choose};

/// Pictures a second at most; the terminal may be far away.
const BETWEEN_PICTURES: Duration = Duration::from_millis(100);
/// A key is answered sooner than that.
const AFTER_A_KEY: Duration = Duration::from_millis(15);

/// Linux has these two as well.
const SIGSTKFLT: i32 = 16;
const SIGPWR: i32 = 30;

/// Opens the terminal UI on a target, or with all that there are to choose from, and returns when
/// it is quit.
///
/// The terminal is as it was when this returns, however it returns. Must not be called inside a
/// tokio runtime.
pub(crate) fn run(target: Option<&Target>, options: &Options) -> Result<(), Failure> {
    // One worker: the feeds run there, the terminal on this thread.
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

/// What was looked for meanwhile.
enum Sought {
    Offer(Offer),
    Target(Result<Target, String>),
}

async fn session(target: Option<&Target>, options: &Options) -> Result<(), Failure> {
    let mut signals =
        Signals::new().map_err(|error| Failure::Runtime(format!("catching signals: {error}")))?;
    let start = Instant::now();
    let deadline = options
        .until
        .and_then(|until| tokio::time::Instant::now().checked_add(until));
    let mut screen = Screen::enter()?;
    let size = crossterm::terminal::size().unwrap_or((80, 24));
    let mut tabs = Tabs::new(target.cloned(), options, size);
    let (seek, mut sought) = mpsc::unbounded_channel();
    if target.is_none() {
        tabs.update(Msg::Offer(Offer::default()));
        seek_offer(&seek, options);
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
                screen.draw(|frame| view::render(tabs.app(), frame))?;
                pace.drawn();
                continue;
            }
            Some(sought) = sought.recv() => match sought {
                Sought::Offer(offer) => {
                    tabs.offer(&offer);
                    pace.want(AFTER_A_KEY);
                    continue;
                }
                Sought::Target(Ok(target)) => {
                    tabs.open(target, options);
                    pace.want(AFTER_A_KEY);
                    continue;
                }
                Sought::Target(Err(why)) => Msg::Done(Err(why)),
            },
            is_there = tabs.changed() => match is_there {
                true => tabs.feed(),
                false => return Err(Failure::Runtime("the connection task has ended".into())),
            },
            _ = ticks.tick() => Msg::Tick(start.elapsed()),
        };
        tabs.update(Msg::Tick(start.elapsed()));
        pace.want(
            if matches!(msg, Msg::Key(_) | Msg::Mouse(_) | Msg::Resize(..)) {
                AFTER_A_KEY
            } else {
                BETWEEN_PICTURES
            },
        );
        match tabs.update(msg) {
            None => {}
            Some(Cmd::Quit) => return Ok(()),
            Some(Cmd::Suspend) => suspend(&mut screen)?,
            Some(Cmd::Redraw) => screen.come_back()?,
            Some(Cmd::Offer) => seek_offer(&seek, options),
            Some(Cmd::Look(spec)) => seek_target(&seek, spec, options.timeout),
            Some(Cmd::Turn { forth }) => tabs.turn(forth),
            Some(Cmd::Close) => tabs.close(),
            Some(Cmd::Copy(row)) => {
                let done = screen
                    .copy(&row)
                    .map(|()| "copied to the clipboard".to_owned());
                let done = done.map_err(|error| format!("copying: {error}"));
                tabs.update(Msg::Done(done));
            }
            Some(Cmd::Save { path, bytes }) => {
                tabs.update(Msg::Done(save(&path, &bytes)));
            }
        }
    }
}

/// Looks for the processes that can be looked at.
fn seek_offer(seek: &mpsc::UnboundedSender<Sought>, options: &Options) {
    let (seek, names, timeout) = (seek.clone(), options.names.clone(), options.timeout);
    tokio::spawn(async move {
        // Nobody may listen any more.
        let _ = seek.send(Sought::Offer(Offer::look(&names, timeout).await));
    });
}

/// Looks for one of them.
fn seek_target(seek: &mpsc::UnboundedSender<Sought>, spec: TargetSpec, timeout: Duration) {
    let seek = seek.clone();
    tokio::spawn(async move {
        let found = choose(Some(&spec), timeout).await;
        let target = found.map(|connection| connection.target);
        let target = target.map_err(|failure| failure.to_string());
        let _ = seek.send(Sought::Target(target));
    });
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
