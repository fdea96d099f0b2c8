//! What TLS connections are checked against, besides the platform's roots.

use std::fmt;

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
    /// For the client library.
    pub(super) fn to_redis(&self) -> redis::TlsCertificates {
        redis::TlsCertificates {
            root_cert: self.root.clone(),
            client_tls: self
                .client
                .clone()
                .map(|(client_cert, client_key)| redis::ClientTlsConfig {
                    client_cert,
                    client_key,
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
