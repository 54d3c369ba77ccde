//! What the kernel says of descriptors, beside what the poller knows.
//!
//! | file | holds |
//! |---|---|
//! | `descriptor` | what it says of one descriptor |
//! | `registrations` | what is registered with an epoll instance |
//! | `sockets` | what it knows of all sockets: states, queues, times |

pub(crate) mod descriptor;
mod registrations;
mod sockets;

pub use descriptor::{KernelView, kernel_view};
pub use registrations::{Registration, kernel_registrations};
pub use sockets::{Reading, Socket, Sockets};
