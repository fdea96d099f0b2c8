//! The certificates of TLS connections, besides the platform's roots.

use std::fmt;
#[cfg(feature = "tls-no-provider")]
use std::{sync::Arc, time::Duration};

#[cfg(feature = "tls-no-provider")]
use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
#[cfg(feature = "tls-no-provider")]
use tokio::{net::TcpStream, sync::OnceCell};
#[cfg(feature = "tls-no-provider")]
use tokio_rustls::{TlsConnector, client::TlsStream};

#[cfg(feature = "tls-no-provider")]
use super::{
    step::{raise, step, text},
    tls,
};
#[cfg(feature = "tls-no-provider")]
use crate::{
    error::Error,
    fault::{Fault, FaultKind},
};

/// Certificates in PEM form, for all nodes of a client.
#[derive(Clone, Default)]
pub(crate) struct Certificates {
    #[cfg(feature = "tls-no-provider")]
    pub(crate) root: Option<Vec<u8>>,
    #[cfg(feature = "tls-no-provider")]
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
    /// Instead of the above.
    #[cfg(feature = "tls-no-provider")]
    pub(crate) own: Option<Arc<ClientConfig>>,
    /// Made from the above on the first connection, for all connections of a client.
    #[cfg(feature = "tls-no-provider")]
    config: Arc<OnceCell<Arc<ClientConfig>>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A private key is never shown.
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl Certificates {
    /// For a new client of a cloned builder: it must not share the configuration of another client.
    pub(crate) fn begin(&mut self) {
        let Self {
            #[cfg(feature = "tls-no-provider")]
            config,
            ..
        } = self;
        #[cfg(feature = "tls-no-provider")]
        {
            *config = Arc::default();
        }
    }
}

#[cfg(feature = "tls-no-provider")]
impl Certificates {
    /// Reports errors now that would otherwise be reported by the first connection.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.own.is_some() && (self.root.is_some() || self.client.is_some()) {
            return Err(Error::invalid_config(
                "tls_config is set beside root_certificate or client_certificate: put the certificates into the configuration",
            ));
        }
        let holds_certificates = |pem: &[u8]| {
            let mut certificates = CertificateDer::pem_slice_iter(pem).peekable();
            certificates.peek().is_some() && certificates.all(|certificate| certificate.is_ok())
        };
        let no_pem = |setting: &str, what: &str| {
            Error::invalid_config(format!(
                "{setting} holds no {what} in PEM form: pass the text of the file, which begins with `-----BEGIN`"
            ))
        };
        if let Some(root) = &self.root
            && !(holds_certificates(root) && self.roots().is_ok())
        {
            return Err(no_pem("root_certificate", "certificate"));
        }
        if let Some((certificate, key)) = &self.client {
            if !holds_certificates(certificate) {
                return Err(no_pem("client_certificate", "certificate"));
            }
            if PrivateKeyDer::from_pem_slice(key).is_err() {
                return Err(no_pem("client_certificate", "private key"));
            }
        }
        Ok(())
    }

    /// Encrypts a stream, to a server that proves to be `host`.
    pub(super) async fn secure(
        &self,
        host: &str,
        stream: TcpStream,
        limit: Duration,
    ) -> Result<TlsStream<TcpStream>, Fault> {
        let refused = |why: String| Fault::untouched(FaultKind::Unreachable, why);
        let config = self.config.get_or_try_init(|| async {
            if let Some(own) = &self.own {
                return Ok(Arc::clone(own));
            }
            let certificates = self.clone();
            // Reads the platform's roots from disk.
            let config = tokio::task::spawn_blocking(move || certificates.config()).await;
            match config.map_err(|error| refused(error.to_string()))? {
                Ok(config) => Ok(Arc::new(config)),
                Err(rustls::Error::General(why)) => Err(refused(format!("TLS: {why}"))),
                Err(error) => Err(refused(format!("TLS: {error}"))),
            }
        });
        let config = Arc::clone(config.await?);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| refused(format!("TLS: `{host}`: {error}")))?;
        let handshake = TlsConnector::from(config).connect(name, stream);
        // Two round trips before TLS 1.3.
        let limit = limit * 2;
        let late = || {
            format!(
                "TLS: no handshake {}; if it does not speak TLS there, write redis:// instead of rediss://",
                raise(limit)
            )
        };
        step(limit, late, async {
            handshake.await.map_err(|error| refused(not_agreed(&error)))
        })
        .await
    }

    fn config(&self) -> Result<ClientConfig, rustls::Error> {
        let config = ClientConfig::builder_with_provider(crypto_provider()?)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots()?);
        match &self.client {
            None => Ok(config.with_no_client_auth()),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(unreadable)?;
                config.with_client_auth_cert(chain, key)
            }
        }
    }

    /// The trusted authorities: the given one, or the platform's.
    fn roots(&self) -> Result<RootCertStore, rustls::Error> {
        let mut roots = RootCertStore::empty();
        match &self.root {
            Some(pem) => {
                for certificate in certificates(pem)? {
                    roots.add(certificate)?;
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                // Some entries of a platform's store cannot be used.
                roots.add_parsable_certificates(found.certs);
            }
        }
        Ok(roots)
    }
}

/// The provider that the program has installed, or ring.
#[cfg(feature = "tls-no-provider")]
fn crypto_provider() -> Result<Arc<CryptoProvider>, rustls::Error> {
    let installed = CryptoProvider::get_default().cloned();
    #[cfg(feature = "tls")]
    let installed = installed.or_else(|| Some(Arc::new(rustls::crypto::ring::default_provider())));
    installed.ok_or_else(|| {
        rustls::Error::General(
            "this program has no provider of cryptography: install one (`CryptoProvider::install_default` of rustls), pass a \
             `tls_config`, or build redlock with its feature `tls`, which includes ring"
                .to_owned(),
        )
    })
}

/// Why a handshake failed, and whether the server may not speak TLS at all.
#[cfg(feature = "tls-no-provider")]
fn not_agreed(error: &std::io::Error) -> String {
    match tls::both_speak_tls(error) {
        true => text(error),
        false => format!(
            "TLS: {error} (if it does not speak TLS there, write redis:// instead of rediss://)"
        ),
    }
}

#[cfg(feature = "tls-no-provider")]
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, rustls::Error> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(unreadable)
}

#[cfg(feature = "tls-no-provider")]
fn unreadable(error: impl fmt::Display) -> rustls::Error {
    rustls::Error::General(error.to_string())
}

#[cfg(all(test, feature = "tls-no-provider", not(feature = "tls")))]
mod tests {
    use super::*;

    #[test]
    fn without_a_provider_the_error_says_what_to_do() {
        let Err(rustls::Error::General(why)) = crypto_provider() else {
            panic!("no provider is installed, and none is part of the build");
        };
        assert!(
            why.contains("install_default") && why.contains("feature `tls`"),
            "{why}"
        );
    }
}
