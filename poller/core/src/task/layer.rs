//! Measuring each request of a tower service.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tower_layer::Layer;
use tower_service::Service;

use super::{Measured, Spent, measured};

/// A layer that measures each request of a service, as [`measured`] does, and reports where its
/// time went: from the call until its response is there. The time until the service is ready, and
/// that of a body that is streamed afterwards, are not in it.
///
/// `report` is called with each response, or error, by the task that has waited for it. It is not
/// called for a request whose future is dropped before.
///
/// ```
/// # use std::convert::Infallible;
/// # use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use netpoller::task::{MeasuredLayer, Spent};
///
/// # netpoller::block_on(async {
/// let log = |response: &Result<String, Infallible>, spent: Spent| {
///     println!("{response:?}: {spent}");
/// };
/// let service = ServiceBuilder::new()
///     .layer(MeasuredLayer::new(log))
///     .service(service_fn(|name: &'static str| async move { Ok(format!("hello {name}")) }));
/// assert_eq!(service.oneshot("world").await.unwrap(), "hello world");
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MeasuredLayer<R> {
    report: R,
}

impl<R> MeasuredLayer<R> {
    /// Makes one that calls `report`, of which each request has a clone.
    pub fn new(report: R) -> Self {
        Self { report }
    }
}

impl<S, R: Clone> Layer<S> for MeasuredLayer<R> {
    type Service = MeasuredService<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        MeasuredService {
            inner,
            report: self.report.clone(),
        }
    }
}

/// The service of [`MeasuredLayer`].
#[derive(Clone, Copy, Debug)]
pub struct MeasuredService<S, R> {
    inner: S,
    report: R,
}

impl<S, R, Request> Service<Request> for MeasuredService<S, R>
where
    S: Service<Request>,
    R: Fn(&Result<S::Response, S::Error>, Spent) + Clone + Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = MeasuredResponse<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        MeasuredResponse {
            response: measured(self.inner.call(request)),
            report: self.report.clone(),
        }
    }
}

/// The future of [`MeasuredService`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct MeasuredResponse<F, R> {
    response: Measured<F>,
    report: R,
}

impl<T, E, F, R> Future for MeasuredResponse<F, R>
where
    F: Future<Output = Result<T, E>>,
    R: Fn(&Result<T, E>, Spent) + Unpin,
{
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (response, spent) = ready!(Pin::new(&mut self.response).poll(cx));
        (self.report)(&response, spent);
        Poll::Ready(response)
    }
}
