//! Keys in the body of a request.

use axum::body::Body;
use http::{HeaderName, Request, request::Parts};
use redlock_tower::{
    RedlockLayer,
    key::{self, Key, KeyError, KeyExtractor},
};
use tests::web::{Orders, redlock, request, send, start};

pub(crate) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

/// The key of `POST /orders` with this head and body, without its namespace.
pub(crate) async fn key_of(
    key: impl KeyExtractor,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Option<String>, KeyError> {
    let layer = RedlockLayer::new(redlock().await, key).namespace("n");
    let (head, _) = request("POST", "/orders", headers, "").into_parts();
    let key = layer.key_with_body(&head, body.to_vec()).await?;
    Ok(key.map(|key| key.strip_prefix("n:").unwrap().to_owned()))
}

/// The key, or why there is none.
async fn found(key: impl KeyExtractor, headers: &[(&str, &str)], body: &str) -> String {
    match key_of(key, headers, body.as_bytes()).await {
        Ok(Some(key)) => key,
        Ok(None) => "no key".to_owned(),
        Err(error) => error.message().to_owned(),
    }
}

#[tokio::test]
async fn a_field_of_a_form() {
    for (body, expected) in [
        ("a=1&token=t&b=2", "token=t"),
        ("token=a+b%26%C3%A9", "token=a b&é"),
        ("tok%65n=t", "token=t"),
        ("token=t&token=t", "token=t"),
        ("token=t&token=%74", "token=t"),
        (
            "token=t&token=u",
            "the form field `token` has more than one value; send one",
        ),
        ("token=", "no key"),
        ("token", "no key"),
        ("", "no key"),
        ("atoken=t", "no key"),
    ] {
        assert_eq!(
            found(key::form("token"), &[FORM], body).await,
            expected,
            "{body}"
        );
    }
    for kind in [
        "Application/X-WWW-Form-Urlencoded",
        "application/x-www-form-urlencoded; charset=utf-8",
    ] {
        let headers = &[("content-type", kind)];
        assert_eq!(
            found(key::form("token"), headers, "token=t").await,
            "token=t"
        );
    }
    assert_eq!(
        found(key::form("token"), &[JSON], "token=t").await,
        "no key"
    );
    assert_eq!(found(key::form("token"), &[], "token=t").await, "no key");
}

/// A multipart form; each part has the rest of its `Content-Disposition`, and its value.
fn multipart(parts: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (disposition, value) in parts {
        body += &format!("--x\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n");
    }
    body + "--x--\r\n"
}

#[tokio::test]
async fn a_field_of_a_multipart_form() {
    let headers = &[("content-type", "multipart/form-data; boundary=x")];
    for (parts, expected) in [
        (
            &[("name=\"a\"", "1"), ("name=\"token\"", "t&é")][..],
            "token=t&é",
        ),
        (&[("name=token", "t")], "token=t"),
        (
            &[("name=\"token\"", "t"), ("name=\"token\"", "t")],
            "token=t",
        ),
        (
            &[("name=\"token\"", "t"), ("name=\"token\"", "u")],
            "the form field `token` has more than one value; send one",
        ),
        // A handler may read a file as text.
        (
            &[
                ("name=\"token\"", "t"),
                ("name=\"token\"; filename=\"f\"", "u"),
            ],
            "the form field `token` has more than one value; send one",
        ),
        (&[("name=\"a\"", "token=t")], "no key"),
        (&[("name=\"token\"", "")], "no key"),
    ] {
        let body = multipart(parts);
        assert_eq!(
            found(key::form("token"), headers, &body).await,
            expected,
            "{body}"
        );
    }
    for malformed in ["", "--x\r\n", "token=t"] {
        let found = found(key::form("token"), headers, malformed).await;
        assert_eq!(found, "the multipart form is malformed", "{malformed}");
    }
    let no_boundary = &[("content-type", "multipart/form-data")];
    let body = multipart(&[("name=\"token\"", "t")]);
    let found = found(key::form("token"), no_boundary, &body).await;
    assert_eq!(found, "the multipart form is malformed");
}

#[tokio::test]
async fn a_multipart_value_that_handlers_decode_in_different_ways_is_rejected() {
    let headers = &[("content-type", "multipart/form-data; boundary=x")];
    let latin = |kind: &str, value: &[u8]| {
        let head = format!("--x\r\nContent-Disposition: form-data; name=\"token\"\r\n{kind}\r\n");
        [head.as_bytes(), value, b"\r\n--x--\r\n"].concat()
    };
    for body in [
        latin("", b"\xe9"),
        latin("Content-Type: text/plain; charset=iso-8859-1\r\n", b"e"),
    ] {
        let error = key_of(key::form("token"), headers, &body)
            .await
            .unwrap_err();
        assert_eq!(error.message(), "the form field `token` is not UTF-8");
    }
    let utf8 = latin(
        "Content-Type: text/plain; charset=UTF-8\r\n",
        "é".as_bytes(),
    );
    let key = key_of(key::form("token"), headers, &utf8).await.unwrap();
    assert_eq!(key.as_deref(), Some("token=é"));
}

#[tokio::test]
async fn a_value_of_a_json_document() {
    const TWICE: &str = "a member on the way to `/order/id` occurs twice in the JSON document";
    const NO_KEY: &str =
        "the value at `/order/id` in the JSON document is neither a string nor a whole number";
    for (body, expected) in [
        (
            r#"{ "a": [1], "order": { "id": "A" }, "b": {} }"#,
            "/order/id=A",
        ),
        (r#"{ "\u006frder": { "id": "\u0041" } }"#, "/order/id=A"),
        (r#"{ "order": { "id": 7 } }"#, "/order/id=7"),
        (r#"{ "order": { "id": "7" } }"#, "/order/id=7"),
        (r#"{ "order": { "id": -7 } }"#, "/order/id=-7"),
        (
            r#"{ "order": { "id": 18446744073709551615 } }"#,
            "/order/id=18446744073709551615",
        ),
        (r#"{ "order": { "id": 18446744073709551616 } }"#, NO_KEY),
        (r#"{ "order": { "id": 7.0 } }"#, NO_KEY),
        (r#"{ "order": { "id": -0 } }"#, NO_KEY),
        (r#"{ "order": { "id": true } }"#, NO_KEY),
        (r#"{ "order": { "id": [1] } }"#, NO_KEY),
        (r#"{ "order": { "id": {} } }"#, NO_KEY),
        (r#"{ "order": { "id": null } }"#, "no key"),
        (r#"{ "order": { "id": "" } }"#, "no key"),
        (r#"{ "order": "id" }"#, "no key"),
        (r#"{ "order": 7 }"#, "no key"),
        (r#"{ "order": [ "id" ] }"#, "no key"),
        ("{}", "no key"),
        ("[]", "no key"),
        ("null", "no key"),
        ("", "no key"),
        (r#"{ "order": { "id": 7, "id": 7 } }"#, TWICE),
        (r#"{ "order": { "id": null, "i\u0064": 7 } }"#, TWICE),
        (r#"{ "order": { "id": 7 }, "order": {} }"#, TWICE),
        (r#"{ "order": {}, "order": { "id": 7 } }"#, TWICE),
        (r#"{ "x": 1, "x": 2, "order": { "id": 7 } }"#, "/order/id=7"),
        (
            r#"{ "order": { "id": "\ud800" } }"#,
            "the body is not a JSON document",
        ),
        (
            r#"{ "order": { "id": 7 }"#,
            "the body is not a JSON document",
        ),
        (
            r#"{ "order": { "id": 7 } } {}"#,
            "the body is not a JSON document",
        ),
        ("order=7", "the body is not a JSON document"),
    ] {
        let found = found(key::json("/order/id"), &[JSON], body).await;
        assert_eq!(found, expected, "{body}");
    }
    let body = r#"{ "order": { "id": "A" } }"#;
    assert_eq!(
        found(key::json("/order/id"), &[], body).await,
        "/order/id=A"
    );
    assert_eq!(
        found(key::json("/order/id"), &[FORM], body).await,
        "/order/id=A"
    );
}

#[tokio::test]
async fn a_json_pointer_names_members_and_items() {
    let body = r#"{ "a": [ {}, { "b/c~": "x" } ], "": "y", "0": "z" }"#;
    for (pointer, expected) in [
        ("/a/1/b~1c~0", "/a/1/b~1c~0=x"),
        ("/a/01/b~1c~0", "no key"),
        ("/a/2/b~1c~0", "no key"),
        ("/a/-/b~1c~0", "no key"),
        ("/", "/=y"),
        ("/0", "/0=z"),
    ] {
        assert_eq!(
            found(key::json(pointer), &[JSON], body).await,
            expected,
            "{pointer}"
        );
    }
    assert_eq!(found(key::json(""), &[JSON], "\"x\"").await, "=x");
    for malformed in ["a", "a/b", "/~", "/~2"] {
        let found = found(key::json(malformed), &[JSON], body).await;
        let expected = "the key of this route is at a JSON pointer that is malformed";
        assert_eq!(found, expected, "{malformed}");
    }
}

#[tokio::test]
async fn a_compressed_body_is_rejected() {
    let gzip = &[FORM, ("content-encoding", "gzip")];
    let rejected =
        "the body is compressed, and its key cannot be read; send it without a content-encoding";
    assert_eq!(found(key::form("token"), gzip, "token=t").await, rejected);
    assert_eq!(found(key::json("/a"), gzip, "{}").await, rejected);
    let plain = &[FORM, ("content-encoding", "Identity")];
    assert_eq!(found(key::form("token"), plain, "token=t").await, "token=t");
}

#[tokio::test]
async fn two_content_types_are_rejected() {
    let both = &[FORM, JSON];
    let rejected = "the header `content-type` has more than one value; send one";
    assert_eq!(found(key::form("token"), both, "token=t").await, rejected);
    assert_eq!(
        found(key::form("token"), &[FORM, FORM], "token=t").await,
        "token=t"
    );
}

#[tokio::test]
async fn a_fingerprint_is_that_of_an_exact_repetition() {
    let of = async |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let by = key::fingerprint().headers([HeaderName::from_static("x-shop")]);
        let layer = RedlockLayer::new(redlock().await, by).namespace("n");
        let (head, _) = request(method, path, headers, "").into_parts();
        layer
            .key_with_body(&head, body.to_owned())
            .await
            .unwrap()
            .unwrap()
    };
    let shop = &[("x-shop", "a")];
    let first = of("POST", "/orders?a=1", shop, "x").await;
    let noisy = &[("x-shop", "a"), ("user-agent", "b")];
    assert_eq!(first, of("POST", "/orders?a=1", noisy, "x").await);
    for other in [
        of("PUT", "/orders?a=1", shop, "x").await,
        of("POST", "/orders/?a=1", shop, "x").await,
        of("POST", "/orders?a=2", shop, "x").await,
        of("POST", "/orders?a=1", &[("x-shop", "b")], "x").await,
        of(
            "POST",
            "/orders?a=1",
            &[("x-shop", "a"), ("x-shop", "a")],
            "x",
        )
        .await,
        of("POST", "/orders?a=1", &[], "x").await,
        of("POST", "/orders?a=1", shop, "y").await,
        of("POST", "/orders?a=1", shop, "").await,
    ] {
        assert_ne!(first, other);
    }
}

#[tokio::test]
async fn a_closure_over_the_head_and_the_body() {
    let by = || {
        key::from_body(|head: &Parts, body: &axum::body::Bytes| {
            if body.starts_with(b"!") {
                return Err(KeyError::invalid("no exclamation marks"));
            }
            Ok(Some(format!("{} {}", head.uri.path(), body.len())))
        })
    };
    assert_eq!(found(by(), &[], "abc").await, "key=/orders 3");
    assert_eq!(found(by(), &[], "!").await, "no exclamation marks");
}

#[tokio::test]
async fn parts_of_the_head_and_of_the_body_are_combined() {
    let user = ("x-user-id", "ann");
    let by = || (key::header("x-user-id"), key::form("token"));
    assert_eq!(
        found(by(), &[FORM, user], "token=t").await,
        "x-user-id=ann:token=t"
    );
    assert_eq!(found(by(), &[FORM], "token=t").await, "no key");
    assert_eq!(found(by(), &[FORM, user], "").await, "no key");

    let by = || {
        (
            key::header("x-user-id"),
            key::form("token"),
            key::cookie("sid"),
        )
    };
    let headers = &[FORM, user, ("cookie", "sid=s")];
    assert_eq!(
        found(by(), headers, "token=t").await,
        "x-user-id=ann:token=t:sid=s"
    );

    let by = || key::form("token").or(key::json("/token")).boxed();
    assert_eq!(found(by(), &[FORM], "token=t").await, "token=t");
    assert_eq!(
        found(by(), &[JSON], r#"{"token":"t"}"#).await,
        "or2:/token=t"
    );

    let by = key::identity(key::json("/number")).parsed::<u64>();
    assert_eq!(found(by, &[JSON], r#"{"number":"007"}"#).await, "/number=7");
}

/// States that it reads heads, but requests the body.
struct Mistaken;

impl KeyExtractor for Mistaken {
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Option<Key>, KeyError>> + Send>>;
    type Scope = key::Unstated;
    type Reads = key::HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        let body = key::read_body(parts);
        Box::pin(async move { Ok(Some(Key::new(body.await?))) })
    }
}

#[tokio::test]
async fn an_extractor_that_does_not_state_that_it_reads_the_body_is_500() {
    let orders = Orders::unblocked();
    let app = orders
        .route()
        .layer(RedlockLayer::new(redlock().await, Mistaken));
    let answer = send(&app, request("POST", "/orders", &[], "x")).await;
    assert_eq!((answer.status, orders.entered()), (500, 0));
    let layer = RedlockLayer::new(redlock().await, key::form("token"));
    let (head, _) = request("POST", "/orders", &[FORM], "").into_parts();
    let error = layer.key_of(&head).await.unwrap_err();
    assert!(error.message().contains("reads only heads"), "{error}");
}

#[tokio::test]
async fn the_second_submit_of_a_form_is_rejected_while_the_first_runs() {
    let submit = |token: &str| -> Request<Body> {
        request("POST", "/orders", &[FORM], &format!("sku=7&token={token}"))
    };
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock().await, key::form("token")).no_wait();
    let app = orders.route().layer(layer);
    let first = start(&app, submit("t"));
    orders.wait_entered(1).await;
    assert_eq!(send(&app, submit("%74")).await.status, 409);
    let other = start(&app, submit("u"));
    orders.wait_entered(2).await;
    orders.unblock(2);
    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(other.await.unwrap().status, 201);
}
