//! Why a process may not be read, and what would let it.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;

use crate::source::procfs;

/// What yama's `ptrace_scope` says.
const YAMA: &str = "/proc/sys/kernel/yama/ptrace_scope";

/// Says in a sentence why the memory of a process cannot be read, and the remedy.
///
/// The kernel only says that it may not (ptrace(2), "Ptrace access mode checking"); which of its
/// reasons it was, is found out here by the same questions.
pub(super) fn memory(pid: u32, error: &io::Error) -> String {
    if error.kind() != ErrorKind::PermissionDenied {
        return format!("its memory cannot be read: {error}");
    }
    let scope = fs::read_to_string(YAMA).ok();
    let scope = scope.and_then(|it| it.trim().parse().ok());
    format!("its memory may not be read: {}", of(pid, scope))
}

/// Says the same of its open files, of which yama does not keep anybody.
pub(super) fn open_files(pid: u32) -> String {
    of(pid, None)
}

fn of(pid: u32, scope: Option<u32>) -> String {
    let owner = procfs::Process::of(pid).map(|it| it.uid);
    let shown = fs::metadata(format!("/proc/{pid}/mem")).map(|it| it.uid());
    reason(owner, procfs::own_uid(), shown.ok(), scope)
}

/// From whose process it is, who asks, whose its files in /proc are, and yama's scope.
fn reason(owner: Option<u32>, own: Option<u32>, shown: Option<u32>, scope: Option<u32>) -> String {
    let reason = match (owner, own) {
        (_, Some(0)) => {
            "not even root may here: it is in another user namespace, or this root has not \
             CAP_SYS_PTRACE, as in most containers; run the command as root of the machine"
        }
        (Some(owner), Some(own)) if owner != own => {
            return format!("it is user {owner}'s; run the command as that user or as root");
        }
        // Of one that is not dumpable the kernel shows root as the owner.
        (Some(owner), _) if shown.is_some_and(|shown| shown != owner) => {
            "it is not dumpable, see prctl(2): it has made itself so, or may only be executed and \
             not read; run the command as root"
        }
        _ => match scope {
            Some(1) => {
                "yama lets nobody but its parent; run the command as root, or set \
                 kernel.yama.ptrace_scope to 0 with sysctl(8)"
            }
            Some(2) => "yama lets root alone; run the command as root",
            Some(3..) => {
                "yama lets nobody until the machine is started again (kernel.yama.ptrace_scope is 3)"
            }
            _ => {
                "it has rights that this user has not, or is in another user namespace; run the \
                 command as root"
            }
        },
    };
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_remedy() {
        let cases = [
            (
                (Some(7), Some(8), Some(7), Some(0)),
                "it is user 7's; run the command as that user",
            ),
            ((Some(7), Some(7), Some(0), Some(1)), "not dumpable"),
            (
                (Some(7), Some(7), Some(7), Some(1)),
                "kernel.yama.ptrace_scope to 0",
            ),
            ((Some(7), Some(7), Some(7), Some(2)), "yama lets root alone"),
            ((Some(7), Some(7), Some(7), Some(3)), "started again"),
            (
                (Some(7), Some(7), Some(7), Some(0)),
                "rights that this user has not",
            ),
            ((None, Some(7), None, None), "run the command as root"),
            ((Some(7), Some(0), Some(7), Some(1)), "CAP_SYS_PTRACE"),
        ];
        for ((owner, own, shown, scope), said) in cases {
            let reason = reason(owner, own, shown, scope);
            assert!(reason.contains(said), "{said}: {reason}");
        }
    }

    #[test]
    fn another_error_is_told_as_it_is() {
        let gone = io::Error::from(ErrorKind::NotFound);
        assert!(memory(1, &gone).contains("cannot be read: "), "{gone}");
    }
}
