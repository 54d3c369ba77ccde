//! The answer to a scrape: that of our own server, and of a route in a server of the program's.

use std::io::{self, Write};
use std::sync::atomic::Ordering;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};

use super::format::takes_gzip;
use super::negotiate::encode_for;
use super::process::SCRAPE_ERRORS;

/// Answers a scrape, in the format and the compression that the request asks for: all that a route
/// of one's own needs. Who may ask is up to the server that has the route.
///
/// In axum:
///
/// ```ignore
/// let app = app.route("/metrics", get(|request: Request| async move { respond(&request) }));
/// ```
///
/// In hyper:
///
/// ```
/// use std::convert::Infallible;
///
/// use hyper::body::Incoming;
/// use hyper::{Request, service::service_fn};
/// use netpoller::prometheus::respond;
///
/// let service =
///     service_fn(|request: Request<Incoming>| async move { Ok::<_, Infallible>(respond(&request)) });
/// # let _ = service;
/// ```
pub fn respond<B>(request: &Request<B>) -> Response<Full<Bytes>> {
    let of = |name| header_of(request.headers(), name);
    let accept = of(header::ACCEPT);
    match std::panic::catch_unwind(|| encode_for(&accept)) {
        Ok((content_type, text)) => {
            let zipped = takes_gzip(&of(header::ACCEPT_ENCODING)).then(|| zip(&text));
            let is_zipped = matches!(zipped, Some(Ok(_)));
            let body = match zipped {
                Some(Ok(zipped)) => zipped.into(),
                _ => text.into(),
            };
            let mut response = answer(StatusCode::OK, content_type, body);
            let headers = response.headers_mut();
            let vary = HeaderValue::from_static("accept, accept-encoding");
            headers.insert(header::VARY, vary);
            if is_zipped {
                let encoding = HeaderValue::from_static("gzip");
                headers.insert(header::CONTENT_ENCODING, encoding);
            }
            response
        }
        Err(_) => {
            SCRAPE_ERRORS.fetch_add(1, Ordering::Relaxed);
            refuse(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the tables could not be read: a bug\n",
            )
        }
    }
}

/// All that the headers of a name list, in one line.
fn header_of(headers: &HeaderMap, name: HeaderName) -> String {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values.filter_map(|it| it.to_str().ok()).collect();
    values.join(",")
}

/// Compresses a body, in the least time.
fn zip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

pub(super) fn refuse(status: StatusCode, reason: &str) -> Response<Full<Bytes>> {
    answer(
        status,
        "text/plain; charset=utf-8",
        reason.to_owned().into(),
    )
}

fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: Full<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
