//! A moment of a recording, as people name it.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::Anchor;
use crate::text;

/// A moment of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// So long after it begins.
    FromStart(Duration),
    /// So long before it ends.
    FromEnd(Duration),
    /// By the clock of the process.
    Wall(SystemTime),
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let duration = |text: &str| humantime::parse_duration(text).ok();
        let at = match text.strip_prefix('-') {
            Some(before) => duration(before).map(Self::FromEnd),
            None => duration(text.trim_start_matches('+'))
                .map(Self::FromStart)
                .or_else(|| humantime::parse_rfc3339_weak(text).ok().map(Self::Wall)),
        };
        at.ok_or_else(|| {
            "write how long after its beginning, as 1min30s; before its end, as -10s; or a time, as \
             2026-11-30T12:00:00Z"
                .to_owned()
        })
    }
}

impl At {
    /// The same on the clock of the process, whose calendar the anchor knows; an error if the
    /// recording does not reach there.
    pub(super) fn within(self, (begins, ends): (u64, u64), anchor: Anchor) -> Result<u64, String> {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let at_ns = match self {
            Self::FromStart(after) => begins.checked_add(nanos(after)),
            Self::FromEnd(before) => ends.checked_sub(nanos(before)),
            Self::Wall(time) => {
                let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
                // To the second is how people write it.
                anchor
                    .monotonic_ns(nanos(since))
                    .map(|at_ns| match at_ns < begins {
                        true if begins - at_ns < 1_000_000_000 => begins,
                        _ => at_ns,
                    })
            }
        };
        at_ns
            .filter(|at_ns| (begins..=ends).contains(at_ns))
            .ok_or_else(|| {
                let moment = |at_ns| anchor.rfc3339(at_ns).unwrap_or_default();
                format!(
                    "--at: the recording is of {}, from {} to {}",
                    text::duration(ends - begins),
                    moment(begins),
                    moment(ends)
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::GetServerResponse;

    use super::*;

    #[test]
    fn a_moment_is_named_from_either_end_or_by_the_clock() {
        let second = 1_000_000_000;
        let anchor = Anchor::of(&GetServerResponse {
            captured_at_ns: 5 * second,
            wall_clock_ns: 1_700_000_000 * second,
            ..GetServerResponse::default()
        });
        let span = (5 * second, 65 * second);
        let within = |text: &str| text.parse::<At>().and_then(|at| at.within(span, anchor));
        assert_eq!(within("0s"), Ok(5 * second));
        assert_eq!(within("+1min"), Ok(65 * second));
        assert_eq!(within("-10s"), Ok(55 * second));
        assert_eq!(within("2023-11-14T22:13:30Z"), Ok(15 * second));
        for outside in [
            "61s",
            "-61s",
            "2023-11-14T22:12:00Z",
            "2023-11-14T22:15:00Z",
        ] {
            let error = within(outside).expect_err(outside);
            assert!(error.contains("from 2023-11-14T22:13:20"), "{error}");
        }
        let error = within("yesterday").expect_err("no time");
        assert!(error.contains("-10s"), "{error}");
    }
}
