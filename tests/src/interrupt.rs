//! Interrupts the system calls of a thread, with a signal that does nothing else.
#![allow(unsafe_code)]

use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// SIGUSR1: no test uses it for anything else.
const SIGNAL: libc::c_int = libc::SIGUSR1;

static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn handle(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// Returns the kernel's number of the calling thread.
pub fn this_thread() -> i32 {
    // SAFETY: no arguments.
    unsafe { libc::gettid() }
}

/// Interrupts `thread` of this process, which may have ended. No call is restarted by itself.
///
/// # Panics
///
/// If the signal cannot be handled.
pub fn interrupt(thread: i32) {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // SAFETY: all zero is a sigaction without flags, so without SA_RESTART, and without a mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handle as *const () as usize;
        // SAFETY: the handler does nothing but count in an atomic.
        let set = unsafe { libc::sigaction(SIGNAL, &raw const action, std::ptr::null_mut()) };
        assert_eq!(set, 0, "{}", io::Error::last_os_error());
    });
    // SAFETY: no pointers; a thread that is gone is an error.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, SIGNAL) };
}

/// Returns how often a thread of this process was interrupted.
pub fn interrupts() -> u64 {
    HANDLED.load(Ordering::Relaxed)
}
