//! What a file says, once it is read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Command;
use clap::builder::OsStr;

use super::flags::{flags, long};
use crate::source::{Access, TargetSpec};
use crate::table::SortSpec;
use crate::tui::Keymap;

/// What the file says.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The file, if there is one.
    pub(crate) path: Option<PathBuf>,
    /// What stands in place of flags, by their long names.
    pub(crate) flags: BTreeMap<String, Setting>,
    /// Processes by the names that they were given.
    pub(crate) targets: BTreeMap<String, Alias>,
    /// Columns and order of tables, by their names.
    pub(crate) views: BTreeMap<&'static str, View>,
    /// What keys do.
    pub(crate) keymap: Keymap,
    /// The lines that changed it, by the names of the actions.
    pub(crate) keys: BTreeMap<String, usize>,
}

/// What stands in place of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) values: Vec<String>,
    pub(crate) line: usize,
}

/// A process that was given a name, and what is shown to it.
#[derive(Debug, Clone)]
pub(crate) struct Alias {
    /// As it was written.
    pub(crate) text: String,
    pub(crate) target: TargetSpec,
    pub(crate) access: Access,
    pub(crate) line: usize,
}

/// How a table is shown to people.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) sort: Option<SortSpec>,
    pub(crate) line: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: None,
            flags: BTreeMap::new(),
            targets: BTreeMap::new(),
            views: BTreeMap::new(),
            keymap: crate::tui::keymap(),
            keys: BTreeMap::new(),
        }
    }
}

impl Config {
    /// The command line, with what the file says as the defaults of its flags.
    pub(crate) fn defaults(&self, mut command: Command) -> Command {
        for (name, setting) in &self.flags {
            let id = flags(&command)
                .find(|flag| long(flag) == name)
                .map(|flag| flag.get_id().clone());
            if let Some(id) = id {
                let values = setting.values.iter().cloned().map(OsStr::from);
                command = command.mut_arg(id, |flag| flag.default_values(values));
            }
        }
        command
    }
}
