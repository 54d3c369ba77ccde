//! What the kernel says of descriptors, beside what the poller knows.
//!
//! | file | holds |
//! |---|---|
//! | `descriptor` | what it says of one descriptor |
//! | `registrations` | what is registered with an epoll instance |
//! | `socket` | what it knows of one socket: state, queues, times |
//! | `sockets` | all of a table's, read at once and joined with its rows |

pub(crate) mod descriptor;
mod registrations;
mod socket;
mod sockets;

pub use descriptor::{KernelView, kernel_view};
pub(crate) use registrations::list_took;
pub use registrations::{Registration, kernel_registrations};
pub use socket::Socket;
pub use sockets::{Reading, Sockets};
