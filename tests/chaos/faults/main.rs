//! Faults from outside: signals, forks, a process that is stopped for a while, and calls that fail
//! in the kernel itself. Those that fail in front of it are the sweep's, in `tests/sweep.rs`.

mod fork;
mod injected;
mod process;
mod signals;
mod suspend;
mod work;
