//! Whose poller: the one rule for everything that waits, sockets and sleeps alike.
//!
//! | first of these | because |
//! |---|---|
//! | the innermost of: a poller that was [entered](Poller::enter) on this thread, for a while or [for one call](Poller::in_scope); the one that a `block_on` on this thread polls | the user has said so |
//! | the one of the tokio runtime | it is polled there and nowhere else, so that runtimes do not wake each other |
//! | the global one | plain threads share it |
//!
//! Sockets, pipes and pollables ask when they are made, or when their future is first polled;
//! sleeps, timeouts and ticks when they are first polled. A future that was made while a poller was
//! entered keeps to that one.

use std::cell::{Cell, RefCell};
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::guest::Guest;
use crate::poller::{Poller, Shared};

crate::sync::thread_local! {
    static SCOPES: RefCell<Scopes> = const { RefCell::new(Scopes { open: Vec::new(), next: 0 }) };
    /// Of the innermost `block_on`: its stamp, and the runtime around it.
    static POLLS: Cell<Option<(u64, Runtime)>> = const { Cell::new(None) };
}

/// Sets the stamps of `block_on` apart from those of runtimes.
const STAMP: u64 = 1 << 63;

/// What this thread is inside of, innermost last.
#[derive(Debug)]
struct Scopes {
    open: Vec<Scope>,
    next: u64,
}

impl Scopes {
    /// A number that no scope of any thread has had.
    fn ticket(&mut self) -> u64 {
        static THREADS: AtomicU64 = AtomicU64::new(0);
        if self.next.trailing_zeros() >= 32 {
            self.next = THREADS.fetch_add(1, Ordering::Relaxed) << 32;
        }
        self.next += 1;
        self.next & !STAMP
    }

    /// Makes it known which `block_on` is the innermost.
    fn publish(&self) {
        let innermost = self.open.iter().rev().find_map(|scope| match scope.kind {
            ScopeKind::BlockOn { around, stamp, .. } => Some((stamp, around)),
            ScopeKind::Entered => None,
        });
        let _ = POLLS.try_with(|polls| polls.set(innermost));
    }
}

#[derive(Debug)]
struct Scope {
    ticket: u64,
    /// `None` for the global one, which most threads use and nobody need count handles of.
    poller: Option<Poller>,
    kind: ScopeKind,
}

#[derive(Debug)]
enum ScopeKind {
    Entered,
    BlockOn {
        around: Runtime,
        /// Another one since the last of `hosted` went.
        stamp: u64,
        /// The other pollers that this thread polls along with its own.
        hosted: Vec<u32>,
        /// Those of them that are to be begun with.
        asked: Vec<Guest>,
        /// It is the call of a blocking handle, on a worker of a runtime.
        refused: bool,
    },
}

/// The tokio runtime that a thread is in, if any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Runtime(#[cfg(feature = "tokio")] Option<tokio::runtime::Id>);

impl Runtime {
    fn current() -> Self {
        Self(
            #[cfg(feature = "tokio")]
            tokio::runtime::Handle::try_current().ok().map(|r| r.id()),
        )
    }
}

impl Scope {
    fn is(&self, shared: &Arc<Shared>) -> bool {
        match &self.poller {
            Some(poller) => Arc::ptr_eq(&poller.shared, shared),
            None => shared.is_global(),
        }
    }

    fn poller(&self) -> io::Result<Poller> {
        match &self.poller {
            Some(poller) => Ok(poller.clone()),
            None => Poller::try_global().cloned(),
        }
    }
}

/// A poller, and whether the user chose it. By default the connections of a listener go where they
/// are accepted; where the user has chosen the listener's poller, they follow it there.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) poller: Poller,
    explicit: bool,
}

impl Choice {
    /// The poller of a connection that the calling task has accepted.
    pub(crate) fn for_accepted(&self) -> io::Result<Poller> {
        if self.explicit {
            return Ok(self.poller.clone());
        }
        current()
    }
}

