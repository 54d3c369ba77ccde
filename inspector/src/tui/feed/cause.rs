//! Why something did not come.

use crate::failure::Failure;

/// What is the matter, in a few words: the target is in the header, and advice is for the command
/// line. Of what did not come in time, what to call it.
pub(super) fn cause(failure: Failure, late: Option<&str>) -> String {
    match (failure, late) {
        (Failure::Connect { reason, .. }, _) => reason,
        (
            Failure::Lost {
                trouble: Some(trouble),
                ..
            }
            | Failure::Timeout {
                trouble: Some(trouble),
                ..
            },
            _,
        ) => trouble,
        (Failure::Lost { reason, .. }, Some(_)) => reason,
        (Failure::Timeout { .. }, Some(late)) => late.to_owned(),
        (failure, _) => {
            let said = failure.to_string();
            said.lines().next().unwrap_or_default().to_owned()
        }
    }
}
