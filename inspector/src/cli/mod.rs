//! The command: from its arguments to an exit code.
//!
//! | file | holds |
//! |---|---|
//! | `args` | what the command line can say |
//! | `alias` | names of targets that the configuration gives |
//! | `complete` | what a shell completes |
//! | `usage` | which of the common flags mean something to which verb |

mod alias;
mod args;
mod complete;
mod usage;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::config;
use crate::failure::Failure;
use crate::paint::is_dumb;
use crate::verbs::Commands;
use crate::verbs::listing::Listing;
use crate::verbs::ls::LsArgs;
use crate::verbs::tui::TuiArgs;
use args::Cli;

/// Does what the command line of this process says. The exit code is 0 if all went well; `netpoller
/// --help` lists the others.
pub fn run() -> ExitCode {
    if let Some(code) = complete::answer() {
        return code;
    }
    match dispatch(Cli::in_environment()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// From what the command line says to the verb that does it.
fn dispatch(command: Command) -> Result<(), Failure> {
    let (mut cli, mut matches) = read(&command);
    let mut verb = verb(cli.command.take());
    if verb.verb().usage().configured {
        let settings = config::load(cli.globals.config.take(), &command)?;
        // Read again, for what the file says are defaults of the flags.
        (cli, matches) = read(&settings.defaults(command));
        verb = self::verb(cli.command.take());
        cli.globals.settings = settings;
    }
    tell(&mut verb, &matches);
    let mut globals = cli.globals;
    alias::resolve(&mut globals, &matches);
    usage::settle(&mut globals, &verb.verb().usage(), &matches)?;
    let target = globals.target.take();
    globals.target = target.map(|target| target.with_access(&globals.access));
    verb.verb().run(&globals)
}

/// Reads the command line; says what is wrong with it, and ends.
fn read(command: &Command) -> (Cli, ArgMatches) {
    let matches = args::alone(command.clone()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    (cli, matches)
}

/// The verb that was said, or what is done without one.
fn verb(said: Option<Commands>) -> Commands {
    match said {
        Some(verb) => verb,
        None if io::stdout().is_terminal() && !is_dumb() => Commands::Tui(TuiArgs { unsaid: true }),
        None => Commands::Ls(LsArgs {
            what: Listing::Descriptors,
        }),
    }
}

/// Tells verbs that are about the command line what it is.
fn tell(verb: &mut Commands, matches: &ArgMatches) {
    let command = || Some(Box::new(Cli::command()));
    match verb {
        Commands::Man(args) => args.command = command(),
        Commands::Config(args) => {
            args.command = command();
            args.matches = Some(Box::new(matches.clone()));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of this folder.
    fn beside(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    #[test]
    fn the_published_schema_is_that_of_the_command() {
        let schema = config::schema(&Cli::command());
        let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        let path = beside("config.schema.json");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).expect("write the schema");
        }
        let published = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(published == text, "run again with UPDATE=1");
    }

    #[test]
    fn a_new_file_names_every_setting_of_the_schema_and_can_be_read_as_it_is_and_uncommented() {
        let command = Cli::command();
        let template = config::template(&command);
        let uncommented: Vec<&str> = template
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => rest,
                _ => line,
            })
            .collect();
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("config.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("write it");
            config::load(Some(path.clone()), &command).expect("it is right")
        };
        let empty = read(&template);
        assert!(empty.flags.is_empty() && empty.targets.is_empty() && empty.views.is_empty());
        let full = read(&uncommented.join("\n"));
        let schema = config::schema(&command);
        let names = |of: &serde_json::Value| -> Vec<String> {
            let properties = of["properties"].as_object().expect("properties");
            properties.keys().cloned().collect()
        };
        let mut first: Vec<String> = full.flags.keys().cloned().collect();
        first.extend(["targets", "views", "keys"].map(str::to_owned));
        first.sort();
        assert_eq!(first, names(&schema));
        let keys: Vec<String> = full.keys.keys().cloned().collect();
        assert_eq!(keys, names(&schema["properties"]["keys"]));
        let mut views: Vec<String> = full.views.keys().map(|it| (*it).to_owned()).collect();
        views.sort();
        assert_eq!(views, names(&schema["properties"]["views"]));
    }
}