/// Why a thread may not wait.
pub(super) fn blocks_worker() -> io::Error {
    io::Error::new(
        io::ErrorKind::Deadlock,
        "this would block a worker of the tokio runtime, and the tasks that it runs: use the async methods here, or call it in \
         spawn_blocking or block_in_place",
    )
}

/// The current poller.
pub(crate) fn current() -> io::Result<Poller> {
    Ok(choose()?.poller)
}

/// The current poller, and whether the user chose it.
pub(crate) fn choose() -> io::Result<Choice> {
    let scoped = SCOPES.try_with(|scopes| {
        let scopes = scopes.borrow();
        scopes.open.last().map(|scope| {
            Ok(Choice {
                poller: scope.poller()?,
                explicit: scope.poller.is_some() || matches!(scope.kind, ScopeKind::Entered),
            })
        })
    });
    if let Ok(Some(choice)) = scoped {
        return choice;
    }
    #[cfg(feature = "tokio")]
    if let Some(own) = super::tokio::own() {
        return Ok(Choice {
            poller: own?,
            explicit: false,
        });
    }
    Ok(Choice {
        poller: Poller::try_global()?.clone(),
        explicit: false,
    })
}

/// The poller that was entered on this thread, unless a `block_on` came after it.
pub(crate) fn entered() -> Option<Poller> {
    let entered = SCOPES.try_with(|scopes| {
        let scopes = scopes.borrow();
        let last = scopes.open.last()?;
        matches!(last.kind, ScopeKind::Entered).then(|| last.poller())
    });
    entered.ok()??.ok()
}

/// The poller of a future: the one that was entered when it was made, else the current one when it
/// is first polled. Futures are often made outside of the runtime that they then run in, as by
/// `runtime.block_on(TcpStream::connect(addr))`.
#[derive(Debug)]
pub(crate) struct Later(Option<Poller>);

impl Later {
    pub(crate) fn new() -> Self {
        Self(entered())
    }

    pub(crate) fn get(self) -> io::Result<Poller> {
        self.0.map_or_else(current, Ok)
    }
}

/// Takes its scope off the thread's list, wherever it stands there.
#[derive(Debug)]
struct Leave(u64);

impl Leave {
    fn open(poller: Option<Poller>, mut kind: ScopeKind) -> Self {
        let ticket = SCOPES.try_with(|scopes| {
            let mut scopes = scopes.borrow_mut();
            let ticket = scopes.ticket();
            if let ScopeKind::BlockOn { stamp, .. } = &mut kind {
                *stamp = STAMP | ticket;
            }
            scopes.open.push(Scope {
                ticket,
                poller,
                kind,
            });
            scopes.publish();
            ticket
        });
        // While the thread ends there is no list any more, and nobody who asks.
        Self(ticket.unwrap_or_default())
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let left = SCOPES.try_with(|scopes| {
            let mut scopes = scopes.borrow_mut();
            let at = scopes.open.iter().rposition(|s| s.ticket == self.0)?;
            let left = scopes.open.remove(at);
            scopes.publish();
            Some(left)
        });
        // Outside of the borrow: it may be the last handle of its poller.
        drop(left);
    }
}

/// While it lives, its poller is the current one of this thread: see [`Poller::enter`].
#[derive(Debug)]
#[must_use = "the poller is left when the guard is dropped"]
pub struct EnterGuard {
    _leave: Leave,
    /// It belongs to its thread.
    _not_send: PhantomData<*mut ()>,
}

