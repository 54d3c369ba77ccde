//! Whoever looks is not stuck with what is looked at, and does not hold it up.

mod endpoint;
mod stuck;
mod subscriber;
