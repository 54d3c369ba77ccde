//! A program whose futures wait where its comments say.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::stdin;
use std::mem::ManuallyDrop;
use std::pin::{Pin, pin};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};

use tokio::runtime::task::raw;
use tokio::time::{Sleep, Timeout};

struct Scheduler;

struct Never(u32);

impl Future for Never {
    type Output = u32;

    #[inline(never)]
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
        if std::hint::black_box(self.0) == 0 {
            return Poll::Ready(0);
        }
        Poll::Pending
    }
}

async fn leaf(number: u32) -> u32 {
    let text = String::from("kept over a wait");
    let number = Never(number)
        .await; // leaf
    number + text.len() as u32
}

async fn second(number: u32) -> u32 {
    let first = leaf(0).await;
    let text = number.to_string();
    first + leaf(number).await + text.len() as u32 // second
}

mod inner {
    pub struct Client(pub u32);

    impl Client {
        pub async fn ask<T: ToString>(&self, what: T) -> String {
            super::leaf(self.0).await; // ask
            what.to_string()
        }
    }
}

async fn boxed(number: u32) -> u32 {
    let any: Pin<Box<dyn Future<Output = u32> + Send>> = Box::pin(second(number));
    any.await // boxed
}

async fn boxed_leaf(number: u32) -> u32 {
    let any: Pin<Box<dyn Future<Output = u32>>> = Box::pin(Never(number));
    any.await // boxed_leaf
}

async fn pinned(number: u32) -> u32 {
    let mut inner = pin!(leaf(number));
    let first = (&mut inner).await; // pinned
    first + 1
}

async fn thin(number: u32) -> u32 {
    Box::pin(leaf(number)).await // thin
}

struct Traced<F> {
    inner: ManuallyDrop<F>,
    span: Option<Box<str>>,
}

impl<F: Future> Future for Traced<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        std::hint::black_box(&self.span);
        // SAFETY: what is pinned does not move out of what holds it.
        let inner = unsafe { self.map_unchecked_mut(|it| &mut *it.inner) };
        inner.poll(context)
    }
}

async fn wrapped(number: u32) -> u32 {
    let delay = Sleep(7);
    let inner = ManuallyDrop::new(leaf(number));
    let value = Traced { inner, span: Some("span".into()) };
    Timeout { value, delay }.await // wrapped
}

enum Either<A, B> {
    Left(A),
    Right(B),
}

impl<A: Future, B: Future<Output = A::Output>> Future for Either<A, B> {
    type Output = A::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<A::Output> {
        // SAFETY: what is pinned does not move out of what holds it.
        unsafe {
            match self.get_unchecked_mut() {
                Either::Left(it) => Pin::new_unchecked(it).poll(context),
                Either::Right(it) => Pin::new_unchecked(it).poll(context),
            }
        }
    }
}

async fn either(is_left: bool) -> u32 {
    let number = std::hint::black_box(3);
    let either = match is_left {
        true => Either::Left(leaf(number)),
        false => Either::Right(second(number)),
    };
    either.await // either
}

struct Perhaps<F>(Option<F>);

impl<F: Future> Future for Perhaps<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: what is pinned does not move out of what holds it.
        match unsafe { &mut self.get_unchecked_mut().0 } {
            // SAFETY: what is pinned does not move out of what holds it.
            Some(it) => unsafe { Pin::new_unchecked(it) }.poll(context),
            None => Poll::Pending,
        }
    }
}

async fn perhaps(is_some: bool) -> u32 {
    Perhaps(is_some.then(|| leaf(std::hint::black_box(1)))).await // perhaps
}

struct Both<A, B> {
    a: A,
    b: B,
}

impl<A: Future, B: Future> Future for Both<A, B> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // SAFETY: what is pinned does not move out of what holds it.
        let both = unsafe { self.get_unchecked_mut() };
        // SAFETY: what is pinned does not move out of what holds it.
        let _ = unsafe { Pin::new_unchecked(&mut both.a) }.poll(context);
        // SAFETY: what is pinned does not move out of what holds it.
        let _ = unsafe { Pin::new_unchecked(&mut both.b) }.poll(context);
        Poll::Pending
    }
}

async fn both() {
    let (a, b) = (leaf(1), second(1));
    Both { a, b }.await // both
}

async fn one_looks_like_none() {
    let (a, b) = (leaf(1), Sleep(1));
    Both { a, b }.await // one_looks_like_none
}

async fn selected() -> u32 {
    let mut futures = (leaf(1), Sleep(1));
    poll_fn(|context| {
        // SAFETY: what is pinned does not move out of what holds it.
        let _ = unsafe { Pin::new_unchecked(&mut futures.1) }.poll(context);
        // SAFETY: what is pinned does not move out of what holds it.
        unsafe { Pin::new_unchecked(&mut futures.0) }.poll(context)
    })
    .await // selected
}

async fn both_of_which_one_is_over() {
    let (a, b) = (leaf(0), second(1));
    Both { a, b }.await // over_beside
}

/// Several, each of which holds several.
async fn nested() {
    let (a, b) = (pin!(selected()), Sleep(1));
    let b = Both { a, b };
    let a = Sleep(1);
    Both { a, b }.await // nested
}

