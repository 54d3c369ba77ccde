//! The demo and the examples end to end: the real binaries, the real endpoint, the real terminal.

mod axum;
mod doctor;
mod headless;
mod plants;
mod terminal;
mod verbs;