impl Poller {
    /// Makes this the current poller of the calling thread until the guard is dropped: sockets,
    /// pipes, pollables and sleeps that are made meanwhile are this one's, and
    /// [`block_on`](crate::block_on) polls it. [`in_scope`](Self::in_scope) does so for one call.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use netpoller::{Poller, net::TcpListener};
    /// let poller = Poller::builder().name("shard_1").build()?;
    /// let _entered = poller.enter();
    /// let listener = TcpListener::bind("127.0.0.1:0")?; // is the shard's, as will be all that it accepts
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Guards nest; the innermost that is left counts, in whichever order they are dropped. A
    /// `block_on` within is more inner still, and so is a guard within that.
    ///
    /// # In tokio
    ///
    /// It is a matter of the thread, like tokio's `Handle::enter`, and overrides the runtime's own
    /// poller. So a guard that is held around `Runtime::block_on` holds for all that runs on this
    /// thread, and for no other worker. It cannot be held across an `.await` of a task that is
    /// spawned; there, [`in_scope`](Self::in_scope) makes the future, which keeps to that poller:
    ///
    /// ```
    /// # async fn connect(poller: &netpoller::Poller, addr: std::net::SocketAddr) -> std::io::Result<()> {
    /// use netpoller::net::TcpStream;
    /// let stream = poller.in_scope(|| TcpStream::connect(addr)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn enter(&self) -> EnterGuard {
        EnterGuard {
            _leave: Leave::open(Some(self.clone()), ScopeKind::Entered),
            _not_send: PhantomData,
        }
    }

    /// Calls `f` with this as the current poller, as [`enter`](Self::enter) makes it, and leaves it
    /// again, also when `f` panics.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use netpoller::{Poller, net::TcpListener};
    /// let poller = Poller::builder().name("shard_2").build()?;
    /// let listener = poller.in_scope(|| TcpListener::bind("127.0.0.1:0"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A future that `f` returns keeps to this poller, wherever it is awaited:
    ///
    /// ```
    /// # async fn connect(poller: &netpoller::Poller, addr: std::net::SocketAddr) -> std::io::Result<()> {
    /// use netpoller::net::TcpStream;
    /// let stream = poller.in_scope(|| TcpStream::connect(addr)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// What an `async` block does is another matter: it is done when the block is polled, and then
    /// this is no longer the current poller.
    pub fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = self.enter();
        f()
    }
}

/// The scope of a `block_on`: its poller is the current one, and this thread polls.
#[derive(Debug)]
pub(super) struct BlockOn(Leave);

impl BlockOn {
    pub(super) fn new(poller: &Poller, refused: bool) -> Self {
        let poller = (!poller.shared.is_global()).then(|| poller.clone());
        Self(Leave::open(
            poller,
            ScopeKind::BlockOn {
                around: Runtime::current(),
                stamp: STAMP,
                hosted: Vec::new(),
                asked: Vec::new(),
                refused,
            },
        ))
    }

    fn with<R: Default>(&self, f: impl FnOnce(&mut Vec<u32>, &mut Vec<Guest>) -> R) -> R {
        let found = SCOPES.try_with(|scopes| {
            let mut scopes = scopes.borrow_mut();
            let ours = scopes.open.iter_mut().rfind(|s| s.ticket == self.0.0)?;
            match &mut ours.kind {
                ScopeKind::BlockOn { hosted, asked, .. } => Some(f(hosted, asked)),
                ScopeKind::Entered => None,
            }
        });
        found.ok().flatten().unwrap_or_default()
    }

    /// The pollers that have been asked for since the last call.
    pub(super) fn asked(&self) -> Vec<Guest> {
        self.with(|_, asked| std::mem::take(asked))
    }

    /// A guest is gone, and has to be asked for anew.
    pub(super) fn forget(&self, id: u32) {
        self.with(|hosted, _| hosted.retain(|hosted| *hosted != id));
        let _ = SCOPES.try_with(|scopes| {
            let mut scopes = scopes.borrow_mut();
            let renewed = STAMP | scopes.ticket();
            let ours = scopes.open.iter_mut().rfind(|s| s.ticket == self.0.0);
            if let Some(ScopeKind::BlockOn { stamp, .. }) = ours.map(|scope| &mut scope.kind) {
                *stamp = renewed;
            }
            scopes.publish();
        });
    }
}

