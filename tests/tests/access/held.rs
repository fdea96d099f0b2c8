//! What an application already has: a client or connection info of the `redis` crate, a configuration of rustls.

use std::{sync::Arc, time::Duration};

use redis::{Client, ConnectionAddr, IntoConnectionInfo as _};
use redlock::{NodeAddress, Redlock};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tests::Cluster;

use crate::{
    authority::Authority,
    support::{one_each, user},
};

async fn works(redlock: &Redlock) {
    let guard = redlock.lock("k").await.expect("free");
    assert!(redlock.try_lock("k").await.expect("an answer").is_none());
    guard.release().await.expect("released");
}

#[tokio::test]
async fn clients_and_connection_infos_of_the_redis_crate() {
    let cluster = Cluster::start(3).await;
    user(&cluster, "locker", &[">s3cret"]).await;
    let url = |index: usize| format!("redis://locker:s3cret@{}/3", cluster.node(index).address());
    let client = Client::open(url(0)).expect("a client");
    let info = url(1).into_connection_info().expect("an info");
    let nodes: Vec<NodeAddress> = vec![(&client).into(), info.into(), url(2).into()];
    let shown = format!("{nodes:?}");
    assert!(
        shown.contains(&format!("{}/3", cluster.node(1).address())),
        "{shown}"
    );
    for secret in ["locker", "s3cret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let redlock = Redlock::builder()
        .nodes(nodes)
        .node_timeout(Duration::from_secs(2));
    let redlock = redlock.connect().await.expect("three nodes");
    assert!(one_each(&cluster, "locker").await.is_some());
    let guard = redlock.lock("k").await.expect("free");
    for node in cluster.nodes() {
        let mut connection = Client::open(url(node.index())).expect("a client");
        let key: Option<String> =
            tokio::task::spawn_blocking(move || redis::cmd("GET").arg("k").query(&mut connection))
                .await
                .expect("no panic")
                .expect("an answer");
        assert!(key.is_some(), "the lock is in database 3");
    }
    guard.release().await.expect("released");
}

/// The same server twice, as an address and as a client.
#[tokio::test]
async fn the_same_server_is_recognised() {
    let cluster = Cluster::start(1).await;
    let url = cluster.node(0).url();
    let client = Client::open(url.as_str()).expect("a client");
    let nodes = [NodeAddress::from(url), NodeAddress::from(client)];
    let error = Redlock::connect_lazy(nodes).expect_err("one server");
    assert!(error.to_string().contains("listed twice"), "{error}");
}

#[tokio::test]
async fn settings_that_cannot_be_taken_over_are_refused() {
    let address = |insecure| ConnectionAddr::TcpTls {
        host: "locks.example".to_owned(),
        port: 6379,
        insecure,
        tls_params: None,
    };
    let insecure = address(true).into_connection_info().expect("an info");
    let error = Redlock::connect_lazy([insecure]).expect_err("no look at the certificate");
    assert!(error.is_invalid(), "{error}");
    assert!(error.to_string().contains("Builder::tls_config"), "{error}");
    let secure = address(false).into_connection_info().expect("an info");
    Redlock::connect_lazy([secure]).expect("the platform's roots");
}

fn roots(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.pem.as_bytes()) {
        roots
            .add(certificate.expect("a certificate"))
            .expect("a root");
    }
    roots
}

/// With authorities, a client certificate, and cryptography that the test chooses.
#[tokio::test]
async fn a_configuration_of_rustls() {
    let authority = Authority::new("ours");
    let (servers, _dir) = authority.certify(Cluster::builder(3), "yes");
    if let Some(refusal) = servers.lacks().await {
        println!("not run, since the server says: {refusal}");
        return;
    }
    let cluster = servers.start().await;
    let client = authority.sign(&["client"]);
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256];
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("version 1.3")
        .with_root_certificates(roots(&authority));
    let chain = vec![CertificateDer::from_pem_slice(client.pem.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(client.key.as_bytes()).expect("a key");
    let with_client = config.clone().with_client_auth_cert(chain, key);
    let with_client = with_client.expect("a pair");

    let nodes = cluster.nodes().iter();
    let nodes = nodes.map(|node| format!("rediss://127.0.0.1:{}", node.port_for("--tls-port")));
    let builder = Redlock::builder()
        .nodes(nodes)
        .node_timeout(Duration::from_secs(2));
    let redlock = builder
        .clone()
        .tls_config(with_client.clone())
        .connect()
        .await;
    works(&redlock.expect("three nodes")).await;

    // The servers ask for a certificate, and this configuration has none.
    let without = builder.clone().tls_config(config.with_no_client_auth());
    without.connect().await.expect_err("no client certificate");

    let both = builder
        .tls_config(with_client)
        .root_certificate(authority.pem.as_str());
    let error = both.connect_lazy().expect_err("two settings");
    assert!(error.is_invalid(), "{error}");
    assert!(error.to_string().contains("tls_config"), "{error}");
}
