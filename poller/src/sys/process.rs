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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_a_name_with_parentheses() {
        let stat = "42 (a) (b c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 1000 10 18446744073709551615";
        assert_eq!(parse_start_ticks(stat), Some(123_456));
        assert!(start_ticks() > 0);
    }

    /// Runs `act` as another user, on a thread of its own: the kernel's user ids belong to threads, and only the wrapper of
    /// libc changes those of all. `None` if this process may not do that.
    #[cfg(all(not(loom), not(netpoller_bare)))]
    fn as_user<R: Send>(uid: libc::uid_t, act: impl FnOnce() -> R + Send) -> Option<R> {
        let act = move || {
            // SAFETY: takes three numbers, and changes nothing but the ids of this thread, which ends.
            let result = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
            (result == 0).then(act)
        };
        std::thread::scope(|scope| scope.spawn(act).join().unwrap())
    }

    #[test]
    #[cfg(all(not(loom), not(netpoller_bare)))]
    fn another_user_is_kept_out_by_the_socket_and_let_go_by_the_endpoint() {
        use crate::inspect::{Listen, Server};
        use std::fs::{Permissions, set_permissions};
        use std::io::{ErrorKind, Read};
        use std::os::unix::fs::PermissionsExt;
        use std::os::unix::net::UnixStream;
        use std::time::Duration;

        const NOBODY: libc::uid_t = 65_534;
        if effective_uid() == NOBODY {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let path = directory.path().join("s");
        let _server = Server::builder()
            .listen(Listen::Unix(path.clone()))
            .start()
            .unwrap();
        let connect = || UnixStream::connect(&path).map_err(|error| error.kind());
        let Some(refused) = as_user(NOBODY, connect) else {
            return;
        };
        assert_eq!(refused.err(), Some(ErrorKind::PermissionDenied));

        // Somebody opens the socket to all, and still nobody else is answered.
        set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let mut stranger = as_user(NOBODY, connect).unwrap().unwrap();
        let mut friend = connect().unwrap();
        let mut answer = [0];
        for (stream, answered) in [(&mut stranger, false), (&mut friend, true)] {
            let patience = Duration::from_secs(if answered { 1 } else { 10 });
            stream.set_read_timeout(Some(patience)).unwrap();
            match stream.read(&mut answer) {
                Ok(0) => assert!(!answered),
                // Ours is served: it is waited for what we say.
                Ok(_) => assert!(answered),
                Err(error) => assert!(answered && error.kind() == ErrorKind::WouldBlock, "{error}"),
            }
        }
    }
}
