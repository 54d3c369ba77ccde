//! TLS for the listeners that other machines can reach: rustls, versions 1.2 and 1.3, on the
//! cryptography of ring.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::secret;
use crate::error::StartError;

/// The certificate of the endpoint and its key. They are read once: a new certificate needs a new
/// start.
///
/// `Debug` shows the paths and nothing of the key.
pub struct Tls {
    certificate: PathBuf,
    key_path: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Tls {
    /// Reads a chain of certificates, the endpoint's own first, and its key, both in PEM. The key
    /// must belong to this user or to root, be closed to others, and be writable by its owner
    /// alone; a group may read it.
    ///
    /// # Errors
    ///
    /// [`StartError::Secret`] if others can read the key, [`StartError::Tls`] if a file does not
    /// hold what it should.
    pub fn from_pem(
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, StartError> {
        let (certificate, key_path) = (certificate.into(), key.into());
        let chain = certificates(&certificate)?;
        let bytes = secret::read(&key_path, secret::SHARED_WITH_GROUP)?;
        let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
            tls(
                &key_path,
                format!("it holds no private key in PEM: {error}"),
            )
        })?;
        Ok(Self {
            certificate,
            key_path,
            chain,
            key,
        })
    }

    /// What shakes hands, asking for a certificate of the authorities in `client_ca` if there is
    /// one.
    pub(crate) fn acceptor(&self, client_ca: Option<&Path>) -> Result<TlsAcceptor, StartError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| tls(&self.certificate, error.to_string()))?;
        let builder = match client_ca {
            Some(path) => builder.with_client_cert_verifier(verifier(path, provider)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| {
                tls(
                    &self.certificate,
                    format!(
                        "it does not fit the key {}: {error}",
                        self.key_path.display()
                    ),
                )
            })?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        // A handshake that resumes an earlier one does not look at the client's certificate again:
        // what has expired since would be let in for as long as the service runs.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.certificate)
            .field("key", &self.key_path)
            .finish_non_exhaustive()
    }
}

fn verifier(
    path: &Path,
    provider: Arc<tokio_rustls::rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, StartError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| tls(path, error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| tls(path, error.to_string()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let bytes = std::fs::read(path).map_err(StartError::io(format!("read {}", path.display())))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| tls(path, format!("it is no PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(tls(path, "it holds no certificate in PEM".to_owned()));
    }
    Ok(certificates)
}

fn tls(path: &Path, reason: String) -> StartError {
    StartError::Tls {
        path: path.to_owned(),
        reason,
    }
}
