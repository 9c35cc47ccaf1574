//! TLS to a server: whom to trust, and who we are.
//! Not the choice of ciphers, which is rustls' own.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::spawn_blocking,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

/// Whom a TLS connection trusts, and who it says we are.
///
/// By default that is whom the operating system trusts, and nobody in particular. Files hold PEM,
/// and are read again for every connection, so that certificates can be renewed.
///
/// ```
/// let tls = stringphone_transport::tls::Tls::new()
///     .ca_file("/etc/stringphone/ca.pem")
///     .identity("/etc/stringphone/gateway.pem", "/etc/stringphone/gateway.key");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    ca_file: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// Trusts whom the operating system trusts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the certificates in this file, and no others.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Shows this chain of certificates, our own first, and proves it with this key.
    #[must_use]
    pub fn identity(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((chain.into(), key.into()));
        self
    }

    /// Makes a TLS connection of this stream to this host, which is a name or an address without
    /// brackets.
    ///
    /// # Errors
    /// As [`config`](Self::config); what the other side shows is signed by nobody whom we trust, or
    /// for another host; or the stream failed.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tls = self.clone();
        // Given up, it ends by itself: there is nothing in it but files to read.
        let config = spawn_blocking(move || tls.config()).await.map_err(io::Error::other)??;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Reads the files, which also shows whether they are there and hold what they should.
    ///
    /// # Errors
    /// What is wrong with which file, or that there is nobody to trust.
    pub fn config(&self) -> io::Result<ClientConfig> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(self.roots()?);
        let Some((chain, key)) = &self.identity else {
            return Ok(config.with_no_client_auth());
        };
        let shown = |error| failure(key, error);
        let key = PrivateKeyDer::from_pem_file(key).map_err(shown)?;
        config.with_client_auth_cert(certificates(chain)?, key).map_err(io::Error::other)
    }

    fn roots(&self) -> io::Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        match &self.ca_file {
            Some(path) => {
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| failure(path, error))?;
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
            }
        }
        if roots.is_empty() {
            return Err(io::Error::other("there is no certificate authority to trust"));
        }
        Ok(roots)
    }
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let shown = |error| failure(path, error);
    let certificates = CertificateDer::pem_file_iter(path).map_err(shown)?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(shown)?;
    match certificates.is_empty() {
        true => Err(failure(path, "there is no certificate in it")),
        false => Ok(certificates),
    }
}

fn failure(path: &Path, why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {why}", path.display()))
}
