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
    install(&mut [
        // The number of the call is the first word of seccomp_data.
        step(LOAD_WORD, 0, 0),
        step(JUMP_EQUAL, 1, number),
        refused(errno),
        step(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ])
}

/// The same, of a `call` with this first argument alone.
///
/// # Errors
///
/// If the kernel has no seccomp filters.
pub fn refuse_first(call: libc::c_long, argument: i32, errno: i32) -> io::Result<()> {
    let number = u32::try_from(call).map_err(io::Error::other)?;
    // Behind the number, the architecture and the address of the call; its lower half.
    let lower = 16 + if cfg!(target_endian = "big") { 4 } else { 0 };
    install(&mut [
        step(LOAD_WORD, 0, 0),
        step(JUMP_EQUAL, 3, number),
        step(LOAD_WORD, 0, lower),
        step(JUMP_EQUAL, 1, argument.cast_unsigned()),
        refused(errno),
        step(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ])
}

const fn step(code: u16, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt: 0, jf, k }
}

fn refused(errno: i32) -> libc::sock_filter {
    step(RETURN, 0, libc::SECCOMP_RET_ERRNO | errno.cast_unsigned())
}

fn install(program: &mut [libc::sock_filter]) -> io::Result<()> {
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
