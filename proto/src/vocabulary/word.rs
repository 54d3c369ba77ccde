//! States, directions, causes, what tasks wait for, and kinds of lines.

words! {
    /// The states of a word, as tables show them.
    State {
        /// No waiter, no readiness.
        Nil = 1 nil,
        /// Readiness that no wait has consumed yet.
        Ready = 2 ready,
        /// A waiter is publishing its waker.
        Wait = 3 wait,
        /// A waiter is parked.
        Parked = 4 parked,
        /// A waiter was woken, and its task has not run yet.
        Woken = 5 woken,
        /// Waits for the descriptor's lock, behind another operation in its direction.
        Queued = 6 queued,
    }
}

words! {
    /// One of a descriptor's two directions: Go's mode 'r' and 'w'.
    Direction {
        /// The rg word: bytes to read, a connection to accept, the end of the stream.
        Read = 1 read,
        /// The wg word: room to write, a connection that is made.
        Write = 2 write,
    }
}

words! {
    /// Why a waiter was released.
    Cause {
        /// An event of the kernel.
        Io = 1 io,
        /// Its deadline.
        Deadline = 2 deadline,
        /// Close or eviction.
        Close = 3 close,
    }
}

words! {
    /// What a line of the program's own has to do with a wait in a library.
    LineKind {
        /// The task that waits got its name there.
        Named = 1 named,
        /// The connection was accepted there.
        Accepted = 2 accepted,
        /// The connection was made there.
        Connected = 3 connected,
        /// The descriptor was opened there.
        Opened = 4 opened,
        /// The task that waits was started there.
        Started = 5 started,
        /// The future that the task polls is written there.
        Written = 6 written,
        /// The library's future holds others, and the only one of these waits there that is the
        /// program's own and has begun.
        Suspended = 7 suspended,
    }
}

words! {
    /// What a task waited for.
    Awaited {
        /// Bytes to read, or the end of the stream.
        Read = 1 read,
        /// Room to write.
        Write = 2 write,
        /// A connection to accept.
        Accept = 3 accept,
        /// A connection to be made.
        Connect = 4 connect,
        /// The end of a sleep, or of a time limit.
        Sleep = 5 sleep,
        /// Something else than a descriptor: a lock, a channel, another task, its turn.
        Other = 6 other,
    }
}

words! {
    /// What waits are grouped by.
    GroupBy {
        /// The descriptor.
        Descriptor = 1 descriptor,
        /// The line of code that waits.
        Location = 2 location,
        /// The name of the task that waits.
        Task = 3 task,
    }
}
