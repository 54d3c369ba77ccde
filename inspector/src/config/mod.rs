//! The configuration file: what stands in place of flags, and what no flag says.
//!
//! A flag beats the environment, and the environment beats the file. What the file says in place of
//! a flag is a default for every verb, as the environment is, so it is passed over where it means
//! nothing. What is wrong in the file is told with its line, all of it at once, and nothing is
//! done: half a configuration would be another one than was written.
//!
//! | file | holds |
//! |---|---|
//! | `said` | what the file says |
//! | `place` | where the file is |
//! | `flags` | the common flags, which are the settings of the first level |
//! | `read` | from the text to settings, or to what is wrong with it |
//! | `schema` | the shape of the file as a JSON schema |
//! | `template` | a file to begin with |

mod flags;
mod place;
mod read;
mod said;
mod schema;
mod template;

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Command;

use crate::failure::Failure;

pub(crate) use flags::{flags, long};
pub(crate) use place::usual;
pub(crate) use said::{Config, View};
pub(crate) use schema::schema;
pub(crate) use template::template;

/// Reads the file that was named, or the one at the usual place, which need not be there.
pub(crate) fn load(named: Option<PathBuf>, command: &Command) -> Result<Config, Failure> {
    let is_named = named.is_some();
    let Some(path) = named.or_else(usual) else {
        return Ok(Config::default());
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => {
            return Ok(Config::default());
        }
        Err(error) => {
            return Err(Failure::Usage(format!(
                "the configuration {} cannot be read: {error}; `netpoller config init` writes one, \
                 --config names another",
                path.display()
            )));
        }
    };
    read::read(path, &text, command)
}
