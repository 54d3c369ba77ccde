//! What a thread waits for, by the number of the call in which it sleeps.

use netpoller_proto::Direction;

/// What a sleeping thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// Events of the epoll set with this number.
    Events(i32),
    /// A descriptor, in this direction and this call.
    Descriptor(i32, Direction, &'static str),
}

/// From the number of a call and its first argument; `None` if that is no wait for a descriptor.
pub(super) fn waits((number, first): (i64, u64)) -> Option<Waits> {
    // A descriptor is an int, whatever is in the upper half of the register.
    let fd = (first as u32).cast_signed();
    let read = |call| Waits::Descriptor(fd, Direction::Read, call);
    let write = |call| Waits::Descriptor(fd, Direction::Write, call);
    #[cfg(target_arch = "x86_64")]
    if number == libc::SYS_epoll_wait {
        return Some(Waits::Events(fd));
    }
    Some(match number {
        libc::SYS_epoll_pwait | libc::SYS_epoll_pwait2 => Waits::Events(fd),
        libc::SYS_read => read("read(2)"),
        libc::SYS_readv => read("readv(2)"),
        libc::SYS_recvfrom => read("recv(2)"),
        libc::SYS_recvmsg => read("recvmsg(2)"),
        libc::SYS_accept | libc::SYS_accept4 => read("accept(2)"),
        libc::SYS_write => write("write(2)"),
        libc::SYS_writev => write("writev(2)"),
        libc::SYS_sendto => write("send(2)"),
        libc::SYS_sendmsg => write("sendmsg(2)"),
        libc::SYS_connect => write("connect(2)"),
        _ => return None,
    })
}

/// The call that keeps a thread from all else, by its number; `None` for those in which threads are
/// that have nothing to do.
pub(super) fn keeps(number: i64) -> Option<&'static str> {
    Some(match number {
        libc::SYS_nanosleep | libc::SYS_clock_nanosleep => "nanosleep(2)",
        libc::SYS_wait4 | libc::SYS_waitid => "wait(2)",
        libc::SYS_fsync | libc::SYS_fdatasync => "fsync(2)",
        libc::SYS_flock => "flock(2)",
        _ => match waits((number, 0))? {
            Waits::Events(_) => return None,
            Waits::Descriptor(.., call) => call,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_by_the_number_of_the_call() {
        let waits_in = |number, first| waits((number, first));
        assert_eq!(waits_in(libc::SYS_epoll_pwait, 4), Some(Waits::Events(4)));
        let read = Waits::Descriptor(7, Direction::Read, "read(2)");
        assert_eq!(waits_in(libc::SYS_read, 7 | 0xdead << 32), Some(read));
        let accept = Waits::Descriptor(3, Direction::Read, "accept(2)");
        assert_eq!(waits_in(libc::SYS_accept4, 3), Some(accept));
        let connect = Waits::Descriptor(3, Direction::Write, "connect(2)");
        assert_eq!(waits_in(libc::SYS_connect, 3), Some(connect));
        assert_eq!(waits_in(libc::SYS_futex, 3), None);
        assert_eq!(keeps(libc::SYS_nanosleep), Some("nanosleep(2)"));
        assert_eq!(keeps(libc::SYS_read), Some("read(2)"));
        assert_eq!(keeps(libc::SYS_epoll_pwait), None);
        assert_eq!(keeps(libc::SYS_futex), None);
    }
}
