//! What `diff` compares: a process or a recording, and the moment of it.

use std::str::FromStr;

use crate::failure::Failure;
use crate::globals::Globals;
use crate::source::{At, Target, TargetSpec};

/// One side, as it was written: `TARGET`, `@MOMENT` or `TARGET@MOMENT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) target: Option<TargetSpec>,
    pub(super) at: Option<At>,
}

impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(moment) = text.strip_prefix('@') {
            let at = Some(moment.parse()?);
            return Ok(Self { target: None, at });
        }
        // A path may have an @ of its own.
        let moment = text.rsplit_once('@');
        let moment = moment.and_then(|(target, at)| Some((target, at.parse().ok()?)));
        let (target, at) = match moment {
            Some((target, at)) => (target, Some(at)),
            None => (text, None),
        };
        let target = Some(target.parse()?);
        Ok(Self { target, at })
    }
}

/// Whom to ask, and when.
#[derive(Debug)]
pub(super) enum Sides {
    /// One process, now and after the interval.
    Now(Box<Globals>),
    /// Two that each have a moment of their own, or none.
    Two(Box<Globals>, Box<Globals>),
}

impl Sides {
    /// What is meant by what was written, and by `--target` where that names none.
    pub(super) fn new(
        globals: &Globals,
        from: Option<&Side>,
        to: Option<&Side>,
    ) -> Result<Self, Failure> {
        let of = |side: Option<&Side>| -> (Globals, Option<At>) {
            let target = side.and_then(|side| side.target.as_ref());
            let globals = target.map_or_else(|| globals.clone(), |it| aimed(globals, it));
            (globals, side.and_then(|side| side.at))
        };
        let (first, from_at) = of(from);
        let Some(to) = to else {
            // Until its end, or the moment that --at says.
            return match (is_recording(&first), from_at) {
                (true, at) => {
                    let begins = At::FromStart(std::time::Duration::ZERO);
                    let last = first.clone();
                    Ok(Self::Two(
                        at_moment(first, Some(at.unwrap_or(begins)))?,
                        at_moment(last, globals.at)?,
                    ))
                }
                (false, None) => Ok(Self::Now(Box::new(first))),
                (false, Some(_)) => Err(no_recording()),
            };
        };
        let (last, to_at) = match &to.target {
            // A moment alone is one of the recording that was named before it.
            None if is_recording(&first) => (first.clone(), to.at),
            _ => of(Some(to)),
        };
        if first.target == last.target && from_at == to_at {
            return Err(Failure::Usage(
                "both are the same: name two moments of a recording, as @10s @-10s, or nothing at all to compare a \
                 process with itself --interval later"
                    .into(),
            ));
        }
        Ok(Self::Two(
            at_moment(first, from_at)?,
            at_moment(last, to_at)?,
        ))
    }
}

/// The same flags with another target: what a name stands for in the configuration, with what is
/// shown to it.
fn aimed(globals: &Globals, target: &TargetSpec) -> Globals {
    let mut globals = globals.clone();
    let mut target = target.clone();
    if let TargetSpec::Name(name) = &target
        && let Some(alias) = globals.settings.targets.get(name)
    {
        target = alias.target.clone();
        globals.access = alias.access.clone().or(&globals.access);
    }
    globals.target = Some(target.with_access(&globals.access));
    globals
}

fn is_recording(globals: &Globals) -> bool {
    matches!(globals.target, Some(TargetSpec::At(Target::File(_))))
}

fn at_moment(mut globals: Globals, at: Option<At>) -> Result<Box<Globals>, Failure> {
    if let Some(at) = at {
        let target = globals.target.take().and_then(|it| it.with_moment(at));
        globals.target = Some(target.ok_or_else(no_recording)?);
    }
    Ok(Box::new(globals))
}

fn no_recording() -> Failure {
    Failure::Usage(
        "a moment is of a recording: name one, as file:PATH@10s, or with --target file:PATH".into(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_side_is_a_target_a_moment_or_both() {
        let side = |text: &str| text.parse::<Side>().expect(text);
        let second = At::FromStart(Duration::from_secs(1));
        assert_eq!((side("@1s").target, side("@1s").at), (None, Some(second)));
        let both = side("file:/a@b.npl@1s");
        assert_eq!(both.at, Some(second));
        assert_eq!(both.target, "file:/a@b.npl".parse().ok());
        let path = side("file:/a@b.npl");
        assert_eq!((path.at, path.target), (None, "file:/a@b.npl".parse().ok()));
        for wrong in ["@", "@soon", "", "shm:/x@1s"] {
            let error = wrong.parse::<Side>().expect_err(wrong);
            assert!(!error.is_empty(), "{wrong}");
        }
    }
}
