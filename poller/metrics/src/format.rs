//! The formats of the exposition, and which one a request asks for.

/// How an exposition is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// That of Prometheus, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Messages of `io.prometheus.client`, each after its length.
    Protobuf,
}

impl Format {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// The one that an `Accept` prefers; that of Prometheus unless the other one is named.
    pub(super) fn accepted(accept: &str) -> Self {
        let best = |name: &str| {
            let ranges = accept.split(',').map(Range::of);
            let ours = ranges.filter(|it| it.name.eq_ignore_ascii_case(name) && it.is_known);
            ours.map(|it| it.weight).fold(0.0, f64::max)
        };
        let protobuf = best("application/vnd.google.protobuf");
        let open = best("application/openmetrics-text");
        let text = best("text/plain");
        if protobuf > 0.0 && protobuf >= open && protobuf >= text {
            Self::Protobuf
        } else if open > 0.0 && open >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }
}

/// Whether an `Accept-Encoding` takes gzip.
pub(super) fn takes_gzip(accept: &str) -> bool {
    let mut ranges = accept.split(',').map(Range::of);
    ranges.any(|it| it.name.eq_ignore_ascii_case("gzip") && it.weight > 0.0)
}

/// One of those that such a header lists.
struct Range<'a> {
    name: &'a str,
    weight: f64,
    /// Its version, message and encoding, if it names any, are those that we write.
    is_known: bool,
}

impl<'a> Range<'a> {
    fn of(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self {
            name: parts.next().unwrap_or_default(),
            weight: 1.0,
            is_known: true,
        };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "q" => range.weight = value.trim().parse().unwrap_or(0.0),
                "version" => {
                    let known = if range.name.starts_with("text/") {
                        "0.0.4"
                    } else {
                        "1.0.0"
                    };
                    range.is_known &= value.trim().trim_matches('"') == known;
                }
                "proto" => range.is_known &= value.trim() == "io.prometheus.client.MetricFamily",
                "encoding" => range.is_known &= value.trim() == "delimited",
                _ => {}
            }
        }
        range
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_for_those_who_prefer_it_in_a_version_that_is_known() {
        for (accept, expected) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/plain", Format::Text),
            // What Prometheus 2.42 and 3 send.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (
                "application/openmetrics-text; version=\"1.0.0\"; q=0.5, text/plain; q=0.4",
                Format::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;q=0.3,text/plain;q=0.5",
                Format::Text,
            ),
            ("application/openmetrics-text;version=2.0.0", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            // What Prometheus sends that takes native histograms.
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
                 application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::Protobuf,
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
                Format::Text,
            ),
        ] {
            assert_eq!(Format::accepted(accept), expected, "{accept}");
        }
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for taken in ["gzip", "GZIP", "deflate, gzip;q=0.5", "br , gzip"] {
            assert!(takes_gzip(taken), "{taken}");
        }
        for refused in ["", "identity", "gzip;q=0", "deflate", "x-gzip-not"] {
            assert!(!takes_gzip(refused), "{refused}");
        }
    }
}
