//! The network poller of Go's own runtime, read in the memory of a program.
mod all;
mod debug_info;
mod functions;
mod goroutine;
mod layout;
mod layouts;
#[cfg(test)]
mod made;
mod module;
mod poll_desc;
mod release;
mod tables;
