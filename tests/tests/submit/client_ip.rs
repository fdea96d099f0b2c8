//! The client's address behind proxies.

use std::net::SocketAddr;

use http::Request;
use redlock_tower::{RedlockLayer, key};
use tests::web::redlock;

async fn client(trusted: &[&str], peer: &str, headers: &[&str]) -> Result<Option<String>, String> {
    let mut request = Request::post("/");
    for header in headers {
        request = request.header("x-forwarded-for", *header);
    }
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    head.extensions.insert(peer.parse::<SocketAddr>().unwrap());
    let layer = RedlockLayer::new(redlock().await, key::client_ip(trusted)).namespace("n");
    let key = layer
        .key_of(&head)
        .await
        .map_err(|error| error.message().to_owned())?;
    Ok(key.map(|key| key.strip_prefix("n:client=").unwrap().replace("%3A", ":")))
}

#[tokio::test]
async fn the_last_address_that_is_not_a_trusted_proxy_is_the_client() {
    let trusted = &["10.0.0.0/8", "192.168.1.7", "fd00::/8"];
    for (peer, headers, expected) in [
        // The connection does not come from a proxy, so the client wrote the header.
        ("1.2.3.4:5", &["9.9.9.9"][..], "1.2.3.4"),
        ("1.2.3.4:5", &[], "1.2.3.4"),
        ("10.1.2.3:5", &["9.9.9.9"], "9.9.9.9"),
        ("[::ffff:10.1.2.3]:5", &["9.9.9.9"], "9.9.9.9"),
        ("192.168.1.7:5", &["9.9.9.9"], "9.9.9.9"),
        ("192.168.1.8:5", &["9.9.9.9"], "192.168.1.8"),
        ("11.1.2.3:5", &["9.9.9.9"], "11.1.2.3"),
        ("[fd00::1]:5", &["2001:db8::1"], "2001:db8::1"),
        ("10.1.2.3:5", &["8.8.8.8, 9.9.9.9"], "9.9.9.9"),
        ("10.1.2.3:5", &["8.8.8.8", "9.9.9.9 , 10.0.0.1"], "9.9.9.9"),
        ("10.1.2.3:5", &["8.8.8.8", "10.0.0.1"], "8.8.8.8"),
        // Entries before that of the client are ignored.
        ("10.1.2.3:5", &["nonsense,9.9.9.9"], "9.9.9.9"),
        ("10.1.2.3:5", &["9.9.9.9:4711"], "9.9.9.9"),
        ("10.1.2.3:5", &["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.1.2.3:5", &["[2001:db8::1]"], "2001:db8::1"),
        ("10.1.2.3:5", &["::ffff:9.9.9.9"], "9.9.9.9"),
        ("10.1.2.3:5", &[], "10.1.2.3"),
        ("10.1.2.3:5", &["10.0.0.1"], "10.0.0.1"),
    ] {
        let found = client(trusted, peer, headers).await;
        assert_eq!(found, Ok(Some(expected.to_owned())), "{peer} {headers:?}");
    }
    for malformed in ["unknown", "", "9.9.9.9,", "9.9.9.9, 10.0.0.300"] {
        let found = client(trusted, "10.1.2.3:5", &[malformed]).await;
        let expected = "the header `x-forwarded-for` contains a malformed address";
        assert_eq!(found, Err(expected.to_owned()), "{malformed}");
    }
}

#[tokio::test]
async fn a_trusted_network_may_be_ipv4_written_as_ipv6() {
    for trusted in [
        "::ffff:10.0.0.0/104",
        "::ffff:10.1.2.3",
        "::ffff:0.0.0.0/96",
    ] {
        let found = client(&[trusted], "10.1.2.3:5", &["9.9.9.9"]).await;
        assert_eq!(found, Ok(Some("9.9.9.9".to_owned())), "{trusted}");
    }
    let found = client(&["::ffff:10.0.0.0/104"], "11.1.2.3:5", &["9.9.9.9"]).await;
    assert_eq!(found, Ok(Some("11.1.2.3".to_owned())));
    // As in "10.0.0.0/8": taken as IPv6 it would be most of all addresses.
    for malformed in ["::ffff:10.0.0.0/8", "::ffff:10.0.0.0/129"] {
        let found = client(&[malformed], "10.1.2.3:5", &[]).await;
        let expected = "a trusted proxy of this route is not an address or a network";
        assert_eq!(found, Err(expected.to_owned()), "{malformed}");
    }
}

#[tokio::test]
async fn networks_of_all_lengths() {
    for (trusted, expected) in [
        ("0.0.0.0/0", "9.9.9.9"),
        ("1.2.3.0/24", "9.9.9.9"),
        ("1.2.3.4/32", "9.9.9.9"),
        ("1.2.3.5/32", "1.2.3.4"),
        ("1.2.3.6/31", "1.2.3.4"),
        ("::/0", "1.2.3.4"),
    ] {
        let found = client(&[trusted], "1.2.3.4:5", &["9.9.9.9"]).await;
        assert_eq!(found, Ok(Some(expected.to_owned())), "{trusted}");
    }
    for malformed in ["10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "proxy"] {
        let found = client(&["10.0.0.0/8", malformed], "1.2.3.4:5", &[]).await;
        assert!(found.is_err(), "{malformed}");
    }
}
