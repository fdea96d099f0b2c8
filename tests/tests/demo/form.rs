//! The form without JavaScript: it is sent as a form, and a second click gets the response to the first one.

use reqwest::StatusCode;
use serde_json::json;

use crate::chromium::Browser;
use crate::shop::Shop;

/// The token in the form of a fresh page.
async fn submit_token(shop: &Shop) -> String {
    let page = shop.get("/").await.text().await.expect("text");
    let (_, rest) = page
        .split_once("name=\"submit_token\" value=\"")
        .expect("the hidden field");
    let (token, _) = rest.split_once('"').expect("its end");
    token.to_owned()
}

#[tokio::test]
async fn a_form_that_is_sent_twice_orders_once() {
    let shop = Shop::open().await;
    let form = format!(
        "submit_token={}&user=ada&item=tea",
        submit_token(&shop).await
    );
    let (one, other) = tokio::join!(shop.check_out(&form), shop.check_out(&form));
    for response in [one, other] {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.url().path(), "/orders/1");
        let page = response.text().await.expect("text");
        assert!(page.contains("tea for ada"), "{page}");
    }
    // Sent again later, as by the Back button.
    assert_eq!(shop.check_out(&form).await.url().path(), "/orders/1");
    assert_eq!(shop.json("/orders").await.as_array().map(Vec::len), Some(1));
    let nodes = shop.json("/nodes").await;
    let records = nodes["nodes"].as_array().into_iter().flatten();
    let with_record = records.filter(|node| node["records"] == 1).count();
    assert!(with_record >= 2, "a majority keeps the response: {nodes}");

    // The form of another page is another order.
    let form = format!(
        "submit_token={}&user=ada&item=tea",
        submit_token(&shop).await
    );
    assert_eq!(shop.check_out(&form).await.url().path(), "/orders/2");
}

#[tokio::test]
async fn bad_forms_are_refused_and_text_stays_text() {
    let shop = Shop::open().await;
    let response = shop.check_out("user=ada&item=tea").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST, "no token");
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    let nobody = shop.check_out("submit_token=a&user=&item=tea").await;
    assert_eq!(nobody.status(), StatusCode::BAD_REQUEST);
    assert_eq!(shop.json("/orders").await, json!([]));
    assert_eq!(shop.get("/orders/7").await.status(), StatusCode::NOT_FOUND);

    let form = "submit_token=b&user=eve&item=%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let page = shop.check_out(form).await.text().await.expect("text");
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(!page.contains("<script>"), "{page}");
}

#[tokio::test]
async fn a_browser_without_scripts_orders() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let shop = Shop::open().await;
    browser.without_scripts().await;
    browser.open(&shop.address).await;
    let hint = browser.text("noscript").await;
    assert!(hint.contains("Without JavaScript"), "{hint}");
    assert_eq!(browser.text("#nodes-title").await, "", "hidden");

    browser.fill("#user", "eve").await;
    browser.double_click("#submit").await;
    let receipt = browser.text("#receipt").await;
    assert!(receipt.contains("a pot of tea for eve"), "{receipt}");
    assert!(browser.address().await.ends_with("/orders/1"));
    assert_eq!(shop.json("/orders").await.as_array().map(Vec::len), Some(1));
    browser.close().await;
}
