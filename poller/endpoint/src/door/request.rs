//! What a request must look like before anybody reads it.
//!
//! Loopback is no boundary for a browser: a page from anywhere can send requests to 127.0.0.1, and
//! by DNS rebinding even read the answers. Browsers do not speak HTTP/2 without TLS today, and
//! gRPC's content type costs them a preflight that is never granted. Neither is a promise that
//! anybody has made to us; therefore these checks.

use netpoller_host::name_us;
use tonic::codegen::http::{HeaderMap, Method, Request, StatusCode, header};

/// Why a request is turned away.
pub(super) type Refusal = (StatusCode, &'static str);

/// Refuses what no gRPC client sends. `hosts` are the names by which the endpoint may be called
/// beside numbers and localhost; `None` if names do not matter here.
pub(super) fn check<T>(request: &Request<T>, hosts: Option<&[String]>) -> Result<(), Refusal> {
    if *request.method() != Method::POST {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "gRPC requests are POST\n"));
    }
    if is_of_a_page(request.headers()) {
        return Err((
            StatusCode::FORBIDDEN,
            "requests from web pages are refused\n",
        ));
    }
    if let Some(hosts) = hosts
        && !names_us(request, hosts)
    {
        return Err((
            StatusCode::FORBIDDEN,
            "the endpoint is not known by that name; call it by its address, or see allow_host\n",
        ));
    }
    if !is_grpc(request.headers()) {
        return Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "this is a gRPC endpoint: content-type application/grpc\n",
        ));
    }
    Ok(())
}

/// Every browser says so, one way or the other, and no other client does.
fn is_of_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// `application/grpc`, alone or with a codec or parameters; not `application/grpc-web`.
fn is_grpc(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return false;
    };
    match value.as_bytes().split_at_checked(b"application/grpc".len()) {
        Some((start, rest)) => {
            start.eq_ignore_ascii_case(b"application/grpc")
                && matches!(rest.first(), None | Some(b'+' | b';'))
        }
        None => false,
    }
}

/// Both names that a request can carry are ours: a page whose name was made to resolve to our
/// address calls us by it.
fn names_us<T>(request: &Request<T>, hosts: &[String]) -> bool {
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let named = request
        .headers()
        .get_all(header::HOST)
        .iter()
        .map(|host| host.to_str().unwrap_or_default())
        .chain(authority);
    name_us(named, hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request")
    }

    const URI: &str = "http://127.0.0.1:1/netpoller.v1.Inspector/GetServer";
    const GRPC: (&str, &str) = ("content-type", "application/grpc");

    #[track_caller]
    fn assert_refused(method: &str, uri: &str, headers: &[(&str, &str)], status: u16) {
        let refused = check(&parts(method, uri, headers), Some(&[])).expect_err("refused");
        assert_eq!(refused.0.as_u16(), status, "{}", refused.1);
    }

    #[test]
    fn what_grpc_clients_send_passes() {
        for content_type in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;x=y",
            "Application/GRPC",
        ] {
            let headers = [("content-type", content_type), ("te", "trailers")];
            check(&parts("POST", URI, &headers), Some(&[])).expect(content_type);
        }
    }

    #[test]
    fn only_post_with_the_content_type_of_grpc_is_read() {
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "CONNECT"] {
            assert_refused(method, "http://127.0.0.1:1", &[GRPC], 405);
        }
        assert_refused("POST", URI, &[], 415);
        for content_type in [
            "text/plain",
            "application/json",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc-web-text",
            "application/grpcx",
            "application/grp",
        ] {
            assert_refused("POST", URI, &[("content-type", content_type)], 415);
        }
        assert_refused("POST", URI, &[GRPC, ("content-type", "text/plain")], 415);
    }

    #[test]
    fn what_a_browser_sends_is_refused_whatever_else_it_says() {
        for origin in ["http://evil.example", "http://127.0.0.1:1", "null"] {
            assert_refused("POST", URI, &[GRPC, ("origin", origin)], 403);
        }
        for site in ["cross-site", "same-site", "same-origin", "none"] {
            assert_refused("POST", URI, &[GRPC, ("sec-fetch-site", site)], 403);
        }
    }

    #[test]
    fn a_name_that_was_made_to_resolve_to_us_is_refused_unless_it_was_allowed() {
        let of = |authority: &str| format!("http://{authority}/netpoller.v1.Inspector/GetServer");
        for ours in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1",
            "127.0.0.1:4242",
            "[::1]:1",
            "192.0.2.1:1",
        ] {
            check(&parts("POST", &of(ours), &[GRPC]), Some(&[])).expect(ours);
        }
        for foreign in [
            "evil.example",
            "evil.example:4242",
            "localhost.evil.example",
            "127.0.0.1.evil.example:1",
            "localhost@evil.example",
            "evil@localhost",
        ] {
            assert_refused("POST", &of(foreign), &[GRPC], 403);
        }
        // The authority is ours, and the header is not.
        assert_refused("POST", URI, &[GRPC, ("host", "evil.example")], 403);
        assert_refused("POST", "/netpoller.v1.Inspector/GetServer", &[GRPC], 403);
        let allowed = ["node7.example".to_owned()];
        let request = parts("POST", &of("node7.example:1"), &[GRPC]);
        check(&request, Some(&allowed)).expect("allowed by name");
        check(&parts("POST", &of("any"), &[GRPC]), None).expect("names do not matter");
    }
}
