//! The kernel's list of registrations, for all lints that ask for it.

use std::time::{Duration, Instant};

use super::observation::Observation;
use crate::view::kernel::{Registration, kernel_registrations};

/// It is read at most so often: the kernel keeps the delivery of events waiting meanwhile.
const READ_NS: u64 = 500_000_000;

/// The list as it was last read, and when.
#[derive(Debug, Default)]
pub(super) struct KernelList {
    read: Option<(u64, Vec<Registration>)>,
    /// How long that took.
    took: Duration,
    refused: Option<String>,
}

impl KernelList {
    /// The list, and when it was read; `None` if it cannot be read.
    pub(super) fn get(&mut self, observation: &Observation<'_>) -> Option<(u64, &[Registration])> {
        let rest = self.took.saturating_mul(observation.options.list_rest());
        let rest_ns = u64::try_from(rest.as_nanos())
            .unwrap_or(u64::MAX)
            .max(READ_NS);
        let is_old = |read_ns: u64| observation.age_ns(read_ns) >= rest_ns;
        if self
            .read
            .as_ref()
            .is_none_or(|(read_ns, _)| is_old(*read_ns))
        {
            let began = Instant::now();
            (self.read, self.refused) = match kernel_registrations(observation.poller) {
                Ok(list) => (Some((observation.now_ns, list)), None),
                Err(error) => (None, Some(error.to_string())),
            };
            self.took = began.elapsed();
        }
        self.read
            .as_ref()
            .map(|(read_ns, list)| (*read_ns, &list[..]))
    }

    /// Why it could not be read when that was last tried.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// The list as far as it tells of a descriptor: one that was opened after it was read is not
    /// missing from it.
    pub(super) fn of(
        &mut self,
        observation: &Observation<'_>,
        opened_at_ns: u64,
    ) -> Option<&[Registration]> {
        self.get(observation)
            .filter(|(read_ns, _)| opened_at_ns < *read_ns)
            .map(|(_, list)| list)
    }
}

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests {
    use super::super::options::Options;
    use super::*;
    use crate::poller::Poller;

    #[test]
    fn a_descriptor_that_is_younger_than_the_list_is_not_missing_from_it() {
        let poller = Poller::builder().build().unwrap();
        let options = Options::new();
        let observation = Observation::take(&poller, &options);
        let mut list = KernelList::default();
        let (read_ns, _) = list.get(&observation).unwrap();
        assert!(list.of(&observation, read_ns - 1).is_some());
        assert!(list.of(&observation, read_ns).is_none());
    }
}
