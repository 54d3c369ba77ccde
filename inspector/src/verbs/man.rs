//! `netpoller man`.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man;

use crate::failure::Failure;
use crate::globals::Globals;
use crate::text;
use crate::verbs::verb::{NONE, Usage, Verb};

/// Which page.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The verb whose page is printed; the command itself without one.
    #[arg(conflicts_with = "dir")]
    verb: Option<String>,
    /// Write the pages of the command and of each verb to this folder, which is made if it is not
    /// there.
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// What there is to describe.
    #[arg(skip)]
    pub(crate) command: Option<Box<Command>>,
}

impl Verb for ManArgs {
    fn usage(&self) -> Usage {
        Usage {
            target: false,
            formats: NONE,
            configured: false,
            ..Usage::of("man")
        }
    }

    fn run(&self, _: &Globals) -> Result<(), Failure> {
        let mut command = self.command.as_deref().cloned().unwrap_or_default();
        if let Some(dir) = &self.dir {
            let written =
                std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command, dir));
            return written.map_err(|error| {
                Failure::Runtime(format!("writing pages to {}: {error}", dir.display()))
            });
        }
        command.build();
        let page = match &self.verb {
            None => &command,
            Some(verb) => command.find_subcommand(verb).ok_or_else(|| {
                let verbs = command.get_subcommands().map(Command::get_name);
                let verbs: Vec<&str> = verbs.collect();
                Failure::Usage(format!(
                    "there is no verb `{verb}`; {}",
                    text::suggestion(verb, verbs)
                ))
            })?,
        };
        let mut text = Vec::new();
        Man::new(page.clone()).render(&mut text)?;
        super::print(|out| Ok(out.write_all(&text)?))
    }
}
