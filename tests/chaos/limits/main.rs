//! What happens at the limits: no descriptors left, no watches left, old kernels. A test that
//! counts descriptors or lowers a limit runs in a process of its own; one that refuses system calls
//! does so on a thread of its own.

mod files;
mod leaks;
mod refused;
