//! The oracle's command, its language, and random scripts.

mod cli;
mod language;
mod random;
