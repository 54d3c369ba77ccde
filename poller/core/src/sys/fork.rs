//! Which process this is, as cheaply as one load: a page that the kernel hands to a forked child as
//! zeros (MADV_WIPEONFORK).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The number of this process; 0 in a child that has not asked for one. `None` where the kernel has
/// no such pages.
static PAGE: OnceLock<Option<&'static AtomicU32>> = OnceLock::new();
/// A child has a copy of it, so that its number is another than those of all whose memory it has.
static GIVEN: AtomicU32 = AtomicU32::new(0);

/// The number of this process, which no process has that it was forked from. 0 if that cannot be
/// told.
fn process() -> u32 {
    let Some(page) = super::made_once(&PAGE, map) else {
        return 0;
    };
    let number = page.load(Ordering::Relaxed);
    if number != 0 {
        return number;
    }
    let next = GIVEN.fetch_add(1, Ordering::Relaxed) + 1;
    match page.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => next,
        Err(number) => number,
    }
}

/// A process, by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    page: &'static AtomicU32,
    number: u32,
}

impl Process {
    /// The one that asks.
    pub(crate) fn current() -> Self {
        static EVERY: AtomicU32 = AtomicU32::new(0);
        let number = process();
        Self {
            page: PAGE.get().copied().flatten().unwrap_or(&EVERY),
            number,
        }
    }

    /// Whether it is this one. True if that cannot be told.
    #[inline]
    pub(crate) fn is_current(self) -> bool {
        self.page.load(Ordering::Relaxed) == self.number
    }
}

fn map() -> Option<&'static AtomicU32> {
    let (size, rights) = (size_of::<AtomicU32>(), libc::PROT_READ | libc::PROT_WRITE);
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, at an address that the kernel chooses.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), size, rights, kind, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the mapping is ours.
    if unsafe { libc::madvise(page, size, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: nobody else knows of it.
        unsafe { libc::munmap(page, size) };
        return None;
    }
    // SAFETY: aligned to a page, of zeros, which are an `AtomicU32`, and never unmapped.
    Some(unsafe { &*page.cast::<AtomicU32>() })
}
