//! Which of the common flags mean something to which verb.
//!
//! A flag that is given and means nothing is refused, never passed over in silence. The same thing
//! said in the environment or in the configuration is a default for every verb, so there it is
//! passed over.

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::failure::Failure;
use crate::globals::Globals;
use crate::out::Format;
use crate::query::Query;
use crate::source::TargetSpec;
use crate::table::{SortSpec, known_anywhere};
use crate::verbs::verb::Usage;

/// Keeps of the common flags what means something to the verb, and refuses what was said and means
/// nothing.
pub(crate) fn settle(
    globals: &mut Globals,
    usage: &Usage,
    matches: &ArgMatches,
) -> Result<(), Failure> {
    let given = Given { matches, usage };
    if !usage.target && given.is_refused("target", "--target")? {
        globals.target = None;
    }
    tls(globals, &given)?;
    moment(globals, &given)?;
    if !usage.interval && given.is_refused("interval", "--interval")? {
        globals.interval = Globals::INTERVAL;
    }
    if !usage.limit && given.is_refused("limit", "--limit")? {
        globals.limit = None;
    }
    if !usage.formats.contains(&globals.format) {
        if given.is_said("format") {
            return Err(Failure::Usage(match usage.instead {
                "" => given.nothing("--format"),
                instead => instead.to_owned(),
            }));
        }
        globals.format = Format::Table;
    }
    columns(globals, &given)?;
    sort(globals, &given)?;
    view(globals, &given);
    filter(globals, &given)
}

struct Given<'a> {
    matches: &'a ArgMatches,
    usage: &'a Usage,
}

impl Given<'_> {
    /// On the command line, and not in the environment.
    fn is_said(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(ValueSource::CommandLine)
    }

    /// On the command line, or in the environment.
    fn is_given(&self, id: &str) -> bool {
        let source = self.matches.value_source(id);
        source.is_some_and(|source| source != ValueSource::DefaultValue)
    }

    fn nothing(&self, flag: &str) -> String {
        let Usage { verb, why, .. } = self.usage;
        format!("{flag} means nothing to `{verb}`: {why}")
    }

    /// An error if it was said; true if it is only in the environment, or not there at all.
    fn is_refused(&self, id: &str, flag: &str) -> Result<bool, Failure> {
        if self.is_said(id) {
            return Err(Failure::Usage(self.nothing(flag)));
        }
        Ok(true)
    }
}

/// Only a recording knows how things stood before.
fn moment(globals: &mut Globals, given: &Given<'_>) -> Result<(), Failure> {
    let Some(at) = globals.at else { return Ok(()) };
    if let Some(at_that) = globals.target.clone().and_then(|it| it.with_moment(at)) {
        globals.target = Some(at_that);
    } else if given.is_said("at") {
        return Err(Failure::Usage(
            "--at is a moment of a recording: name one with --target file:PATH".into(),
        ));
    }
    Ok(())
}

/// Whoever says what to trust and is not told that nobody is asked takes plain text for TLS.
fn tls(globals: &Globals, given: &Given<'_>) -> Result<(), Failure> {
    // What acts has another target beside it.
    let acts = given.matches.try_contains_id("control").is_ok();
    if acts || globals.target.as_ref().is_none_or(TargetSpec::is_tls) {
        return Ok(());
    }
    for (id, flag) in [
        ("tls_ca", "--tls-ca"),
        ("tls_cert", "--tls-cert"),
        ("tls_key", "--tls-key"),
        ("tls_name", "--tls-name"),
    ] {
        if given.is_said(id) {
            return Err(Failure::Usage(format!(
                "{flag} means nothing to this target: only https://host:port is TLS"
            )));
        }
    }
    Ok(())
}

fn columns(globals: &mut Globals, given: &Given<'_>) -> Result<(), Failure> {
    let Some(names) = &mut globals.columns else {
        return Ok(());
    };
    match given.usage.columns {
        Some(known) if given.is_said("columns") => {
            return names.iter().try_for_each(|name| known(name.trim()));
        }
        Some(known) => {
            names.retain(|name| !name.trim().is_empty());
            names
                .iter()
                .try_for_each(|name| known_anywhere(name.trim()))?;
            names.retain(|name| known(name.trim()).is_ok());
        }
        None if given.is_refused("columns", "--columns")? => names.clear(),
        None => {}
    }
    if names.is_empty() {
        globals.columns = None;
    }
    Ok(())
}

fn sort(globals: &mut Globals, given: &Given<'_>) -> Result<(), Failure> {
    let Some(SortSpec { column, .. }) = &globals.sort else {
        return Ok(());
    };
    match given.usage.sort {
        Some(known) if given.is_said("sort") => return known(column),
        Some(known) => {
            known_anywhere(column)?;
            if known(column).is_ok() {
                return Ok(());
            }
        }
        None => {
            given.is_refused("sort", "--sort")?;
        }
    }
    globals.sort = None;
    Ok(())
}

/// What the configuration says of this table alone, where nobody has said otherwise.
fn view(globals: &mut Globals, given: &Given<'_>) {
    let Some(view) = globals.settings.views.get(given.usage.view) else {
        return;
    };
    if view.columns.is_some() && !given.is_given("columns") {
        globals.columns = None;
        globals.usual.clone_from(&view.columns);
    }
    if view.sort.is_some() && !given.is_given("sort") {
        globals.sort.clone_from(&view.sort);
    }
}

fn filter(globals: &mut Globals, given: &Given<'_>) -> Result<(), Failure> {
    let Some(text) = globals.filter_text.take() else {
        return Ok(());
    };
    let said = given.is_said("filter_text");
    let Some(scope) = given.usage.filter else {
        return given.is_refused("filter_text", "--where").map(drop);
    };
    let flag = if said { "--where" } else { "NETPOLLER_WHERE" };
    let wrong = |error: String| {
        Failure::Usage(format!(
            "{flag}: {error}\n`netpoller fields` lists the fields and operators"
        ))
    };
    let query: Query = text.parse().map_err(wrong)?;
    match query.check(scope) {
        Ok(()) => globals.filter = Some(query),
        // A default for other tables than this.
        Err(_) if !said => {}
        Err(error) => return Err(wrong(error)),
    }
    Ok(())
}
