//! One diagnosis.

use netpoller_proto::v1::{DiagnoseRequest, DiagnoseResponse};
use std::time::Duration;
use tonic::Code;

use super::Connection;
use super::fetch::{lost, timely};
use super::gate::Refusal;
use crate::failure::Failure;

/// Asks the process what is wrong with it. The answer takes as long as the window, and then what
/// any answer may take.
pub(crate) async fn diagnose(
    connection: &Connection,
    request: DiagnoseRequest,
) -> Result<DiagnoseResponse, Failure> {
    let patient = Connection {
        timeout: connection
            .timeout
            .saturating_add(Duration::from_nanos(request.window_ns)),
        ..connection.clone()
    };
    let mut client = connection.client.clone();
    match timely(&patient, "the diagnosis", client.diagnose(request)).await? {
        Ok(answer) => Ok(answer),
        Err(refusal) => Err(refused(connection, &refusal).await),
    }
}

async fn refused(connection: &Connection, refusal: &Refusal) -> Failure {
    let (target, version) = (&connection.target, &connection.server.version);
    if refusal.source().is_some() || refusal.code() == Code::Unavailable {
        return lost(connection, refusal).await;
    }
    match refusal.code() {
        Code::Unimplemented => Failure::Incompatible(format!(
            "{target} (netpoller {version}) cannot diagnose itself; a later version of the library can"
        )),
        Code::InvalidArgument => Failure::Usage(format!("{target} refuses: {}", refusal.reason())),
        _ => Failure::Runtime(format!(
            "{target} does not diagnose itself: {}",
            refusal.reason()
        )),
    }
}
