//! A holder that stops: the store refuses its late write, and a lock that nobody releases is free after its ttl.

use std::time::Duration;

use futures_util::future::{Either, select};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::time::sleep;

use crate::chromium::Browser;
use crate::shop::Shop;

/// Stops the first clerk in one of the two ways. Returns the outcome, and whether the second one was seen to wait for the first.
async fn stop(shop: &Shop, how: &str) -> (Value, bool) {
    let path = format!("/stock/{how}");
    let mut answer = Box::pin(shop.post(&path));
    let mut waited = false;
    let response = loop {
        let look = Box::pin(waits_for_the_first(shop));
        match select(answer, look).await {
            Either::Left((response, _)) => break response,
            Either::Right((seen, unanswered)) => (waited, answer) = (waited | seen, unanswered),
        }
    };
    assert_eq!(response.status(), StatusCode::OK);
    (response.json().await.expect("JSON"), waited)
}

async fn waits_for_the_first(shop: &Shop) -> bool {
    sleep(Duration::from_millis(20)).await;
    let locks = shop.json("/locks").await;
    let mut locks = locks.as_array().expect("a list").iter();
    locks.any(|lock| lock["holder"] == "clerk-1" && lock["waiting"] == 1)
}

/// Who wrote, or tried to.
async fn subjects(shop: &Shop, kind: &str) -> Vec<Value> {
    let entries = shop.json("/timeline").await;
    let entries = entries.as_array().expect("a list").iter();
    let entries = entries.filter(|entry| entry["kind"] == kind);
    entries.map(|entry| entry["subject"].clone()).collect()
}

#[tokio::test]
async fn the_store_refuses_the_late_write_of_a_paused_holder() {
    let shop = Shop::open().await;
    let (outcome, _) = stop(&shop, "pause").await;
    assert_eq!(outcome["late_write_accepted"], false, "{outcome}");
    let (first, second) = (&outcome["first_token"], &outcome["second_token"]);
    assert!(first.as_u64() < second.as_u64(), "{outcome}");
    assert_eq!(subjects(&shop, "written").await, ["clerk-2"]);
    assert_eq!(subjects(&shop, "fenced").await, ["clerk-1"]);
    assert_eq!(subjects(&shop, "lost").await, ["shop:stock"]);
}

#[tokio::test]
async fn the_lock_of_a_crashed_holder_expires_while_the_next_one_waits() {
    let shop = Shop::open().await;
    // The wait lasts two seconds. Where a look takes as long, on a busy machine, it is missed.
    for attempt in 1.. {
        let (outcome, waited) = stop(&shop, "crash").await;
        let (first, second) = (&outcome["first_token"], &outcome["second_token"]);
        assert!(first.as_u64() < second.as_u64(), "{outcome}");
        if waited {
            break;
        }
        assert!(attempt < 5, "clerk-2 was not seen to wait");
    }
}

#[tokio::test]
async fn the_page_shows_how_the_store_is_saved() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let shop = Shop::open().await;
    browser.open(&shop.address).await;
    browser.click("#pause").await;
    let refused = browser.shows(1, "#timeline [data-kind=fenced]").await;
    assert!(refused[0].contains("clerk-1"), "{refused:?}");
    tests::eventually(Duration::from_secs(20), async || {
        browser.text("#outcome").await.contains("was refused")
    })
    .await;
    browser.close().await;
}
