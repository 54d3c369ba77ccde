//! `netpoller completions`.

use clap::{Args, Command};

use crate::failure::Failure;
use crate::globals::Globals;
use crate::verbs::verb::{NONE, Usage, Verb};

/// For which shell.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    shell: clap_complete::Shell,
    /// What there is to complete.
    #[arg(skip)]
    pub(crate) command: Option<Box<Command>>,
}

impl Verb for CompletionsArgs {
    fn usage(&self) -> Usage {
        Usage {
            target: false,
            formats: NONE,
            configured: false,
            ..Usage::of("completions")
        }
    }

    fn run(&self, _: &Globals) -> Result<(), Failure> {
        let mut command = self.command.as_deref().cloned().unwrap_or_default();
        // Into memory first: the generator panics when its writer fails, and a closed pipe is no
        // reason to.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "netpoller", &mut script);
        super::print(|out| Ok(out.write_all(&script)?))
    }
}
