//! `netpoller completions`.

use clap::{Args, ValueEnum};
use clap_complete::env::Shells;

use crate::failure::Failure;
use crate::globals::Globals;
use crate::verbs::verb::{NONE, Usage, Verb};

/// The variable with which a script asks what can follow.
pub(crate) const VARIABLE: &str = "NETPOLLER_COMPLETE";

/// For which shell.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Shells that can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
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
        let name = self.shell.to_possible_value();
        let name = name.as_ref().map_or("", |it| it.get_name());
        let mut script = Vec::new();
        let name_of_ours = "netpoller";
        match Shells::builtins().completer(name) {
            Some(shell) => shell.write_registration(
                VARIABLE,
                name_of_ours,
                name_of_ours,
                name_of_ours,
                &mut script,
            )?,
            None => return Err(Failure::Usage(format!("nothing is known of `{name}`"))),
        }
        super::print(|out| Ok(out.write_all(&script)?))
    }
}
