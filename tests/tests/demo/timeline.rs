//! The timeline: what happens to locks and nodes, live, also after the connection was lost, and without it.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tests::{eventually, proxy::Proxy, within};

use crate::chromium::Browser;
use crate::shop::Shop;

const SOON: Duration = Duration::from_secs(30);

/// Reads entries from the stream until one is of this kind, and returns them.
async fn until(kind: &str, response: Response) -> Vec<Value> {
    let mut chunks = response.bytes_stream();
    let (mut text, mut entries) = (String::new(), Vec::new());
    within(SOON, async {
        loop {
            let chunk = chunks.next().await.expect("more").expect("bytes");
            text += std::str::from_utf8(&chunk).expect("text");
            while let Some((event, rest)) = text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                if let Some(data) = data {
                    let entry: Value = serde_json::from_str(data).expect("JSON");
                    assert!(event.contains(&format!("id: {}", entry["id"])), "{event}");
                    entries.push(entry);
                }
                text = rest.to_owned();
                if entries.last().is_some_and(|entry| entry["kind"] == kind) {
                    return;
                }
            }
        }
    })
    .await;
    entries
}

#[tokio::test]
async fn it_has_requests_grants_rejections_releases_and_faults_of_nodes() {
    let shop = Shop::open().await;
    tokio::join!(shop.order("ada"), shop.order("ada"));
    eventually(SOON, async || {
        let kinds = shop.kinds().await;
        let expected = ["request", "granted", "refused", "released"];
        expected
            .iter()
            .all(|kind| kinds.iter().any(|had| had == kind))
    })
    .await;
    shop.post("/nodes/0/stop").await;
    eventually(SOON, async || {
        shop.kinds().await.contains(&"node".to_owned())
    })
    .await;
    shop.post("/nodes/0/start").await;
    eventually(SOON, async || shop.kinds().await.contains(&"up".to_owned())).await;
}

#[tokio::test]
async fn a_stream_continues_after_the_last_entry_that_was_seen() {
    let shop = Shop::open().await;
    let live = shop.live(None).await;
    assert_eq!(live.headers()["content-type"], "text/event-stream");
    let (seen, _) = tokio::join!(until("released", live), shop.order("ada"));
    let last = seen.last().expect("an entry")["id"].to_string();

    // Meanwhile, nobody reads.
    shop.order("bob").await;
    let fresh = until("released", shop.live(Some(&last)).await).await;
    let of_bob = |entry: &Value| entry["subject"].to_string().contains("bob");
    assert!(fresh.iter().all(of_bob), "{fresh:?}");
    assert_eq!(fresh[0]["kind"], "request", "{fresh:?}");
}

#[tokio::test]
async fn an_open_stream_does_not_keep_the_shop_from_stopping() {
    let shop = Shop::open().await;
    let live = shop.live(None).await;
    assert_eq!(live.status(), StatusCode::OK);
    shop.program.interrupt();
    let mut chunks = live.bytes_stream();
    let ends = async {
        while let Some(chunk) = chunks.next().await {
            chunk.expect("the stream ends as a whole");
        }
    };
    within(SOON, ends).await;
    assert_eq!(shop.program.ended().await.code, Some(0));
}

#[tokio::test]
async fn the_page_connects_again_and_misses_nothing() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let shop = Shop::open().await;
    let upstream: SocketAddr = shop.address["http://".len()..]
        .parse()
        .expect("its address");
    let proxy = Proxy::start(upstream).await;
    browser.open(&proxy.url().replace("redis:", "http:")).await;
    shop.order("ada").await;
    browser.shows(1, "#timeline [data-kind=released]").await;

    proxy.cut();
    shop.order("bob").await;
    browser.shows(2, "#timeline [data-kind=released]").await;
    eventually(SOON, async || browser.text("#stream").await == "live").await;
    shop.order("eve").await;
    browser.shows(3, "#timeline [data-kind=released]").await;
    browser.close().await;
}

#[tokio::test]
async fn the_page_works_without_the_stream() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let shop = Shop::open().await;
    browser.block("*/timeline/live").await;
    browser.open(&shop.address).await;
    browser.click("#double").await;
    browser.shows(1, "#timeline [data-kind=released]").await;
    assert_ne!(browser.text("#stream").await, "live");
    browser.close().await;
}
