//! Who this process is.

/// The user that the kernel checks permissions for.
pub(crate) fn effective_uid() -> u32 {
    // SAFETY: no arguments; cannot fail.
    unsafe { libc::geteuid() }
}

/// When the process started, in clock ticks since boot: field 22 of /proc/self/stat. With the process id it names one
/// process life. 0 where /proc cannot be read.
pub(crate) fn start_ticks() -> u64 {
    std::fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| parse_start_ticks(&stat))
        .unwrap_or_default()
}

fn parse_start_ticks(stat: &str) -> Option<u64> {
    // The name in field 2 is in parentheses and may contain both blanks and parentheses.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// Runs `act` as another user, on a thread of its own: the kernel's user ids belong to threads, and only the wrapper of
/// libc changes those of all. `None` if this process may not do that.
#[cfg(all(test, feature = "inspect", not(loom), not(netpoller_bare)))]
pub(crate) fn as_user<R: Send>(uid: libc::uid_t, act: impl FnOnce() -> R + Send) -> Option<R> {
    let act = move || {
        // SAFETY: takes three numbers, and changes nothing but the ids of this thread, which ends.
        let result = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
        (result == 0).then(act)
    };
    std::thread::scope(|scope| scope.spawn(act).join().unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_a_name_with_parentheses() {
        let stat = "42 (a) (b c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 1000 10 18446744073709551615";
        assert_eq!(parse_start_ticks(stat), Some(123_456));
        assert!(start_ticks() > 0);
    }
}
