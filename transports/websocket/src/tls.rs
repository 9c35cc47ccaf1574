//! TLS to a room: whom to trust.
//! Not the choice of ciphers, which is rustls' own.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{net::TcpStream, task::spawn_blocking};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// Whose signature under a certificate counts.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// Of those whom the operating system trusts.
    System,
    /// Of those in this file, PEM.
    File(PathBuf),
}

impl Trust {
    /// Reads the certificates.
    pub(crate) fn config(&self) -> io::Result<ClientConfig> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(self.roots()?);
        Ok(config.with_no_client_auth())
    }

    fn roots(&self) -> io::Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        match self {
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
            }
            Self::File(path) => {
                let shown = |error| failure(path, error);
                for certificate in CertificateDer::pem_file_iter(path).map_err(shown)? {
                    let certificate = certificate.map_err(shown)?;
                    roots.add(certificate).map_err(|error| failure(path, error))?;
                }
            }
        }
        if roots.is_empty() {
            return Err(io::Error::other("there is no certificate authority to trust"));
        }
        Ok(roots)
    }
}

fn failure(path: &Path, why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {why}", path.display()))
}

/// Makes a TLS connection to the host of this `HOST:PORT`.
pub(crate) async fn shake_hands(
    trust: &Trust,
    address: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let trust = trust.clone();
    let config = spawn_blocking(move || trust.config()).await.map_err(io::Error::other)??;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}
