//! Outcomes as text: printed as goldens are, and compared with them.

use std::fmt::Write as _;

use super::run::Report;

/// `reports` as a golden has them.
pub fn print(reports: &[Report]) -> String {
    let mut text = String::new();
    for report in reports {
        // Writing to a string does not fail.
        let _ = writeln!(text, "== {}", report.name);
        for (line, outcome) in &report.lines {
            let _ = writeln!(text, "  {line:<24} -> {outcome}");
        }
    }
    text
}

/// What differs between a golden and what was printed now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The script.
    pub script: String,
    /// The golden's line; `None` if it has none there.
    pub expected: Option<String>,
    /// The line of now.
    pub found: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "== {}", self.script)?;
        if let Some(line) = &self.expected {
            write!(f, "\n- {}", line.trim_start())?;
        }
        if let Some(line) = &self.found {
            write!(f, "\n+ {}", line.trim_start())?;
        }
        Ok(())
    }
}

/// Each script's name and lines.
fn sections(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match (line.strip_prefix("== "), sections.last_mut()) {
            (Some(name), _) => sections.push((name, Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => sections.push(("", vec![line])),
        }
    }
    sections
}

/// On time and very late are the same here: a machine under load is late, which is a warning.
fn same(expected: &str, found: &str) -> bool {
    let punctual = |line: &str| line.replace("VERYLATE", "ontime");
    expected == found || punctual(expected) == punctual(found)
}

/// Compares; empty if all is the same. At most one difference for each script: the first, as the
/// rest follows from it.
pub fn compare(expected: &str, found: &str) -> Vec<Difference> {
    let (expected, found) = (sections(expected), sections(found));
    let mut differences = Vec::new();
    for i in 0..expected.len().max(found.len()) {
        match (expected.get(i), found.get(i)) {
            (Some((name, old)), Some((other, new))) if name == other => {
                let differs = (0..old.len().max(new.len())).find(|line| {
                    match (old.get(*line), new.get(*line)) {
                        (Some(old), Some(new)) => !same(old, new),
                        _ => true,
                    }
                });
                if let Some(line) = differs {
                    differences.push(Difference {
                        script: (*name).to_owned(),
                        expected: old.get(line).map(|line| (*line).to_owned()),
                        found: new.get(line).map(|line| (*line).to_owned()),
                    });
                }
            }
            (old, new) => {
                let name = |section: Option<&(&str, Vec<&str>)>| {
                    section.map(|(name, _)| format!("== {name}"))
                };
                differences.push(Difference {
                    script: "the scripts themselves".to_owned(),
                    expected: name(old),
                    found: name(new),
                });
                break;
            }
        }
    }
    differences
}
