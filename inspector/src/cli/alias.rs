//! Names of targets that the configuration gives.

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::globals::Globals;
use crate::source::TargetSpec;

/// Puts what a name stands for in its place. What is shown to it is the alias's, unless a flag or
/// the environment says otherwise.
pub(super) fn resolve(globals: &mut Globals, matches: &ArgMatches) {
    let Some(TargetSpec::Name(name)) = &globals.target else {
        return;
    };
    let Some(alias) = globals.settings.targets.get(name).cloned() else {
        return;
    };
    globals.target = Some(alias.target);
    let is_given = |id| {
        let source = matches.value_source(id);
        source.is_some_and(|source| source != ValueSource::DefaultValue)
    };
    let own = &mut globals.access;
    let theirs = alias.access;
    for (id, own, theirs) in [
        ("token_file", &mut own.token_file, theirs.token_file),
        ("tls_ca", &mut own.tls_ca, theirs.tls_ca),
        ("tls_cert", &mut own.tls_cert, theirs.tls_cert),
        ("tls_key", &mut own.tls_key, theirs.tls_key),
    ] {
        if theirs.is_some() && !is_given(id) {
            *own = theirs;
        }
    }
    if theirs.tls_name.is_some() && !is_given("tls_name") {
        own.tls_name = theirs.tls_name;
    }
}
