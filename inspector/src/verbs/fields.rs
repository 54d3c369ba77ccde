//! `netpoller fields`.

use clap::Args;

use crate::failure::Failure;
use crate::globals::Globals;
use crate::query;
use crate::verbs::verb::{NONE, Usage, Verb};

/// Nothing but what every verb accepts.
#[derive(Debug, Args)]
pub(crate) struct FieldsArgs {}

impl Verb for FieldsArgs {
    fn usage(&self) -> Usage {
        Usage {
            target: false,
            formats: NONE,
            ..Usage::of("fields")
        }
    }

    fn run(&self, _: &Globals) -> Result<(), Failure> {
        super::print(|out| Ok(out.write_all(query::help().as_bytes())?))
    }
}
