//! What is shown to an endpoint that asks who calls, and what it has to show.
//!
//! Files are read when a connection is made, so that one that is made again, after hours, finds the
//! token and the certificates of that time.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::failure::Failure;

/// How to reach an endpoint over TCP that is secured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Remote access (TCP targets)")]
pub(crate) struct Access {
    /// File with the token that the endpoint asks for.
    #[arg(long, global = true, env = "NETPOLLER_TOKEN_FILE", value_name = "PATH")]
    pub(crate) token_file: Option<PathBuf>,
    /// Authority that has certified the endpoint (PEM); https:// needs it.
    #[arg(long, global = true, env = "NETPOLLER_TLS_CA", value_name = "PATH")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Certificate to show to the endpoint (PEM).
    #[arg(long, global = true, env = "NETPOLLER_TLS_CERT", value_name = "PATH")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Key of that certificate (PEM).
    #[arg(long, global = true, env = "NETPOLLER_TLS_KEY", value_name = "PATH")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Name in the endpoint's certificate, if it is not that of the target.
    #[arg(long, global = true, env = "NETPOLLER_TLS_NAME", value_name = "NAME")]
    pub(crate) tls_name: Option<String>,
    /// The endpoint acts, and has a token of its own: `--control-token-file` names it.
    #[arg(skip)]
    pub(crate) acts: bool,
}

impl Access {
    /// The same, with what it does not say from another.
    pub(crate) fn or(self, other: &Self) -> Self {
        let or = |own: Option<PathBuf>, other: &Option<PathBuf>| own.or_else(|| other.clone());
        Self {
            token_file: or(self.token_file, &other.token_file),
            tls_ca: or(self.tls_ca, &other.tls_ca),
            tls_cert: or(self.tls_cert, &other.tls_cert),
            tls_key: or(self.tls_key, &other.tls_key),
            tls_name: self.tls_name.or_else(|| other.tls_name.clone()),
            acts: self.acts,
        }
    }

    /// What every request shows.
    pub(in crate::source) fn credentials(&self) -> Result<Credentials, Failure> {
        let Some(path) = &self.token_file else {
            return Ok(Credentials(None));
        };
        let token = secret(path, 0o077)?;
        let value = std::str::from_utf8(token.trim_ascii())
            .ok()
            .filter(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()))
            .and_then(|token| format!("Bearer {token}").parse().ok());
        let mut value: MetadataValue<Ascii> = value.ok_or_else(|| {
            unusable(
                path,
                "it holds no token: one word of ASCII characters, as the endpoint has it",
            )
        })?;
        // Not for logs, and not for the table of headers that HTTP/2 remembers.
        value.set_sensitive(true);
        Ok(Credentials(Some(value)))
    }

    /// What shakes hands with an https:// target.
    pub(super) fn tls(&self) -> Result<TlsConnector, Failure> {
        let Some(ca) = &self.tls_ca else {
            return Err(Failure::Usage(
                "https:// needs --tls-ca PATH: the certificate of the authority that has certified the endpoint, or the \
                 endpoint's own if it has certified itself"
                    .into(),
            ));
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca)? {
            roots
                .add(certificate)
                .map_err(|error| unusable(ca, &error.to_string()))?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::Runtime(format!("TLS: {error}")))?
            .with_root_certificates(roots);
        let mut config = match (&self.tls_cert, &self.tls_key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let bytes = secret(key, 0o037)?;
                let parsed = PrivateKeyDer::from_pem_slice(&bytes)
                    .map_err(|error| unusable(key, &format!("no private key in PEM: {error}")))?;
                builder
                    .with_client_auth_cert(certificates(certificate)?, parsed)
                    .map_err(|error| {
                        let reason = format!("it does not fit {}: {error}", key.display());
                        unusable(certificate, &reason)
                    })?
            }
            _ => {
                return Err(Failure::Usage(
                    "--tls-cert and --tls-key belong together: say both, or neither".into(),
                ));
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

fn unusable(path: &Path, reason: &str) -> Failure {
    Failure::Usage(format!("{} cannot be used: {reason}", path.display()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let bytes = std::fs::read(path).map_err(|error| unusable(path, &error.to_string()))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(path, &format!("no PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(unusable(path, "it holds no certificate in PEM"));
    }
    Ok(certificates)
}

/// The bytes of a file that others cannot read. The file that was opened is looked at, not the
/// path.
fn secret(path: &Path, forbidden: u32) -> Result<Vec<u8>, Failure> {
    /// O_NONBLOCK: a pipe without a writer would keep us for ever.
    const NONBLOCK: i32 = 0o4000;
    let failed = |error: std::io::Error| unusable(path, &error.to_string());
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(NONBLOCK)
        .open(path)
        .map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(unusable(path, "it is no regular file"));
    }
    let mode = metadata.mode() & 0o777;
    if mode & forbidden != 0 {
        return Err(unusable(
            path,
            &format!(
                "it holds a secret and is open to other users (mode {mode:03o}); chmod 600 {}",
                path.display()
            ),
        ));
    }
    let mut bytes = Vec::new();
    file.take(1 << 20).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Adds the token to requests.
#[derive(Clone)]
pub(crate) struct Credentials(Option<MetadataValue<Ascii>>);

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() {
            "Credentials(token)"
        } else {
            "Credentials(none)"
        })
    }
}

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}
