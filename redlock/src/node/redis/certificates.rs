//! What TLS connections are checked against, besides the platform's roots.

use std::fmt;

#[cfg(feature = "tls")]
use crate::error::Error;

/// Certificates in PEM form, for all nodes of a client.
#[derive(Clone, Default)]
pub(crate) struct Certificates {
    #[cfg(feature = "tls")]
    pub(crate) root: Option<Vec<u8>>,
    #[cfg(feature = "tls")]
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A private key is never shown.
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

#[cfg(feature = "tls")]
impl Certificates {
    /// Tells now what could otherwise only be told when a node is first connected to.
    pub(crate) fn check(&self) -> Result<(), Error> {
        use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

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
            && !(holds_certificates(root) && self.is_understood())
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

    /// Whether the client library can read the root certificate.
    fn is_understood(&self) -> bool {
        let root_only = Self {
            root: self.root.clone(),
            client: None,
        };
        redis::Client::build_with_tls("rediss://localhost", root_only.to_redis()).is_ok()
    }

    /// For the client library.
    pub(super) fn to_redis(&self) -> redis::TlsCertificates {
        redis::TlsCertificates {
            root_cert: self.root.clone(),
            client_tls: self.client.clone().map(|(client_cert, client_key)| {
                redis::ClientTlsConfig {
                    client_cert,
                    client_key,
                }
            }),
        }
    }
}

/// Sees to it that rustls has a provider of cryptography: where the application has chosen none, ring.
#[cfg(feature = "tls")]
pub(super) fn provide_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