/// One that a library has boxed, and another one that has not begun.
async fn boxed_beside() {
    let a: Pin<Box<dyn Future<Output = u32> + Send>> = Box::pin(boxed(1));
    let (delay, future) = (Sleep(1), leaf(1));
    Both { a, b: Later { delay, future } }.await // boxed_beside
}

/// Has a place in a list of those that wait for `of`.
struct Listed {
    of: &'static u64,
    place: [u64; 5],
}

thread_local! {
    /// The last place at which somebody waits, and what for.
    static LAST: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

impl Future for Listed {
    type Output = u32;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
        let (place, of) = (&raw const self.place, &raw const *self.of);
        LAST.set((place.addr() + 8, of.addr()));
        Poll::Pending
    }
}

async fn listed() -> u32 {
    static OF: u64 = 7;
    let (of, place) = (std::hint::black_box(&OF), [0; 5]);
    Listed { of, place }.await // listed
}

/// Of two of the program's own, the one that has the place.
async fn listed_beside() {
    let (a, b) = (second(1), listed());
    Both { a, b }.await // listed_beside
}

/// One that is in a box, and in what holds several.
async fn listed_in_a_box() -> u32 {
    let any: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(listed_beside());
    any.await; // listed_in_a_box
    leaf(1).await
}

fn show_place(name: &str) {
    let (place, of) = LAST.get();
    println!("{name} 0x0 {place:#x} {of:#x} 0");
}

#[inline(never)]
fn block_on<F: Future>(name: &str, future: F, block: impl FnOnce()) {
    let future = pin!(future);
    let is_ready = future.poll(&mut Context::from_waker(Waker::noop())).is_ready();
    println!("# {is_ready}");
    show_place(name);
    block();
}

/// One that is found, and one that a closure has in what may be something else.
async fn hidden_beside() {
    let mut hidden = pin!(second(1));
    let b = match std::hint::black_box(true) {
        true => Either::Left(poll_fn(|context| hidden.as_mut().poll(context))),
        false => Either::Right(Never(1)),
    };
    Both { a: leaf(1), b }.await // hidden_beside
}

/// What it holds is not begun.
struct Later<F> {
    delay: Sleep,
    future: F,
}

impl<F: Future> Future for Later<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: what is pinned does not move out of what holds it.
        let later = unsafe { self.get_unchecked_mut() };
        match Pin::new(&mut later.delay).poll(context) {
            // SAFETY: what is pinned does not move out of what holds it.
            Poll::Ready(()) => unsafe { Pin::new_unchecked(&mut later.future) }.poll(context),
            Poll::Pending => Poll::Pending,
        }
    }
}

async fn later() -> u32 {
    let (delay, future) = (Sleep(1), leaf(1));
    Later { delay, future }.await // later
}

fn deep(levels: u32) -> Pin<Box<dyn Future<Output = u32>>> {
    Box::pin(async move {
        match levels {
            0 => leaf(1).await, // deepest
            _ => deep(levels - 1).await, // deep
        }
    })
}

fn show<F: Future>(name: &str, future: &Pin<Box<F>>) {
    let poll = raw::poll::<F, Scheduler> as *const ();
    let address = std::ptr::from_ref::<F>(future).cast::<u8>();
    let (size, alignment) = (size_of::<F>(), align_of::<F>());
    println!("{name} {poll:p} {address:p} {size} {alignment}");
}

fn task<F: Future + 'static>(name: &str, future: F) {
    let future = Box::leak(Box::new(Box::pin(future)));
    // SAFETY: what is pinned does not move out of what holds it.
    let address = unsafe { future.as_mut().get_unchecked_mut() } as *mut F;
    // SAFETY: it is called with the future that it was made for, which stays where it is.
    unsafe { raw::poll::<F, Scheduler>(address.cast()) };
    show(name, future);
}

fn main() {
    task("leaf", leaf(1));
    task("second", second(1));
    task("boxed", boxed(1));
    task("boxed_leaf", boxed_leaf(1));
    task("pinned", pinned(1));
    task("thin", thin(1));
    task("wrapped", wrapped(1));
    task("left", either(true));
    task("right", either(false));
    task("some", perhaps(true));
    task("none", perhaps(false));
    task("both", both());
    task("one_looks_like_none", one_looks_like_none());
    task("selected", selected());
    task("later", later());
    task("over_beside", both_of_which_one_is_over());
    task("nested", nested());
    task("boxed_beside", boxed_beside());
    task("deep", deep(3));
    task("deeper", deep(200));
    let client: &'static inner::Client = Box::leak(Box::new(inner::Client(4)));
    task("ask", client.ask(7_u8));
    task("block", async move { // begun
        client.ask("what").await // block
    });
    task("over", leaf(0));
    task("timeout", Timeout { value: leaf(1), delay: Sleep(1) });
    task("hidden_beside", hidden_beside());
    task("listed_beside", listed_beside());
    show_place("place_of_listed_beside");
    let begun = Arc::new(Barrier::new(2));
    let thread = Arc::clone(&begun);
    std::thread::spawn(move || {
        block_on("place_in_a_box", listed_in_a_box(), || {
            thread.wait();
            std::thread::park();
        });
    });
    begun.wait();
    let unresumed = Box::leak(Box::new(Box::pin(second(9))));
    show("unresumed", unresumed);
    block_on("place_on_the_stack", listed_beside(), || {
        println!("ready {:p} 0 0 0", main as *const ());
        let _ = stdin().read_line(&mut String::new());
    });
}
