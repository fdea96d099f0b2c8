//! A certificate authority that only the test trusts, and servers with its certificates.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;
use tests::cluster::Builder;

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate with its key, both in PEM form.
pub(crate) struct Certificate {
    pub(crate) pem: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    pub(crate) fn sign(&self, names: &[&str]) -> Certificate {
        self.sign_for(names, [1975, 4096])
    }

    /// A certificate that is valid from the first day of a year to that of another.
    pub(crate) fn sign_for(&self, names: &[&str], years: [i32; 2]) -> Certificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        [params.not_before, params.not_after] = years.map(|year| date_time_ymd(year, 1, 1));
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("a key");
        let pem = params.signed_by(&key, &self.issuer).expect("signed").pem();
        Certificate {
            pem,
            key: key.serialize_pem(),
        }
    }

    /// The servers speak TLS on a port for `--tls-port`, with a certificate for 127.0.0.1. The folder has to outlive
    /// them.
    pub(crate) fn certify(&self, servers: Builder, ask_clients: &str) -> (Builder, TempDir) {
        self.certify_with(&self.sign(&["127.0.0.1"]), servers, ask_clients)
    }

    /// The same with this certificate.
    pub(crate) fn certify_with(
        &self,
        server: &Certificate,
        servers: Builder,
        ask_clients: &str,
    ) -> (Builder, TempDir) {
        let dir = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("a file");
            path
        };
        let directive = |name: &str, path: &Path| [name.into(), path.as_os_str().to_owned()];
        let servers = servers
            .port_for("--tls-port")
            .arg(directive(
                "--tls-cert-file",
                &file("server.pem", &server.pem),
            ))
            .arg(directive(
                "--tls-key-file",
                &file("server.key", &server.key),
            ))
            .arg(directive("--tls-ca-cert-file", &file("ca.pem", &self.pem)))
            .arg(["--tls-auth-clients", ask_clients]);
        (servers, dir)
    }
}
