//! Which lints run, and how patient they are.

use std::time::Duration;

use super::lint::Lint;

/// How a [`Lints`](super::Lints) looks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    kernel: bool,
    /// The kernel's list is left alone for so many times as long as it took.
    list_rest: u32,
    window: Duration,
    allowed: [bool; Lint::COUNT],
    hold: [Duration; Lint::COUNT],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kernel: false,
            list_rest: 0,
            window: Duration::from_secs(1),
            allowed: [false; Lint::COUNT],
            hold: Lint::ALL.map(Lint::default_hold),
        }
    }
}

impl Options {
    /// Chooses all lints that do not need the kernel's list of registrations, a window of one
    /// second, the default hold times.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares the table with the kernel's list of registrations as well. The kernel keeps
    /// registrations and events waiting while it writes that list, about half a microsecond a
    /// descriptor.
    #[must_use]
    pub fn kernel(mut self, ask: bool) -> Self {
        self.kernel = ask;
        self
    }

    /// Lets the kernel's list rest for so many times as long as the last reading took, so that who
    /// looks for as long as the program runs hardly disturbs it.
    #[must_use]
    pub(crate) fn spare_kernel(mut self, times: u32) -> Self {
        self.list_rest = times;
        self
    }

    /// Sets over how long rates are taken. A stuck waiter of a poller that is otherwise quiet needs
    /// half a second to be certain.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Leaves this lint out.
    #[must_use]
    pub fn allow(mut self, lint: Lint) -> Self {
        self.allowed[lint.index()] = true;
        self
    }

    /// Sets how long this fault must last before it is reported.
    #[must_use]
    pub fn hold(mut self, lint: Lint, hold: Duration) -> Self {
        self.hold[lint.index()] = hold;
        self
    }

    /// Returns the lints that run.
    pub fn lints(&self) -> impl Iterator<Item = Lint> + '_ {
        Lint::ALL.into_iter().filter(|lint| self.runs(*lint))
    }

    pub(super) fn runs(&self, lint: Lint) -> bool {
        !self.allowed[lint.index()] && (self.kernel || !lint.needs_kernel())
    }

    pub(super) fn asks_kernel(&self) -> bool {
        self.kernel
    }

    pub(super) fn list_rest(&self) -> u32 {
        self.list_rest
    }

    pub(super) fn hold_ns(&self, lint: Lint) -> u64 {
        nanos(self.hold[lint.index()])
    }

    pub(super) fn window_ns(&self) -> u64 {
        nanos(self.window)
    }

    /// The time to leave between two looks within the window: four looks a window, or one each
    /// quarter of a second.
    pub(crate) fn pause(&self) -> Duration {
        (self.window / 4).clamp(Duration::from_millis(5), Duration::from_millis(250))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
