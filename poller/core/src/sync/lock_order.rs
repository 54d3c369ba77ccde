//! What each lock is for, and in which order they are taken.
//!
//! Locks of the process are those of [`LockOrder`]; a forked child finds them free
//! ([`ForkMutex`](crate::sys::ForkMutex)). All others belong to one object:
//!
//! | lock | guards |
//! |---|---|
//! | a slot's, `desc/poll_desc` | its life and its deadlines (Go's `pollDesc.lock`); who holds it may take the heap's |
//! | the heap's, `timers` | the deadlines of a poller, the next one first |
//! | the free list's, `desc/cache` | the slots that are free (`pollCache.lock`) |
//! | the followers', `poller/role` | the threads that would poll next |
//! | `duplicates`, `poller/mod` | the epoll descriptors that runtimes watch |
//! | `armed_ns`, `poller/mod` | what the timerfd of a nested poller is set to |
//! | the queued list's, `poller/queued` | who waits for the lock of a descriptor, for whoever looks |
//! | the queues', `fd/mutex` | the operations that wait for their turn on one descriptor |
//! | the groups', `observe/grouped` | latencies by group, of one thread, while somebody asks |
//! | the waker's, `driver/thread` | who waits for the end of a driver's thread |
//! | an answer's, `net/resolve` | the addresses of one name, and who waits for them |

/// The locks of the process. Whoever holds one takes only later ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LockOrder {
    /// Making the global poller.
    Global,
    /// Making the poller of a runtime.
    #[cfg(feature = "tokio")]
    Own,
    /// The names that are looked up.
    Lookups,
    /// Binding the endpoint's socket.
    Binding,
    /// Looking for what metrics tell of.
    Watching,
    /// Nesting a poller.
    Nesting,
    /// Which runtimes poll.
    #[cfg(feature = "tokio")]
    Runtimes,
    /// The list of pollers.
    Pollers,
    /// Labels and names of tasks.
    Names,
    /// The numbers of threads.
    Threads,
    /// Making what is made once.
    Once,
}
