//! Tells ThreadSanitizer which edges of happens-before std makes out of its sight.
//!
//! Without rust-src std cannot be built with the sanitizer. What std inlines into our crates is
//! instrumented like our own code; what stands ready-made in libstd is not, and there TSan misses
//! the atomic that orders one thread before another. The linker (`--wrap`) puts each function here
//! around the one of std that it names, and the wrapper says that one edge, on the very address on
//! which std's atomic lies. Nothing is suppressed, and the code under test is the shipped code.
//!
//! `.ci/sanitizers` writes the mangled names in place of `@NAME@`, and fails if this compiler's std
//! has one no more; `canary.rs` uses each of them, and must be without a report.
#![feature(thread_local)]

use std::cell::Cell;
use std::ptr::null_mut;
use std::thread::Thread;
use std::time::Duration;

type Address = *mut ();

unsafe extern "C" {
    /// All that was released at this address happened before what follows.
    fn __tsan_acquire(address: Address);
    /// All so far happens before whatever acquires this address.
    fn __tsan_release(address: Address);
}

// ---- locks: the fast paths are inlined, and TSan sees them; who has to wait takes the lock inside
// libstd

unsafe extern "Rust" {
    #[link_name = "__real_@MUTEX_LOCK_CONTENDED@"]
    fn mutex_lock_contended(mutex: Address);
    #[link_name = "__real_@RWLOCK_READ_CONTENDED@"]
    fn rwlock_read_contended(lock: Address);
    #[link_name = "__real_@RWLOCK_WRITE_CONTENDED@"]
    fn rwlock_write_contended(lock: Address);
    #[link_name = "__real_@CONDVAR_WAIT@"]
    fn condvar_wait(condvar: Address, mutex: Address);
    #[link_name = "__real_@CONDVAR_WAIT_TIMEOUT@"]
    fn condvar_wait_timeout(condvar: Address, mutex: Address, timeout: Duration) -> bool;
    #[link_name = "__real_@BARRIER_WAIT@"]
    fn barrier_wait(barrier: Address) -> bool;
}

#[unsafe(export_name = "__wrap_@MUTEX_LOCK_CONTENDED@")]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe fn wrap_mutex_lock_contended(mutex: Address) {
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe {
        mutex_lock_contended(mutex);
        __tsan_acquire(mutex);
    }
}

#[unsafe(export_name = "__wrap_@RWLOCK_READ_CONTENDED@")]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe fn wrap_rwlock_read_contended(lock: Address) {
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe {
        rwlock_read_contended(lock);
        __tsan_acquire(lock);
    }
}

#[unsafe(export_name = "__wrap_@RWLOCK_WRITE_CONTENDED@")]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe fn wrap_rwlock_write_contended(lock: Address) {
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe {
        rwlock_write_contended(lock);
        __tsan_acquire(lock);
    }
}

/// Gives the lock back and takes it again, both inside libstd.
#[unsafe(export_name = "__wrap_@CONDVAR_WAIT@")]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe fn wrap_condvar_wait(condvar: Address, mutex: Address) {
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe {
        __tsan_release(mutex);
        condvar_wait(condvar, mutex);
        __tsan_acquire(mutex);
    }
}

#[unsafe(export_name = "__wrap_@CONDVAR_WAIT_TIMEOUT@")]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe fn wrap_condvar_wait_timeout(condvar: Address, mutex: Address, timeout: Duration) -> bool {
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe {
        __tsan_release(mutex);
        let timed_out = condvar_wait_timeout(condvar, mutex, timeout);
        __tsan_acquire(mutex);
        timed_out
    }
}

#[unsafe(export_name = "__wrap_@BARRIER_WAIT@")]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe fn wrap_barrier_wait(barrier: Address) -> bool {
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe {
        __tsan_release(barrier);
        let leader = barrier_wait(barrier);
        __tsan_acquire(barrier);
        leader
    }
}

// ---- Once, under OnceLock and LazyLock too: whether it is done is asked inline, that it is done
// is told inside libstd

/// What std hands over to the initializer; it only passes through here.
type State = *const ();
type Init<'a> = &'a mut dyn FnMut(State);
/// Of the caller, as `#[track_caller]` hands it over.
type Location = *const ();

unsafe extern "Rust" {
    #[link_name = "__real_@ONCE_CALL@"]
    fn once_call(once: Address, even_if_poisoned: bool, init: Init<'_>, caller: Location);
}

#[unsafe(export_name = "__wrap_@ONCE_CALL@")]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe fn wrap_once_call(once: Address, even_if_poisoned: bool, init: Init<'_>, caller: Location) {
    // Before libstd says that it is done: who sees that must see what the initializer wrote.
    let mut init_and_release = |state| {
        init(state);
        // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name,
        // and reads nothing there.
        unsafe { __tsan_release(once) }
    };
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe {
        once_call(once, even_if_poisoned, &mut init_and_release, caller);
        __tsan_acquire(once);
    }
}

// ---- parking: unpark is inlined and seen, park is not

unsafe extern "Rust" {
    #[link_name = "__real_@THREAD_PARK@"]
    fn thread_park(thread: &Thread);
    #[link_name = "__real_@THREAD_PARK_TIMEOUT@"]
    fn thread_park_timeout(thread: &Thread, timeout: Duration);
    #[link_name = "__real_@PARK@"]
    fn park();
    #[link_name = "__real_@PARK_TIMEOUT@"]
    fn park_timeout(timeout: Duration);
}

