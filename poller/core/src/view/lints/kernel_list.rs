//! The kernel's list of registrations, for all lints that ask for it.

use super::observation::Observation;
use crate::view::kernel::{Registration, kernel_registrations};

/// It is read at most so often: the kernel keeps the delivery of events waiting meanwhile.
const READ_NS: u64 = 500_000_000;

/// The list as it was last read, and when.
#[derive(Debug, Default)]
pub(super) struct KernelList(Option<(u64, Vec<Registration>)>);

impl KernelList {
    /// The list, and when it was read; `None` if it cannot be read.
    pub(super) fn get(&mut self, observation: &Observation<'_>) -> Option<(u64, &[Registration])> {
        let is_old = |read_ns: u64| observation.age_ns(read_ns) >= READ_NS;
        if self.0.as_ref().is_none_or(|(read_ns, _)| is_old(*read_ns)) {
            self.0 = kernel_registrations(observation.poller)
                .ok()
                .map(|list| (observation.now_ns, list));
        }
        self.0.as_ref().map(|(read_ns, list)| (*read_ns, &list[..]))
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
