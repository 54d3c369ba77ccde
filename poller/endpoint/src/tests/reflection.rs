//! Tools that know nothing of netpoller.

use std::collections::BTreeSet;

use prost::Message;
use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use tonic_reflection::pb::{v1, v1alpha};

use crate::fixture::{Fixture, channel, run};

#[test]
fn a_health_check_says_that_the_endpoint_serves() {
    let fixture = Fixture::new();
    run(async {
        let mut client = HealthClient::new(channel(fixture.socket()).await.unwrap());
        for service in ["", "netpoller.v1.Inspector"] {
            let request = HealthCheckRequest {
                service: service.into(),
            };
            let answer = client.check(request).await.unwrap().into_inner();
            assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
        }
        let request = HealthCheckRequest {
            service: "netpoller.v1.Control".into(),
        };
        assert_eq!(
            client.check(request).await.unwrap_err().code(),
            tonic::Code::NotFound
        );
    });
}

async fn ask(
    channel: Channel,
    request: v1::server_reflection_request::MessageRequest,
) -> v1::ServerReflectionResponse {
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(request),
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    let mut stream = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    stream.next().await.unwrap().unwrap()
}

#[test]
fn reflection_lists_what_is_served_and_resolves_it() {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;

    let fixture = Fixture::new();
    run(async {
        let channel = channel(fixture.socket()).await.unwrap();
        let answer = ask(channel.clone(), MessageRequest::ListServices(String::new())).await;
        let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
            panic!("{answer:?}")
        };
        let names: BTreeSet<_> = services
            .service
            .into_iter()
            .map(|service| service.name)
            .collect();
        for name in [
            "netpoller.v1.Inspector",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
        ] {
            assert!(names.contains(name), "{names:?}");
        }
        assert!(
            !names.contains("netpoller.v1.Control"),
            "it is not served here"
        );

        let symbol = MessageRequest::FileContainingSymbol("netpoller.v1.Inspector".into());
        let answer = ask(channel, symbol).await;
        let Some(MessageResponse::FileDescriptorResponse(files)) = answer.message_response else {
            panic!("{answer:?}")
        };
        let file =
            prost_types::FileDescriptorProto::decode(&*files.file_descriptor_proto[0]).unwrap();
        let inspector = file
            .service
            .iter()
            .find(|service| service.name() == "Inspector")
            .unwrap();
        let methods: Vec<_> = inspector
            .method
            .iter()
            .map(|method| method.name())
            .collect();
        assert!(
            methods.contains(&"GetDescriptor") && methods.contains(&"WatchTransitions"),
            "{methods:?}"
        );
        assert!(file.source_code_info.is_some(), "with its comments");
    });
}

#[test]
fn older_tools_are_answered_too() {
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;

    let fixture = Fixture::new();
    run(async {
        let channel = channel(fixture.socket()).await.unwrap();
        let request = v1alpha::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
        let mut stream = client
            .server_reflection_info(tokio_stream::once(request))
            .await
            .unwrap()
            .into_inner();
        let answer = stream.next().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
            panic!("{answer:?}")
        };
        assert!(
            services
                .service
                .iter()
                .any(|service| service.name == "netpoller.v1.Inspector")
        );
    });
}
