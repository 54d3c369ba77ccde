//! What happens at the limits: no descriptors left, no watches left, old kernels. These tests count descriptors or refuse system
//! calls, so they run one at a time, each in a process of its own where it changes a limit.

mod files;
mod leaks;
mod refused;
