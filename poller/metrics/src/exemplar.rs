//! What the exposition says of a single sample.

use netpoller_core::view::Exemplar;

/// Characters that the labels of an exemplar may have together.
pub(super) const EXEMPLAR_CHARS: usize = 128;

/// The descriptor and the line that a sample is of, as far as it is anybody's. A line that is too
/// long is told by its end.
pub(super) fn exemplar_labels(exemplar: &Exemplar) -> Vec<(&'static str, String)> {
    let mut labels = Vec::new();
    let mut left = EXEMPLAR_CHARS;
    if let Some(id) = exemplar.descriptor() {
        let id = id.to_string();
        left = left.saturating_sub("descriptor".len() + id.len());
        labels.push(("descriptor", id));
    }
    if let Some(location) = exemplar.location() {
        let location = format!("{}:{}", location.file(), location.line());
        left = left.saturating_sub("location".len());
        let too_long = location.chars().count().saturating_sub(left);
        labels.push(("location", location.chars().skip(too_long).collect()));
    }
    labels
}
