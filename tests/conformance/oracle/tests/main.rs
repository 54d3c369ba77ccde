//! What our poller answers to the scripts is what real Go has answered.

mod cli;
mod forms;
mod language;
mod random;
