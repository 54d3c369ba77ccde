//! tokio's tests/io_driver.rs and io_driver_drop.rs: tasks that are dropped by the very wake that
//! is for them.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use netpoller::net::TcpListener;
use netpoller_tests::{Lane, loopback, new_poller, tcp_pair};

use super::support::poll_now;

/// A task whose waker owns it, and drops it when it is called.
struct Task(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl Task {
    fn start(future: impl Future<Output = ()> + Send + 'static) -> Arc<Self> {
        let task = Arc::new(Self(Mutex::new(Some(Box::pin(future)))));
        let waker = Waker::from(task.clone());
        let mut future = task.0.lock().unwrap();
        let mut cx = Context::from_waker(&waker);
        assert!(future.as_mut().unwrap().as_mut().poll(&mut cx).is_pending());
        drop(future);
        task
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let future = self.0.lock().unwrap().take();
        drop(future);
    }
}

/// tokio tests/io_driver.rs test_drop_on_notify: the wake drops the task, the task its listener,
/// and that deregisters, in the middle of the poll that the wake comes from. Nothing is locked
/// meanwhile, so nothing hangs.
#[test]
fn drop_on_notify() {
    Lane::start(|| {
        let poller = new_poller();
        let listener = poller.in_scope(|| TcpListener::bind(loopback())).unwrap();
        let address = listener.local_addr().unwrap();
        let task = Task::start(async move {
            loop {
                let _ = listener.accept().await;
            }
        });
        assert_eq!(poller.waiters(), 1);
        let _client = std::net::TcpStream::connect(address).unwrap();
        assert_eq!(poll_now(&poller), 1);
        assert!(task.0.lock().unwrap().is_none(), "it was dropped");
        assert_eq!(poller.waiters(), 0);
        assert!(poller.rows().is_empty());
    })
    .join();
}

/// tokio tests/io_driver.rs test_drop_on_notify, by a close and by a deadline, whose wakes come
/// from other places.
#[test]
fn drop_on_notify_by_close_and_by_deadline() {
    Lane::start(|| {
        let poller = new_poller();
        for close in [true, false] {
            let (a, b) = tcp_pair(&poller);
            let (a, keep) = (Arc::new(a), Arc::new(b));
            let task = Task::start({
                let (a, keep) = (a.clone(), keep.clone());
                async move {
                    let _ = a.read(&mut [0; 1]).await;
                    drop(keep);
                }
            });
            if close {
                a.close().unwrap();
            } else {
                a.set_read_deadline(netpoller_tests::past()).unwrap();
            }
            assert!(task.0.lock().unwrap().is_none(), "it was dropped");
            assert_eq!(Arc::strong_count(&keep), 1);
            assert_eq!(poller.waiters(), 0);
        }
    })
    .join();
}

/// tokio tests/io_driver_drop.rs shutdown_drops_waker_holding_registration (tokio#3481): a waker
/// that keeps its own descriptor alive is let go of with the wait, so the circle is broken.
#[test]
fn a_wait_that_is_dropped_lets_go_of_a_waker_that_holds_its_descriptor() {
    let poller = new_poller();
    let (a, _b) = tcp_pair(&poller);
    let a = Arc::new(a);
    let task = Task::start({
        let a = a.clone();
        async move { drop(a.read(&mut [0; 1]).await) }
    });
    // The slot holds the waker, the waker the task, and the task the descriptor.
    assert!(Arc::strong_count(&task) > 1);
    assert_eq!(Arc::strong_count(&a), 2);
    let future = task.0.lock().unwrap().take();
    drop(future);
    assert_eq!(Arc::strong_count(&task), 1);
    assert_eq!(Arc::strong_count(&a), 1);
    assert_eq!(poller.waiters(), 0);
}
