//! `rediss://`: private authorities, client certificates, and mismatches.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use redlock::{Builder, FaultKind, Redlock};
use redlock_tower::replay::{Begun, RedisStore, ReplayStore as _};
use rustls::{
    ClientConfig,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use rustls_platform_verifier::Verifier;
use tempfile::TempDir;
use tests::{Cluster, Node, eventually};

use crate::authority::{Authority, Certificate};
use crate::support::{
    BOUND, KEY, LONG, PATIENT, assert_blames, blamed, contention, cycle, lacks, patient,
};

/// Servers that speak TLS beside their plain port.
async fn servers(n: usize, authority: &Authority, ask_clients: &str) -> Option<(Cluster, TempDir)> {
    let (servers, dir) = authority.certify(Cluster::builder(n), ask_clients);
    if lacks(&servers).await {
        return None;
    }
    Some((servers.start().await, dir))
}

fn url(node: &Node) -> String {
    format!("rediss://127.0.0.1:{}", node.port_for("--tls-port"))
}

fn over_tls(cluster: &Cluster) -> Builder {
    patient(cluster.nodes().iter().map(url))
}

#[tokio::test]
async fn a_private_authority() {
    let authority = Authority::new("ours");
    let Some((cluster, _dir)) = servers(3, &authority, "no").await else {
        return;
    };
    let builder = over_tls(&cluster).root_certificate(authority.pem.as_str());
    let one = builder.clone().connect().await.expect("three nodes");
    let other = builder.connect().await.expect("three nodes");
    cycle(&one, &other, KEY).await;
    contention(&[one.clone(), other], "contended").await;

    // A connection that was closed is replaced, still over TLS.
    cluster.node(0).restart_empty().await;
    eventually(BOUND, async || one.health().await[0].latency.is_some()).await;
}

/// An application's own configuration, with the verifier of the operating system.
#[tokio::test]
async fn the_platform_verifier() {
    let authority = Authority::new("ours");
    let Some((cluster, _dir)) = servers(3, &authority, "no").await else {
        return;
    };
    let verified_by = |roots: Vec<CertificateDer<'static>>| {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider));
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier.expect("a platform's roots")))
            .with_no_client_auth()
    };
    let ours = CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("a certificate");
    let known = || over_tls(&cluster).tls_config(verified_by(vec![ours.clone()]));
    let one = known().connect().await.expect("three nodes");
    let other = known().connect().await.expect("three nodes");
    cycle(&one, &other, KEY).await;

    let unknown = over_tls(&cluster).tls_config(verified_by(Vec::new()));
    let error = unknown.connect().await.expect_err("no trust");
    for node in cluster.nodes() {
        let name = format!("127.0.0.1:{}", node.port_for("--tls-port"));
        assert_blames(&error, &name, FaultKind::Unreachable, &["certificate"]);
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let Some((cluster, _dir)) = servers(3, &theirs, "no").await else {
        return;
    };
    let with_ours = over_tls(&cluster).root_certificate(ours.pem.as_str());
    // Without an authority of our own, the platform's authorities are used, which do not know it either.
    for builder in [with_ours, over_tls(&cluster)] {
        let error = builder.connect().await.expect_err("no trust");
        for node in cluster.nodes() {
            let name = format!("127.0.0.1:{}", node.port_for("--tls-port"));
            let remedy = "pass the authority's certificate as `root_certificate`";
            assert_blames(
                &error,
                &name,
                FaultKind::Unreachable,
                &["UnknownIssuer", remedy],
            );
        }
    }
}

#[tokio::test]
async fn a_server_with_another_name() {
    let authority = Authority::new("ours");
    let Some((cluster, _dir)) = servers(1, &authority, "no").await else {
        return;
    };
    let port = cluster.node(0).port_for("--tls-port");
    let error = Redlock::builder()
        .node(format!("rediss://localhost:{port}"))
        .node_timeout(PATIENT)
        .root_certificate(authority.pem.as_str())
        .connect()
        .await
        .expect_err("a certificate for 127.0.0.1");
    let name = format!("localhost:{port}");
    assert_blames(
        &error,
        &name,
        FaultKind::Unreachable,
        &[
            "certificate",
            "localhost",
            "write the node's address with a name that its certificate has",
        ],
    );
}

#[tokio::test]
async fn servers_that_require_a_client_certificate() {
    let authority = Authority::new("ours");
    let Some((cluster, _dir)) = servers(3, &authority, "yes").await else {
        return;
    };
    let builder = over_tls(&cluster).root_certificate(authority.pem.as_str());
    let error = builder.clone().connect().await.expect_err("no certificate");
    for node in cluster.nodes() {
        let said = blamed(&error, &node.port_for("--tls-port").to_string());
        assert_eq!(said.kind(), FaultKind::Unreachable, "{error}");
        assert!(said.cause().contains("`client_certificate`"), "{error}");
    }

    let stranger = Authority::new("theirs").sign(&["client"]);
    let error = builder
        .clone()
        .client_certificate(stranger.pem, stranger.key)
        .connect()
        .await
        .expect_err("a stranger's certificate");
    for node in cluster.nodes() {
        let said = blamed(&error, &node.port_for("--tls-port").to_string());
        let remedy = "an authority that the server knows";
        assert!(said.cause().contains(remedy), "{error}");
    }

    let client = authority.sign(&["client"]);
    let builder = builder.client_certificate(client.pem, client.key);
    let one = builder.clone().connect().await.expect("three nodes");
    let other = builder.connect().await.expect("three nodes");
    cycle(&one, &other, KEY).await;
}

