//! An authority with its certificates and tokens, and clients that show them.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion, crypto, version,
};
use tonic::Status;

use super::*;

pub(super) const TOKEN: &str = "f00dcafe0123456789abcdef01234567";
pub(super) const OTHER_TOKEN: &str = "8d1f0b6c2e93a74550c7f6e41b28d9a3";

/// An authority, and files with what it has certified.
pub(super) struct Authority {
    pub(super) directory: tempfile::TempDir,
    issuer: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let issuer = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
        let authority = Self {
            directory: tempfile::tempdir().unwrap(),
            issuer,
        };
        std::fs::write(authority.file("ca.crt"), authority.issuer.pem()).unwrap();
        authority.certify("server", &["localhost", "127.0.0.1"]);
        authority.certify("client", &["an inspector"]);
        authority
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn certify(&self, name: &str, names: &[&str]) {
        self.certify_with(name, names, |_| {});
    }

    /// With what `change` says of the certificate.
    pub(super) fn certify_with(
        &self,
        name: &str,
        names: &[&str],
        change: impl FnOnce(&mut rcgen::CertificateParams),
    ) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap_or_default();
        change(&mut params);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file(&format!("{name}.crt")), certificate.pem()).unwrap();
        self.secret(&format!("{name}.key"), &key.serialize_pem());
    }

    /// A file with mode 0600.
    pub(super) fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
        path
    }

    pub(super) fn tls(&self) -> Tls {
        Tls::from_pem(self.file("server.crt"), self.file("server.key")).unwrap()
    }

    pub(super) fn token(&self) -> PathBuf {
        self.secret("token", &format!("{TOKEN}\n"))
    }

    /// A client that trusts this authority, and shows the certificate that `identity` has made for
    /// it.
    pub(super) fn client(&self, identity: Option<&Authority>) -> TlsConnector {
        let identity = identity.map(|authority| (authority, "client"));
        self.client_of(identity, &[&version::TLS12, &version::TLS13])
    }

    /// One that shows a certificate of this name, in these versions. It resumes what it can.
    pub(super) fn client_of(
        &self,
        identity: Option<(&Authority, &str)>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.file("ca.crt")).unwrap())
            .unwrap();
        let provider = Arc::new(crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((authority, name)) => builder
                .with_client_auth_cert(
                    vec![
                        CertificateDer::from_pem_file(authority.file(&format!("{name}.crt")))
                            .unwrap(),
                    ],
                    PrivateKeyDer::from_pem_file(authority.file(&format!("{name}.key"))).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsConnector::from(Arc::new(config))
    }
}

/// The port of a target on loopback.
pub(super) fn loopback(target: &str) -> SocketAddr {
    let address: SocketAddr = target.strip_prefix("tcp:").unwrap().parse().unwrap();
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}

pub(super) async fn plain(target: &str) -> Channel {
    let uri = format!("http://{}", loopback(target));
    Endpoint::from_shared(uri).unwrap().connect().await.unwrap()
}

pub(super) async fn over_tls(
    target: &str,
    tls: TlsConnector,
) -> Result<Channel, tonic::transport::Error> {
    let address = loopback(target);
    let connector = tower::service_fn(move |_: Uri| {
        let tls = tls.clone();
        async move {
            let stream = tokio::net::TcpStream::connect(address).await?;
            let name = ServerName::try_from("localhost").unwrap();
            tls.connect(name, stream)
                .await
                .map(hyper_util::rt::TokioIo::new)
        }
    });
    Endpoint::from_static("https://localhost")
        .connect_with_connector(connector)
        .await
}

/// Whether whoever shows `token` is answered.
pub(super) async fn ask_with(channel: Channel, token: Option<&str>) -> Result<(), Status> {
    let mut request = tonic::Request::new(v1::GetServerRequest {});
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let answer = InspectorClient::new(channel).get_server(request).await?;
    assert_eq!(answer.into_inner().pid, std::process::id());
    Ok(())
}

pub(super) fn any_tcp() -> Listen {
    "tcp:0.0.0.0:0".parse().unwrap()
}

pub(super) fn loopback_tcp() -> Listen {
    "tcp:127.0.0.1:0".parse().unwrap()
}
