//! What the runtime of a process keeps of its descriptors, read in the memory of the process.

use super::facts::Facts;
use super::go::Go;
use super::kept::Reading;
use super::runtime::Runtime;
use super::tokio::Tokio;

/// A process whose runtime is known, or not.
#[derive(Default)]
pub(super) enum Inside {
    /// Its runtime is none that can be read.
    #[default]
    Unknown,
    /// Why it cannot be read.
    Refused(String),
    Go(Box<Go>),
    Tokio(Box<Tokio>),
}

impl Inside {
    pub(super) fn open(pid: u32, runtime: &Runtime) -> Self {
        match runtime.name {
            "go" => match Go::open(pid, &runtime.version) {
                Ok(go) => Self::Go(Box::new(go)),
                Err(reason) => Self::Refused(reason),
            },
            "tokio" => match Tokio::open(pid, &runtime.version) {
                Ok(tokio) => Self::Tokio(Box::new(tokio)),
                Err(reason) => Self::Refused(reason),
            },
            _ => Self::Unknown,
        }
    }

    /// Whether it can be read.
    pub(super) fn is_known(&self) -> bool {
        matches!(self, Self::Go(_) | Self::Tokio(_))
    }

    /// Reads what it keeps of what is registered.
    pub(super) fn read(&mut self, facts: &Facts) -> Reading {
        match self {
            Self::Unknown => Reading::default(),
            Self::Refused(reason) => Reading {
                missing: vec![reason.clone()],
                ..Reading::default()
            },
            Self::Go(go) => go.read(&facts.sets),
            Self::Tokio(tokio) => tokio.read(facts),
        }
    }
}

impl std::fmt::Debug for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "Unknown",
            Self::Refused(_) => "Refused",
            Self::Go(_) => "Go",
            Self::Tokio(_) => "Tokio",
        })
    }
}
