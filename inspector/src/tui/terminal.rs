//! The terminal itself: entering, leaving, and leaving in every way that there is to leave.

use std::io::{self, Stdout, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::sync::Notify;

use crate::failure::Failure;

/// Whether the terminal is taken over. To leave it twice would put the cursor back to where it was
/// before the first time, and write over what has been printed since, which after a panic is the
/// reason.
static INSIDE: AtomicBool = AtomicBool::new(false);

/// Some thread panicked, and the hook left the terminal: nothing more may be drawn.
static PANICKED: AtomicBool = AtomicBool::new(false);
static PANIC: Notify = Notify::const_new();

/// Pending until a thread panics, whichever it is.
pub(crate) async fn panicked() {
    // A panic before anybody waited is kept for the first who does.
    PANIC.notified().await;
}

/// A terminal in raw mode on the alternate screen; as it was before once this is dropped.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Output>>,
}

impl Screen {
    /// Takes the terminal over. The panic hook gives it back before the message is printed, so that
    /// it can be read.
    pub(crate) fn enter() -> Result<Self, Failure> {
        // crossterm reads NO_COLOR itself and then writes every colour, even the one that resets,
        // as a bare `CSI m`, which also ends bold and reverse video. The theme has decided about
        // colour; crossterm must not.
        crossterm::style::force_color_output(true);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICKED.store(true, Ordering::Release);
            leave();
            before(info);
            PANIC.notify_one();
        }));
        let terminal = take_over().inspect_err(|_| leave())?;
        Ok(Self { terminal })
    }

    /// Draws a frame, unless a panic has taken the screen away.
    pub(crate) fn draw(&mut self, render: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
        if PANICKED.load(Ordering::Acquire) {
            return Ok(());
        }
        self.terminal.draw(render).map(|_| ())
    }

    /// Puts a text on the clipboard of the terminal, wherever that is, if it has one.
    pub(crate) fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(Output::new(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Gives the terminal back, for as long as the process is stopped or for good.
    pub(crate) fn leave(&mut self) {
        leave();
    }

    /// Takes the terminal over again. Nothing is known of what is on it.
    pub(crate) fn come_back(&mut self) -> io::Result<()> {
        self.terminal = take_over()?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The terminal, as long as there is one. The first error is reported; afterwards nothing is
/// written, and nothing fails: when it is dropped, ratatui would complain on a stderr that has gone
/// away too, and panic.
struct Output {
    terminal: Stdout,
    gone: bool,
}

impl Output {
    fn new() -> Self {
        Self {
            terminal: stdout(),
            gone: false,
        }
    }

    fn attempt<T>(
        &mut self,
        instead: T,
        write: impl FnOnce(&mut Stdout) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.gone || !INSIDE.load(Ordering::Acquire) {
            return Ok(instead);
        }
        let result = write(&mut self.terminal);
        let passes = |error: &io::Error| error.kind() == io::ErrorKind::Interrupted;
        self.gone = result.as_ref().is_err_and(|error| !passes(error));
        result
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(bytes.len(), |terminal| terminal.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt((), Stdout::flush)
    }
}

/// A new `Terminal` each time: its `clear` asks the terminal where the cursor is, and not every
/// terminal answers.
fn take_over() -> io::Result<Terminal<CrosstermBackend<Output>>> {
    INSIDE.store(true, Ordering::Release);
    enable_raw_mode()?;
    execute!(
        stdout(),
        EnterAlternateScreen,
        EnableBracketedPaste,
        EnableMouseCapture,
        Clear(ClearType::All)
    )?;
    Terminal::new(CrosstermBackend::new(Output::new()))
}

/// Raw mode first, because it is what makes a terminal unusable. Errors have nobody to be told to.
fn leave() {
    if !INSIDE.swap(false, Ordering::AcqRel) {
        return;
    }
    let _ = disable_raw_mode();
    let _ = execute!(
        stdout(),
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    );
}