/// What an `Arc` counts with stands before what is shared.
const COUNTS: usize = 16;
/// A thread's name, its id, and somewhere the word that is parked on. To acquire a word that nobody
/// released says nothing.
const THREAD: usize = 32;

/// What happened before this thread was unparked.
fn acquire_unpark(thread: &Thread) {
    // SAFETY: a `Thread` is an `Arc`, a pointer.
    let shared: *mut u8 = unsafe { std::mem::transmute_copy(thread) };
    for at in (COUNTS..COUNTS + THREAD).step_by(4) {
        // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name,
        // and reads nothing there.
        unsafe { __tsan_acquire(shared.wrapping_add(at).cast()) }
    }
}

#[unsafe(export_name = "__wrap_@THREAD_PARK@")]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe fn wrap_thread_park(thread: &Thread) {
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe { thread_park(thread) }
    acquire_unpark(thread);
}

#[unsafe(export_name = "__wrap_@THREAD_PARK_TIMEOUT@")]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe fn wrap_thread_park_timeout(thread: &Thread, timeout: Duration) {
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe { thread_park_timeout(thread, timeout) }
    acquire_unpark(thread);
}

#[unsafe(export_name = "__wrap_@PARK@")]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe fn wrap_park() {
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe { park() }
    acquire_unpark(&std::thread::current());
}

#[unsafe(export_name = "__wrap_@PARK_TIMEOUT@")]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe fn wrap_park_timeout(timeout: Duration) {
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe { park_timeout(timeout) }
    acquire_unpark(&std::thread::current());
}

// ---- scoped threads: the scope reads the count inline, and a thread that ends counts down inside
// libstd

unsafe extern "Rust" {
    #[link_name = "__real_@SCOPE_DECREMENT@"]
    fn scope_decrement(scope: Address, panicked: bool);
}

/// The count of running threads, whether one panicked, and the thread that waits.
const SCOPE: usize = 24;

#[unsafe(export_name = "__wrap_@SCOPE_DECREMENT@")]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe fn wrap_scope_decrement(scope: Address, panicked: bool) {
    for at in (0..SCOPE).step_by(8) {
        // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name,
        // and reads nothing there.
        unsafe { __tsan_release(scope.cast::<u8>().wrapping_add(at).cast()) }
    }
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe { scope_decrement(scope, panicked) }
}

// ---- fences, which TSan does not model. `Arc` ends a life with `fetch_sub(Release)` and a fence:
// by the language that is an acquire of what the thread's earlier atomics read, and so it is told
// here for the last of them that had no acquire itself.

const RELAXED: i32 = 0;
const RELEASE: i32 = 3;

#[thread_local]
static LAST: Cell<Address> = Cell::new(null_mut());

fn remember(address: *mut u64, order: i32) {
    if order == RELAXED || order == RELEASE {
        LAST.set(address.cast());
    }
}

unsafe extern "C" {
    fn __real___tsan_atomic64_fetch_sub(address: *mut u64, value: u64, order: i32) -> u64;
    fn __real___tsan_atomic64_compare_exchange_val(
        address: *mut u64,
        expected: u64,
        value: u64,
        order: i32,
        order_of_failure: i32,
    ) -> u64;
    fn __real___tsan_atomic_thread_fence(order: i32);
}

#[unsafe(no_mangle)]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe extern "C" fn __wrap___tsan_atomic64_fetch_sub(
    address: *mut u64,
    value: u64,
    order: i32,
) -> u64 {
    remember(address, order);
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe { __real___tsan_atomic64_fetch_sub(address, value, order) }
}

/// `Arc::try_unwrap` ends a life with this and a fence.
#[unsafe(no_mangle)]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe extern "C" fn __wrap___tsan_atomic64_compare_exchange_val(
    address: *mut u64,
    expected: u64,
    value: u64,
    order: i32,
    order_of_failure: i32,
) -> u64 {
    remember(address, order);
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe {
        __real___tsan_atomic64_compare_exchange_val(
            address,
            expected,
            value,
            order,
            order_of_failure,
        )
    }
}

#[unsafe(no_mangle)]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe extern "C" fn __wrap___tsan_atomic_thread_fence(order: i32) {
    let last = LAST.replace(null_mut());
    // SAFETY: the real function gets what the caller gave it; TSan takes any address as a name, and
    // reads nothing there.
    unsafe {
        __real___tsan_atomic_thread_fence(order);
        if order != RELEASE && !last.is_null() {
            __tsan_acquire(last);
        }
    }
}

// ---- copies of a descriptor: TSan takes it that who waits on an epoll sees what was done before a
// registration with it, and it follows dup3 but not fcntl. tokio registers with one copy of its
// epoll and waits on another.

unsafe extern "C" {
    fn __real_fcntl(fd: i32, operation: i32, ...) -> i32;
    fn dup3(old: i32, new: i32, flags: i32) -> i32;
}

const F_DUPFD_CLOEXEC: i32 = 1030;
const O_CLOEXEC: i32 = 0o2000000;

#[unsafe(no_mangle)]
// SAFETY: the linker puts it in the place of the function it wraps, so it is called as that one is.
unsafe extern "C" fn __wrap_fcntl(fd: i32, operation: i32, argument: usize) -> i32 {
    // SAFETY: the real fcntl gets what the caller gave it; `result` is a number that nobody else
    // knows yet.
    unsafe {
        let result = __real_fcntl(fd, operation, argument);
        if operation == F_DUPFD_CLOEXEC && result >= 0 {
            // Once more the same, for TSan to see it.
            dup3(fd, result, O_CLOEXEC);
        }
        result
    }
}