/// Calls `f` with the innermost `block_on` of this thread, if what the thread does now is run its
/// future. A runtime that was started in there is more inner: then it is the runtime that sleeps,
/// not the `block_on`.
fn in_block_on<R>(f: impl FnOnce(&mut Scope) -> R) -> Option<R> {
    let found = SCOPES.try_with(|scopes| {
        let mut scopes = scopes.borrow_mut();
        let mut open = scopes.open.iter_mut();
        let scope = open.rfind(|scope| matches!(scope.kind, ScopeKind::BlockOn { .. }))?;
        match scope.kind {
            ScopeKind::BlockOn { around, .. } if around == Runtime::current() => Some(f(scope)),
            _ => None,
        }
    });
    found.ok().flatten()
}

/// Who polls for what waits on this thread now.
#[derive(Debug)]
pub(super) enum Here {
    /// The `block_on` that runs its future, by its stamp.
    BlockOn(u64),
    /// The runtime, which may have been started in a `block_on`.
    #[cfg(feature = "tokio")]
    Runtime(tokio::runtime::Handle),
}

/// [`Here::stamp`] of who polls here.
#[inline(always)]
pub(super) fn stamp() -> Option<u64> {
    #[cfg(feature = "tokio")]
    if matches!(POLLS.try_with(Cell::get), Ok(None)) {
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        return Some(super::tokio::stamp(&runtime));
    }
    Here::current().map(|here| here.stamp())
}

impl Here {
    /// `None` if nobody does whom we know.
    #[inline]
    pub(super) fn current() -> Option<Self> {
        #[cfg(feature = "tokio")]
        let runtime = tokio::runtime::Handle::try_current().ok();
        let current = Runtime(
            #[cfg(feature = "tokio")]
            runtime.as_ref().map(tokio::runtime::Handle::id),
        );
        match POLLS.try_with(Cell::get) {
            Ok(Some((stamp, around))) if around == current => Some(Self::BlockOn(stamp)),
            #[cfg(feature = "tokio")]
            _ => runtime.map(Self::Runtime),
            #[cfg(not(feature = "tokio"))]
            _ => None,
        }
    }

    /// A number that is another one as soon as anybody may have ceased to poll. Never 0.
    pub(super) fn stamp(&self) -> u64 {
        match self {
            Self::BlockOn(stamp) => *stamp,
            #[cfg(feature = "tokio")]
            Self::Runtime(runtime) => super::tokio::stamp(runtime),
        }
    }

    /// Sees to it that it polls `shared`.
    #[cold]
    pub(super) fn attend(&self, shared: &Arc<Shared>) -> io::Result<()> {
        match self {
            Self::BlockOn(_) => host(shared),
            #[cfg(feature = "tokio")]
            Self::Runtime(runtime) => super::tokio::attend(shared, runtime),
        }
    }
}

/// Whether whoever waits here polls: inside of a `block_on`.
#[cfg(feature = "tokio")]
pub(super) fn is_in_block_on() -> bool {
    in_block_on(|_| ()).is_some()
}

/// Sees to it that the `block_on` around, if there is one, polls `shared`.
///
/// A descriptor may belong to another poller than the one that the thread polls: to that of a
/// runtime which is gone, or which stands still while this thread waits in it. So the thread polls
/// that one as well, for as long as its `block_on` lasts.
fn host(shared: &Arc<Shared>) -> io::Result<()> {
    let hosted = in_block_on(|scope| {
        if matches!(scope.kind, ScopeKind::BlockOn { refused: true, .. }) {
            return Err(blocks_worker());
        }
        if scope.is(shared) {
            return Ok(());
        }
        let poller = scope.poller()?;
        let ScopeKind::BlockOn { hosted, asked, .. } = &mut scope.kind else {
            return Ok(());
        };
        if !hosted.contains(&shared.id) {
            asked.push(Guest::new(&poller, shared)?);
            hosted.push(shared.id);
        }
        Ok(())
    });
    hosted.unwrap_or(Ok(()))
}