/// The error names the node, the cause, and what to do.
#[tokio::test]
async fn certificates_that_are_not_valid_now() {
    let authority = Authority::new("ours");
    for (years, cause, remedy) in [
        (
            [1975, 2001],
            "expired",
            "renew the server's certificate, or correct the clock",
        ),
        (
            [3000, 4000],
            "not valid yet",
            "correct the clock of this machine",
        ),
    ] {
        let certificate = authority.sign_for(&["127.0.0.1"], years);
        let (servers, _dir) = authority.certify_with(&certificate, Cluster::builder(1), "no");
        if lacks(&servers).await {
            return;
        }
        let cluster = servers.start().await;
        let builder = over_tls(&cluster).root_certificate(authority.pem.as_str());
        let error = builder.connect().await.expect_err("not valid now");
        let name = format!("127.0.0.1:{}", cluster.node(0).port_for("--tls-port"));
        assert_blames(&error, &name, FaultKind::Unreachable, &[cause, remedy]);
    }
}

/// A certificate that signs itself, as both the server's and the authority's.
#[tokio::test]
async fn an_authority_as_a_server() {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = Certificate {
        pem: params.self_signed(&key).expect("a certificate").pem(),
        key: key.serialize_pem(),
    };
    let authority = Authority::new("ours");
    let (servers, _dir) = authority.certify_with(&certificate, Cluster::builder(1), "no");
    if lacks(&servers).await {
        return;
    }
    let cluster = servers.start().await;
    let builder = over_tls(&cluster).root_certificate(certificate.pem.as_str());
    let error = builder.connect().await.expect_err("an authority");
    let name = format!("127.0.0.1:{}", cluster.node(0).port_for("--tls-port"));
    let remedy = "a certificate of its own";
    assert_blames(&error, &name, FaultKind::Unreachable, &[remedy]);
}

/// Reported when the client is built, not when a node is first used.
#[tokio::test]
async fn texts_that_are_not_certificates() {
    let node = "rediss://127.0.0.1:1";
    let good = Authority::new("ours").sign(&["client"]);
    let bad = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";
    let builder = || Redlock::builder().node(node);
    let attempts = [
        (
            builder().root_certificate("no PEM at all"),
            "root_certificate",
        ),
        (builder().root_certificate(bad), "root_certificate"),
        (
            builder().client_certificate("", good.key.as_str()),
            "client_certificate",
        ),
        (
            builder().client_certificate(good.pem.as_str(), "no key"),
            "client_certificate",
        ),
    ];
    for (builder, setting) in attempts {
        let error = builder.connect_lazy().expect_err("no certificate");
        assert!(error.is_invalid(), "{error}");
        assert!(error.to_string().contains(setting), "{error}");
    }
}

/// A TLS client and a plain server, and the other way round: an error within a short time, never a hang.
#[tokio::test]
async fn the_wrong_scheme() {
    let authority = Authority::new("ours");
    let Some((cluster, _dir)) = servers(1, &authority, "no").await else {
        return;
    };
    let node = cluster.node(0);
    for address in [
        format!("rediss://127.0.0.1:{}", node.port()),
        format!("redis://127.0.0.1:{}", node.port_for("--tls-port")),
    ] {
        let error = Redlock::builder()
            .node(address.as_str())
            .root_certificate(authority.pem.as_str())
            .connect()
            .await
            .expect_err("the other protocol");
        let (_, name) = address.split_once("//").expect("a scheme");
        let kind = blamed(&error, name).kind();
        assert!(
            [FaultKind::Unreachable, FaultKind::TimedOut].contains(&kind),
            "{error}"
        );
    }
}

/// TLS and plain connections to the same servers hold the same locks.
#[tokio::test]
async fn beside_plain_connections() {
    let authority = Authority::new("ours");
    let Some((cluster, _dir)) = servers(3, &authority, "no").await else {
        return;
    };
    let plain = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let builder = over_tls(&cluster).root_certificate(authority.pem.as_str());
    let tls = builder.connect().await.expect("three nodes");
    let guard = tls.lock(KEY).ttl(LONG).await.expect("free");
    assert!(plain.try_lock(KEY).await.expect("an answer").is_none());
    drop(guard);
    let _ = plain.lock(KEY).ttl(LONG).await.expect("free again");
}

/// The replay store of the layer: over TLS, or with an error that says why not.
#[tokio::test]
async fn f50_a_store_of_records() {
    let authority = Authority::new("ours");
    let Some((cluster, _dir)) = servers(1, &authority, "no").await else {
        return;
    };
    let url = url(cluster.node(0));
    let certificates = redis::TlsCertificates {
        client_tls: None,
        root_cert: Some(authority.pem.clone().into_bytes()),
    };
    let client = redis::Client::build_with_tls(url.as_str(), certificates).expect("a client");
    let (trusting, strange) = (
        RedisStore::from(client),
        RedisStore::new(&url).expect("an address"),
    );
    let nodes = redlock::memory::Nodes::new(1).nodes();
    let locks = Redlock::connect(nodes).await.expect("a node");
    let token = locks.lock(KEY).await.expect("free").token();
    for _ in 0..2 {
        let begun = trusting
            .begin("replay:1", token, LONG)
            .await
            .expect("trusted");
        assert_eq!(begun, Begun::Fresh);
        let error = strange
            .begin("replay:1", token, LONG)
            .await
            .expect_err("no trust");
        assert!(error.to_string().contains("certificate"), "{error}");
        // A connection that was closed is replaced, still over TLS.
        cluster.node(0).restart_empty().await;
    }
}
