//! Reads scripts, and says what is wrong with those that are not: where, what, and what to write
//! instead.
//!
//! | file | holds |
//! |---|---|
//! | `scope` | the lines of one script, by the names that it has given so far |
//! | `words` | words that stand for kinds, sizes and moments |
//! | `usage` | one way to write each line |

mod scope;
mod usage;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};

use super::script::Script;
use scope::Scope;
use words::Fault;

/// What is wrong with a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem {
            file,
            line,
            what,
            remedy,
        } = self;
        write!(f, "{}:{line}: {what}: {remedy}", file.display())
    }
}

impl std::error::Error for Problem {}

/// The scripts in `text`, which was read from `file`.
///
/// # Errors
///
/// The first line that makes no sense.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Script>, Problem> {
    let mut scripts: Vec<Script> = Vec::new();
    let mut scope = Scope::default();
    for (index, text) in text.lines().enumerate() {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let problem = |(what, remedy): Fault| Problem {
            file: file.to_owned(),
            line: number,
            what,
            remedy,
        };
        if let Some(name) = text.strip_prefix("script ") {
            scripts.push(Script {
                name: name.trim().to_owned(),
                file: file.to_owned(),
                lines: Vec::new(),
            });
            scope = Scope::default();
            continue;
        }
        let Some(script) = scripts.last_mut() else {
            let remedy = "begin with `script NAME`; names are fresh in each".to_owned();
            return Err(problem((format!("`{text}` belongs to no script"), remedy)));
        };
        let line = scope.line(text, number).map_err(problem)?;
        script.lines.push(line);
    }
    Ok(scripts)
}
