//! The page in a real browser, end to end.

use crate::chromium::Browser;
use crate::shop::Shop;

#[tokio::test]
async fn a_double_click_orders_once() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let shop = Shop::open().await;
    browser.open(&shop.address).await;
    browser.shows(3, "#nodes [data-state=up]").await;

    // The button that sends the same order twice at once.
    browser.click("#double").await;
    let created = browser.shows(1, "#attempts [data-outcome=created]").await;
    assert!(
        created[0].contains("201 created") && created[0].contains("order 1"),
        "{created:?}"
    );
    let refused = browser.shows(1, "#attempts [data-outcome=refused]").await;
    assert!(refused[0].contains("409 refused"), "{refused:?}");
    let orders = browser.shows(1, "#orders > li").await;
    assert!(orders[0].contains("a pot of tea for ada"), "{orders:?}");
    browser.picture("shop").await;

    // A hand that double-clicks Submit.
    browser.double_click("#submit").await;
    browser.shows(2, "#attempts [data-outcome=created]").await;
    browser.shows(2, "#attempts [data-outcome=refused]").await;
    browser.shows(2, "#orders > li").await;

    // Two customers at once are both served.
    browser.click("#two").await;
    browser.shows(4, "#attempts [data-outcome=created]").await;
    browser.shows(4, "#orders > li").await;

    // The invoice is asked for twice at once, and written once.
    browser.click("#orders > li:last-child button").await;
    let invoiced = browser.shows(1, "#orders > li[data-invoiced]").await;
    assert!(invoiced[0].contains("invoice 1"), "{invoiced:?}");

    assert_eq!(
        browser.texts("#attempts [data-outcome=failed]").await.len(),
        0
    );
    assert_eq!(shop.json("/orders").await.as_array().map(Vec::len), Some(4));
    browser.colours("dark").await;
    browser.picture("shop-dark").await;
    browser.width(500).await;
    browser.picture("shop-narrow").await;
    browser.close().await;
}

#[tokio::test]
async fn stopped_nodes_are_seen_and_refuse_orders() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let shop = Shop::open().await;
    browser.open(&shop.address).await;
    browser.shows(3, "#nodes [data-state=up]").await;

    browser.click("#nodes > li:nth-child(1) button").await;
    browser.shows(1, "#nodes [data-state=down]").await;
    browser.click("#submit").await;
    browser.shows(1, "#attempts [data-outcome=created]").await;

    browser.click("#nodes > li:nth-child(2) button").await;
    browser.shows(2, "#nodes [data-state=down]").await;
    browser.shows(1, "#alarm:not([hidden])").await;
    browser.click("#submit").await;
    let failed = browser.shows(1, "#attempts [data-outcome=failed]").await;
    for part in ["503", "no quorum", "retry after"] {
        assert!(failed[0].contains(part), "{part}: {failed:?}");
    }
    browser
        .shows(1, "#no-locks[data-known=no]:not([hidden])")
        .await;

    for row in 1..=2 {
        browser
            .click(&format!("#nodes > li:nth-child({row}) button"))
            .await;
    }
    browser.shows(3, "#nodes [data-state=up]").await;
    browser.shows(0, "#alarm:not([hidden])").await;
    browser.click("#submit").await;
    browser.shows(2, "#attempts [data-outcome=created]").await;
    browser.close().await;
}

#[tokio::test]
async fn the_page_works_by_keyboard_and_input_stays_text() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let shop = Shop::open().await;
    browser.open(&shop.address).await;
    browser.fill("#user", "eve").await;
    // Enter, in the last field: the form is sent without a mouse.
    browser
        .fill(
            "#item",
            "<img src=x onerror=document.title='broken'>\u{E007}",
        )
        .await;
    let created = browser.shows(1, "#attempts [data-outcome=created]").await;
    assert!(created[0].contains("<img src=x"), "{created:?}");
    browser.shows(1, "#orders > li").await;
    assert_eq!(browser.value("return document.images.length").await, 0);
    assert_ne!(browser.value("return document.title").await, "broken");

    // From the form, in the order of the page, to the buttons of the nodes.
    browser.fill("#item", "tea").await;
    let mut focused = Vec::new();
    for _ in 0..7 {
        focused.push(browser.tab().await);
    }
    let order = ["submit", "double", "two", "pause", "crash", "timeline"];
    assert_eq!(focused[..6], order);
    assert_eq!(focused[6], "Stop: memory-0");

    // A name that cannot be sent in a header is reported, not sent.
    browser.fill("#user", "eve\u{20AC}").await;
    browser.click("#double").await;
    assert_eq!(
        browser
            .value("return document.querySelector('#user').checkValidity()")
            .await,
        false
    );
    assert_eq!(browser.texts("#attempts > li").await.len(), 1);
    browser.close().await;
}

#[tokio::test]
async fn small_screens_do_not_scroll_sideways() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let shop = Shop::open().await;
    browser.open(&shop.address).await;
    browser.click("#double").await;
    browser.shows(1, "#attempts [data-outcome=created]").await;
    for width in [1600, 800, 500] {
        browser.width(width).await;
        let over = browser
            .value("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            .await;
        assert_eq!(over, 0, "at {width} pixels");
    }
    browser.close().await;
}
