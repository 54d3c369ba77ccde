//! TCP.

mod listener;
mod stream;

pub(in crate::net) use listener::accept_failed;
pub use listener::{Incoming, TcpListener};
pub use stream::TcpStream;
