//! Runs random scripts on Go and on our poller, and makes a mismatch small.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::form::Form;
use super::go::{Go, GoError};
use super::golden::{Difference, compare, print};
use super::parse::parse;
use super::pool::run_all;
use super::random;
use super::script::Script;

/// Scripts that one Go process is given.
const BATCH: usize = 100;

/// How often a script must differ, each time alone, to count: fewer is a busy machine.
const TIMES: usize = 3;

/// How long a script is made smaller: one that hangs takes seconds each time.
const SHRINKING: Duration = Duration::from_secs(60);

/// What to hunt with.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// How many scripts.
    pub count: usize,
    /// The first of their seeds.
    pub seed: u64,
    /// Only this form; all in turn if `None`.
    pub form: Option<Form>,
    /// Only this many threads; 1, 2 and 8 in turn if `None`.
    pub threads: Option<usize>,
    /// Scripts at a time.
    pub jobs: usize,
}

/// A script to which Go and our poller have different answers.
#[derive(Clone, Debug)]
pub struct Found {
    /// The script, as small as it could be made.
    pub script: String,
    /// What Go answers.
    pub go: String,
    /// Where ours first differs.
    pub difference: Difference,
    /// The form and the number of threads.
    pub how: (Form, usize),
    /// From which it comes again.
    pub seed: u64,
}

/// Why a hunt ended early.
#[derive(Debug)]
pub enum HuntError {
    /// Go could not be asked.
    Go(GoError),
    /// The machine refused.
    Io(io::Error),
}

impl std::fmt::Display for HuntError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HuntError::Go(error) => error.fmt(f),
            HuntError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HuntError {}

impl From<GoError> for HuntError {
    fn from(error: GoError) -> Self {
        HuntError::Go(error)
    }
}

impl From<io::Error> for HuntError {
    fn from(error: io::Error) -> Self {
        HuntError::Io(error)
    }
}

/// The text of the random script of `seed`.
pub fn random_script(seed: u64) -> String {
    random::script(&format!("random {seed}"), seed)
}

/// Both sides, ready to answer.
struct Sides<'a> {
    go: &'a Go,
    file: PathBuf,
    _dir: tempfile::TempDir,
}

impl Sides<'_> {
    /// What Go says, and where ours differs.
    fn ask(
        &self,
        text: &str,
        scripts: &[Script],
        (form, threads): (Form, usize),
        jobs: usize,
    ) -> Result<(String, Vec<Difference>), HuntError> {
        std::fs::write(&self.file, text)?;
        let go = self.go.answer(&self.file)?;
        let reports = run_all(scripts, form, threads, jobs)?;
        let mut differences = compare(&go, &print(&reports));
        for report in &reports {
            if let Some(fault) = report.faults.first() {
                differences.push(Difference {
                    script: report.name.clone(),
                    expected: None,
                    found: Some(fault.clone()),
                });
            }
        }
        Ok((go, differences))
    }

    /// Asks about one script until both agree, or they have disagreed often enough.
    fn insist(
        &self,
        text: &str,
        how: (Form, usize),
    ) -> Result<Option<(String, Difference)>, HuntError> {
        let Ok(scripts) = parse(&self.file, text) else {
            return Ok(None);
        };
        let mut last = None;
        for _ in 0..TIMES {
            let (go, differences) = self.ask(text, &scripts, how, 1)?;
            match differences.into_iter().next() {
                Some(difference) => last = Some((go, difference)),
                None => return Ok(None),
            }
        }
        Ok(last)
    }

    /// Takes lines out for as long as both go on to disagree.
    fn shrink(&self, text: &str, how: (Form, usize)) -> Result<String, HuntError> {
        let mut lines: Vec<&str> = text.lines().collect();
        let mut chunk = lines.len() / 2;
        let began = Instant::now();
        while chunk > 0 {
            let mut at = 1;
            while at < lines.len() && began.elapsed() < SHRINKING {
                let mut fewer = lines.clone();
                fewer.drain(at..(at + chunk).min(lines.len()));
                if self.insist(&(fewer.join("\n") + "\n"), how)?.is_some() {
                    lines = fewer;
                } else {
                    at += chunk;
                }
            }
            chunk /= 2;
        }
        Ok(lines.join("\n") + "\n")
    }
}

impl Hunt {
    /// Runs the scripts; `progress` is told after each batch how many have run.
    ///
    /// # Errors
    ///
    /// If Go or the machine refuses.
    pub fn run(&self, go: &Go, mut progress: impl FnMut(usize)) -> Result<Vec<Found>, HuntError> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("random.txt");
        let sides = Sides {
            go,
            file,
            _dir: dir,
        };
        let mut found = Vec::new();
        let mut begun = 0;
        while begun < self.count {
            let batch = BATCH.min(self.count - begun);
            let how = self.how(begun / BATCH);
            let seeds = (begun..begun + batch).map(|number| self.seed.wrapping_add(number as u64));
            let text: String = seeds.map(random_script).collect();
            let scripts = parse(Path::new("random"), &text)
                .map_err(|problem| HuntError::Io(io::Error::other(problem)))?;
            let (_, differences) = sides.ask(&text, &scripts, how, self.jobs)?;
            for difference in differences {
                let script = scripts
                    .iter()
                    .find(|script| script.name == difference.script);
                let Some(script) = script else {
                    return Err(HuntError::Io(io::Error::other(difference.to_string())));
                };
                let text = script.to_string();
                if sides.insist(&text, how)?.is_none() {
                    continue;
                }
                let small = sides.shrink(&text, how)?;
                if let Some((go, difference)) = sides.insist(&small, how)? {
                    let seed = script
                        .name
                        .strip_prefix("random ")
                        .and_then(|seed| seed.parse().ok());
                    found.push(Found {
                        script: small,
                        go,
                        difference,
                        how,
                        seed: seed.unwrap_or(self.seed),
                    });
                }
            }
            begun += batch;
            progress(begun);
        }
        Ok(found)
    }

    /// In which form a batch runs: all of them in turn.
    fn how(&self, batch: usize) -> (Form, usize) {
        let form = self.form.unwrap_or(Form::ALL[batch % 3]);
        (form, self.threads.unwrap_or([1, 2, 8][batch / 3 % 3]))
    }
}
