//! The exposition in the format that a request asks for.

use super::format::Format;
use super::{protobuf, text};

/// Does [`encode`](super::encode) in the format that the header `Accept` of a request asks for: the
/// text of Prometheus, OpenMetrics, which has exemplars, or protobuf, which has native histograms
/// too. Returns the content type with it.
///
/// ```
/// let (content_type, body) = netpoller::prometheus::encode_for("application/openmetrics-text");
/// assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"));
/// assert!(body.ends_with(b"# EOF\n"));
/// ```
pub fn encode_for(accept: &str) -> (&'static str, Vec<u8>) {
    let format = Format::accepted(accept);
    let body = match format {
        Format::Protobuf => protobuf::encode(),
        text => text::encode_as(text).into_bytes(),
    };
    (format.content_type(), body)
}
