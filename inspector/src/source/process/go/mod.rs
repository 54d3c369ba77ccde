//! The network poller of Go's own runtime, read in the memory of a program.
mod layout;
mod layouts;
