//! Makes a system call fail on one thread, with a seccomp filter: the only way to see some errors
//! without disturbing the machine.
#![allow(unsafe_code)]

use std::io;

const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Lets every later `call` of this thread, and of those it starts, fail with `errno`. There is no
/// way back.
///
/// # Errors
///
/// If the kernel has no seccomp filters.
pub fn refuse(call: libc::c_long, errno: i32) -> io::Result<()> {
    let number = u32::try_from(call).map_err(io::Error::other)?;
    let verdict = libc::SECCOMP_RET_ERRNO | errno as u32;
    let step = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    let mut program = [
        // The number of the call is the first word of seccomp_data.
        step(LOAD_WORD, 0, 0),
        step(JUMP_EQUAL, 1, number),
        step(RETURN, 0, verdict),
        step(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: no pointers.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel copies the program, which lives through the call.
    let installed = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const filter,
        )
    };
    if installed == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
