//! Whom a request means.

use netpoller_core::{DescId, Poller, internals, view};
use tonic::Status;

/// Longest part of a request that an answer repeats: it becomes a header of the answer, and a line
/// of the log.
const QUOTED: usize = 64;

/// `text`, cut where it is too long to be a name of anything.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// The pollers with this name, all for the empty one.
pub(crate) fn pollers(name: &str) -> Result<Vec<Poller>, Status> {
    let mut pollers = view::pollers();
    if name.is_empty() {
        return Ok(pollers);
    }
    let known = names(&pollers);
    pollers.retain(|poller| poller.name() == name);
    if pollers.is_empty() {
        return Err(Status::not_found(format!(
            "no poller is called {}; there are: {known}",
            quoted(name)
        )));
    }
    Ok(pollers)
}

/// The poller with this name; the only one for the empty name.
pub(super) fn poller(name: &str) -> Result<Poller, Status> {
    let mut found = pollers(name)?;
    match (found.pop(), found.as_slice()) {
        (Some(only), []) => Ok(only),
        (None, _) => Err(Status::not_found("the process has no poller")),
        (Some(last), _) => {
            found.push(last);
            Err(Status::invalid_argument(format!(
                "poller: the process has several, so name one of: {}",
                names(&found)
            )))
        }
    }
}

/// The poller of a descriptor: the one with this name; for the empty name the only one that has
/// such a descriptor.
pub(crate) fn poller_of(name: &str, id: DescId) -> Result<Poller, Status> {
    let mut all = pollers(name)?;
    if !name.is_empty() || all.len() <= 1 {
        return poller(name);
    }
    all.retain(|poller| {
        let slot = internals::slot(poller, id.slot);
        slot.is_some_and(|slot| slot.is_live(id.generation))
    });
    match &all[..] {
        [only] => Ok(only.clone()),
        [] => Err(Status::not_found(format!(
            "{id} is closed, or never was: no poller has such a descriptor"
        ))),
        several => {
            let choices: Vec<String> = several
                .iter()
                .map(|poller| format!("{}/{id}", poller.name()))
                .collect();
            Err(Status::invalid_argument(format!(
                "{id} is one of several: write {}",
                choices.join(" or ")
            )))
        }
    }
}

fn names(pollers: &[Poller]) -> String {
    let names: Vec<&str> = pollers.iter().map(Poller::name).collect();
    names.join(", ")
}

/// The id that a request names.
pub(crate) fn id(id: &str) -> Result<DescId, Status> {
    id.parse().map_err(|_| {
        Status::invalid_argument(format!(
            "id: {} is none; write it as slot.generation, for example 42.7",
            quoted(id)
        ))
    })
}

/// Why there is nothing to say about a descriptor.
pub(super) fn gone(poller: &Poller, id: &str) -> Status {
    Status::not_found(format!(
        "{}/{} is closed, or never was: no such descriptor is in the table",
        poller.name(),
        quoted(id).trim_matches('"')
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_repeats_no_more_of_a_request_than_a_name_can_be_long() {
        assert_eq!(quoted("42.7"), "\"42.7\"");
        let long = "ä".repeat(60_000);
        assert!(quoted(&long).chars().count() < 70);
        assert!(id(&long).unwrap_err().message().len() < 300);
        assert!(pollers(&long).unwrap_err().message().len() < 4096);
    }
}
