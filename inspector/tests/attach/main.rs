//! A process that embeds nothing and does not know that it is read: what is told of it is the
//! truth, whatever it does meanwhile, and where it may not be read, that is said.

mod access;
mod found;
mod told;
mod truth;
