//! All about one descriptor, section by section, and what it may mean: what `describe` prints and
//! the terminal UI shows in its details.
//!
//! | file | holds |
//! |---|---|
//! | `sections` | the sections, in their order |
//! | `direction`, `kernel`, `history` | those of a direction, of the kernel, and of the past |
//! | `section` | what a section is made of |
//! | `phrases` | who waits, and how a wait went, in a few words |
//! | `hints` | what the numbers may mean, in sentences |

mod direction;
mod hints;
mod history;
mod kernel;
mod phrases;
mod section;
mod sections;

pub(crate) use hints::hints;
pub(crate) use section::{Fact, Line, Part, Section};
pub(crate) use sections::sections;
