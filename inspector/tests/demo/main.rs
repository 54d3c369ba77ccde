//! The demo and the examples end to end: the real binaries, the real endpoint, the real terminal.

mod axum;
#[path = "../support/command.rs"]
mod command;
mod doctor;
mod headless;
mod support;
mod terminal;
mod verbs;
