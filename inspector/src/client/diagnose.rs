//! One diagnosis.

use netpoller_proto::v1::{DiagnoseRequest, DiagnoseResponse};
use std::time::Duration;
use tonic::{Code, Status};

use super::Connection;
use super::refusal::describe;
use crate::failure::Failure;

/// Asks the process what is wrong with it. The answer takes as long as the window, and then what any answer may take.
pub(crate) async fn diagnose(
    connection: &Connection,
    request: DiagnoseRequest,
) -> Result<DiagnoseResponse, Failure> {
    let after = connection.timeout + Duration::from_nanos(request.window_ns);
    let mut client = connection.client.clone();
    match tokio::time::timeout(after, client.diagnose(request)).await {
        Err(_) => Err(Failure::Timeout {
            target: connection.target.to_string(),
            what: "Diagnose",
            after,
        }),
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(refused(connection, &status)),
    }
}

fn refused(connection: &Connection, status: &Status) -> Failure {
    let (target, version) = (&connection.target, &connection.server.version);
    match status.code() {
        Code::Unimplemented => Failure::Incompatible(format!(
            "{target} (netpoller {version}) cannot diagnose itself; a later version of the library can"
        )),
        Code::InvalidArgument => Failure::Usage(format!("{target} refuses: {}", describe(status))),
        Code::Unavailable => Failure::Connect {
            target: target.to_string(),
            reason: describe(status),
            advice: "the connection was lost while it was used; has the process ended?".into(),
        },
        _ => Failure::Runtime(format!("Diagnose of {target}: {}", describe(status))),
    }
}
