//! What the kernel says of descriptors, beside what the poller knows.
//!
//! | file | holds |
//! |---|---|
//! | `descriptor` | what it says of one descriptor |
//! | `listing` | all sockets of a network namespace, whosever they are |
//! | `registrations` | what is registered with an epoll instance |
//! | `socket` | what it knows of one socket: state, queues, times |
//! | `sockets` | all of a table's, read at once and joined with its rows |

pub(crate) mod descriptor;
mod listing;
mod registrations;
mod socket;
mod sockets;

pub use descriptor::{KernelView, kernel_view};
pub use listing::{Listed, Listing};
pub(crate) use registrations::list_took;
pub use registrations::{Registration, kernel_registrations};
pub use socket::Socket;
pub use sockets::{Reading, Sockets};
