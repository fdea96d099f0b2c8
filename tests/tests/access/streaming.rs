//! A provider of credentials for the `redis` crate.

use std::pin::Pin;

use futures_util::{Stream, stream};
use redis::{BasicAuth, RedisResult, StreamingCredentialsProvider};
use redlock::CredentialsProvider;
use tests::{Cluster, eventually};
use tokio::sync::watch;

use crate::support::{BOUND, one_each, patient, user};

/// Streams the value of a channel, and each later one.
struct Channel(watch::Receiver<BasicAuth>);

impl StreamingCredentialsProvider for Channel {
    fn subscribe(&self) -> Pin<Box<dyn Stream<Item = RedisResult<BasicAuth>> + Send + 'static>> {
        let mut channel = self.0.clone();
        channel.mark_changed();
        Box::pin(stream::unfold(channel, async |mut channel| {
            channel.changed().await.ok()?;
            let login = channel.borrow_and_update().clone();
            Some((Ok(login), channel))
        }))
    }
}

fn login(user: &str) -> BasicAuth {
    BasicAuth::new(user.to_owned(), "secret".to_owned())
}

#[tokio::test]
async fn a_provider_of_the_redis_crate() {
    let cluster = Cluster::start(3).await;
    for name in ["one", "two"] {
        user(&cluster, name, &[">secret"]).await;
    }
    let (rotate, logins) = watch::channel(login("one"));
    let provider = CredentialsProvider::streaming(Channel(logins));
    let redlock = patient(&cluster).credentials(provider).connect().await;
    let redlock = redlock.expect("three nodes");
    let before = one_each(&cluster, "one").await;
    assert!(before.is_some());
    rotate.send_replace(login("two"));
    eventually(BOUND, async || one_each(&cluster, "two").await.is_some()).await;
    assert_eq!(
        one_each(&cluster, "two").await,
        before,
        "the connections lived on"
    );
    // The stream ends, which changes nothing.
    drop(rotate);
    let guard = redlock.lock("k").await.expect("free");
    guard.release().await.expect("released");
    assert_eq!(one_each(&cluster, "two").await, before);
}
