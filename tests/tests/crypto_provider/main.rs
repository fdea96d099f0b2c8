//! The crypto provider that the process has installed is the one of TLS connections. A program of its own, since there is one for
//! a process.

#[path = "../connections/authority.rs"]
mod authority;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use authority::Authority;
use redlock::Redlock;
use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom, ring};
use tests::Cluster;

static DRAWN: AtomicUsize = AtomicUsize::new(0);

/// The random numbers of ring, counted.
#[derive(Debug)]
struct Counted;

impl SecureRandom for Counted {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        DRAWN.fetch_add(1, SeqCst);
        ring::default_provider().secure_random.fill(buffer)
    }
}

#[tokio::test]
async fn the_installed_provider_is_used() {
    let provider = CryptoProvider {
        secure_random: &Counted,
        ..ring::default_provider()
    };
    provider.install_default().expect("it is the first one");

    let authority = Authority::new("ours");
    let (servers, _folder) = authority.certify(Cluster::builder(1), "no");
    if servers.lacks().await.is_some() {
        return; // a server without TLS
    }
    let cluster = servers.start().await;
    let address = format!(
        "rediss://127.0.0.1:{}",
        cluster.node(0).port_for("--tls-port")
    );
    let builder = Redlock::builder().node(address);
    let redlock = builder.root_certificate(authority.pem.as_str()).connect();
    let redlock = redlock.await.expect("one node");
    let guard = redlock.lock("order:7").await.expect("free");
    guard.release().await.expect("released");
    assert!(DRAWN.load(SeqCst) > 0, "another provider was used");
}
