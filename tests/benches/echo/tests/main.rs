//! The echo bench works. It is no test target itself, so its parts are compiled into this one.

#[allow(dead_code, reason = "its main() is the bench's")]
#[path = "../main.rs"]
mod echo;

mod args;
mod child;
mod rounds;
mod smoke;
mod stats;
