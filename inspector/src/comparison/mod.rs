//! What has changed between two moments: of one process, or of two.
//!
//! | file | holds |
//! |---|---|
//! | `moment` | how a process stood at a moment |
//! | `findings` | what is found that was not, and what is found no more |
//! | `descriptors` | which were opened and closed, and which are not as they were |
//! | `numbers` | the statistics, and how many wait and are open at which line |
//! | `compared` | all of it |

mod compared;
mod descriptors;
mod findings;
mod moment;
mod numbers;

pub(crate) use compared::Compared;
pub(crate) use findings::Found;
pub(crate) use moment::{Life, Moment};
pub(crate) use numbers::{OPEN, WAITING};
