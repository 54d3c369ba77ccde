//! What tools that know nothing of netpoller ask for: `grpc.health.v1` and the two versions of gRPC
//! reflection.

use std::pin::pin;
use std::task::{Context, Waker};

use netpoller_proto::v1::inspector_server::InspectorServer;
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_reflection::server::{Builder, v1, v1alpha};

use crate::limits::MAX_REQUEST;
use crate::service::Service;

const INSPECTOR: &str = <InspectorServer<Service> as NamedService>::NAME;
const HEALTH: &str = "grpc.health.v1.Health";

/// Says that the endpoint serves, which is all that it can know: it answers when the service is
/// stuck.
pub(super) fn health_service() -> HealthServer<impl Health> {
    let (reporter, server) = tonic_health::server::health_reporter();
    // Nobody else has the reporter's lock yet, so this is done when it was polled once.
    let _ = pin!(reporter.set_service_status(INSPECTOR, ServingStatus::Serving))
        .poll(&mut Context::from_waker(Waker::noop()));
    server.max_decoding_message_size(MAX_REQUEST)
}

/// Reflection, version 1. `None` if the checked-in descriptors cannot be read, which a test rules
/// out.
pub(super) fn reflection_service() -> Option<v1::ServerReflectionServer<impl v1::ServerReflection>>
{
    let service = described()
        .with_service_name("grpc.reflection.v1.ServerReflection")
        .build_v1()
        .ok()?;
    Some(service.max_decoding_message_size(MAX_REQUEST))
}

/// The version that older tools ask for.
pub(super) fn reflection_alpha_service()
-> Option<v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>> {
    let name = "grpc.reflection.v1alpha.ServerReflection";
    let service = described().with_service_name(name).build_v1alpha().ok()?;
    Some(service.max_decoding_message_size(MAX_REQUEST))
}

/// Names the services of the endpoint. `Control` is described in the same file, but it is not
/// served here.
fn described() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(netpoller_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name(INSPECTOR)
        .with_service_name(HEALTH)
}
