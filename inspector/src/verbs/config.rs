//! `netpoller config`.

use std::fs;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Subcommand};

use crate::config::{Config, flags, long, schema, template, usual};
use crate::failure::{Failure, note};
use crate::globals::Globals;
use crate::out::{Head, Style};
use crate::query::Scope;
use crate::table::{Context, Origin, SETTINGS, Setting, known_anywhere};
use crate::verbs::verb::{NONE, Usage, Verb};

/// What to do about it.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    what: What,
    /// What there is to configure.
    #[arg(skip)]
    pub(crate) command: Option<Box<Command>>,
    /// What was said.
    #[arg(skip)]
    pub(crate) matches: Option<Box<ArgMatches>>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write a file with every setting commented out, at the usual place or at --config.
    Init {
        /// Write over a file that is there.
        #[arg(long)]
        force: bool,
    },
    /// Print where the file is, or would be.
    Path,
    /// Print every setting, and where it comes from: flag, env, file or default.
    Show,
    /// Print the JSON schema of the file, for editors.
    Schema,
}

impl Verb for ConfigArgs {
    fn usage(&self) -> Usage {
        match self.what {
            // It tells what would hold for other verbs.
            What::Show => Usage {
                interval: true,
                limit: true,
                filter: Some(Scope::Any),
                columns: Some(known_anywhere),
                sort: Some(known_anywhere),
                ..Usage::of("config show")
            },
            _ => Usage {
                target: false,
                formats: NONE,
                configured: false,
                ..Usage::of("config")
            },
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        let command = self.command.as_deref().cloned().unwrap_or_default();
        match self.what {
            What::Init { force } => init(&path(globals)?, &template(&command), force),
            What::Path => {
                let path = path(globals)?;
                super::print(|out| Ok(writeln!(out, "{}", path.display())?))
            }
            What::Schema => super::print(|out| {
                serde_json::to_writer_pretty(&mut *out, &schema(&command))?;
                Ok(writeln!(out)?)
            }),
            What::Show => {
                let matches = self.matches.as_deref().cloned().unwrap_or_default();
                show(globals, &settings(&command, &matches, &globals.settings))
            }
        }
    }
}

fn path(globals: &Globals) -> Result<PathBuf, Failure> {
    globals.config.clone().or_else(usual).ok_or_else(|| {
        Failure::Usage(
            "there is no usual place for a configuration, for neither XDG_CONFIG_HOME nor HOME is set; \
             name one with --config"
                .into(),
        )
    })
}

fn init(path: &std::path::Path, text: &str, force: bool) -> Result<(), Failure> {
    if path.exists() && !force {
        return Err(Failure::Usage(format!(
            "{} is there already; --force writes over it",
            path.display()
        )));
    }
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    folder
        .and_then(|()| fs::write(path, text))
        .map_err(|error| Failure::Runtime(format!("writing {}: {error}", path.display())))?;
    note(&format!("{} is written", path.display()));
    Ok(())
}

fn show(globals: &Globals, settings: &[Setting]) -> Result<(), Failure> {
    let style = Style {
        columns: None,
        sort: None,
        limit: None,
        ..globals.style()
    };
    let head = Head {
        schema: "netpoller/v1/settings",
        target: None,
        context: Context {
            ascii: style.ascii,
            ..Context::default()
        },
        captured_at: None,
    };
    let mut settings = settings.to_vec();
    super::print(|out| style.rows(out, head, &SETTINGS, &mut settings, Setting::clone))
}

/// All settings, as they are now.
fn settings(command: &Command, matches: &ArgMatches, config: &Config) -> Vec<Setting> {
    let file = |line: usize| Origin::File {
        path: config
            .path
            .as_deref()
            .map_or_else(String::new, |it| it.display().to_string()),
        line,
    };
    let mut all = Vec::new();
    for flag in flags(command) {
        let id = flag.get_id().as_str();
        let raw = matches.get_raw(id).into_iter().flatten();
        let values: Vec<_> = raw.map(|it| it.to_string_lossy()).collect();
        let origin = match (matches.value_source(id), config.flags.get(long(flag))) {
            (Some(ValueSource::CommandLine), _) => Origin::Flag,
            (Some(ValueSource::EnvVariable), _) => Origin::Env(
                flag.get_env()
                    .map_or_else(String::new, |it| it.to_string_lossy().into_owned()),
            ),
            (_, Some(setting)) => file(setting.line),
            _ => Origin::Default,
        };
        all.push(Setting::new(long(flag), values.join(","), origin));
    }
    for (name, alias) in &config.targets {
        let origin = file(alias.line);
        all.push(Setting::new(
            &format!("targets.{name}"),
            alias.text.clone(),
            origin,
        ));
    }
    for (name, view) in &config.views {
        if let Some(columns) = &view.columns {
            let name = format!("views.{name}.columns");
            all.push(Setting::new(&name, columns.join(","), file(view.line)));
        }
        if let Some(sort) = &view.sort {
            let name = format!("views.{name}.sort");
            all.push(Setting::new(&name, sort.to_string(), file(view.line)));
        }
    }
    for binding in config.keymap.bindings() {
        let origin = config
            .keys
            .get(&binding.name)
            .map_or(Origin::Default, |line| file(*line));
        let name = format!("keys.{}", binding.name);
        all.push(Setting::new(&name, binding.labels(true), origin));
    }
    all
}
