//! No spelling of a body makes one key for two identities, or two keys for one.

use proptest::{prelude::*, test_runner::TestRunner};
use redlock_tower::{RedlockLayer, key};
use tests::web::{redlock, request};

use crate::keys::FORM;

/// A value of up to 5 characters, often with ones that have a meaning in keys, forms and JSON.
fn value() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        ':', '%', '{', '}', '=', '&', '+', ' ', '"', '\\', '/', '\n', '\0', 'é', '😀', '2', 'F',
    ]);
    let char = prop_oneof![4 => special, 1 => any::<char>()];
    prop::collection::vec(char, 1..6).prop_map(|chars| chars.into_iter().collect())
}

/// How each character, or byte, is written.
fn choices() -> impl Strategy<Value = Vec<bool>> {
    prop::collection::vec(any::<bool>(), 24)
}

/// `application/x-www-form-urlencoded`, with some bytes encoded that need not be.
fn url_encoded(text: &str, choices: &[bool]) -> String {
    let mut out = String::new();
    for (byte, encode) in text.bytes().zip(choices.iter().cycle()) {
        match byte {
            b' ' if *encode => out.push('+'),
            byte if byte.is_ascii_alphanumeric() && !encode => out.push(byte.into()),
            byte if *encode => out += &format!("%{byte:02X}"),
            byte => out += &format!("%{byte:02x}"),
        }
    }
    out
}

/// A JSON string, with some characters escaped that need not be.
fn json_string(text: &str, choices: &[bool]) -> String {
    let mut out = String::from("\"");
    for (char, escape) in text.chars().zip(choices.iter().cycle()) {
        if *escape {
            let mut units = [0; 2];
            for unit in char.encode_utf16(&mut units) {
                out += &format!("\\u{unit:04x}");
            }
        } else {
            let plain = serde_json::to_string(&char).unwrap();
            out += plain
                .trim_start_matches('"')
                .strip_suffix('"')
                .unwrap_or("\\\"");
        }
    }
    out + "\""
}

fn check(key_of: impl Fn(&str, &str, &[bool]) -> Option<String>) {
    let config = ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let identity = || (value(), value());
    let runs = TestRunner::new(config).run(
        &(identity(), identity(), any::<bool>(), choices(), choices()),
        |(a, other, same, spelling_a, spelling_b)| {
            let b = if same { a.clone() } else { other };
            let first = key_of(&a.0, &a.1, &spelling_a);
            let second = key_of(&b.0, &b.1, &spelling_b);
            prop_assert!(first.is_some() && second.is_some());
            prop_assert_eq!(
                first == second,
                a == b,
                "{:?} {:?}: {:?} {:?}",
                a,
                b,
                first,
                second
            );
            Ok(())
        },
    );
    runs.unwrap();
}

#[test]
fn of_two_fields_of_a_form() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let by = (key::form("shop"), key::form("token"));
    let layer = RedlockLayer::new(runtime.block_on(redlock()), by).namespace("n");
    let (head, _) = request("POST", "/", &[FORM], "").into_parts();
    check(|shop, token, choices| {
        let (shop, token) = (url_encoded(shop, choices), url_encoded(token, choices));
        let body = format!(
            "x=%26token=1&shop={shop}&{}={token}",
            url_encoded("token", choices)
        );
        runtime.block_on(layer.key_with_body(&head, body)).unwrap()
    });
}

#[test]
fn of_two_strings_in_json() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let by = (key::json("/shop"), key::json("/order/token"));
    let layer = RedlockLayer::new(runtime.block_on(redlock()), by).namespace("n");
    let (head, _) = request("POST", "/", &[], "").into_parts();
    check(|shop, token, choices| {
        let (shop, token) = (json_string(shop, choices), json_string(token, choices));
        let name = json_string("token", choices);
        let body = if choices[0] {
            format!(r#"{{ "shop": {shop}, "order": {{ {name}: {token} }} }}"#)
        } else {
            format!(r#"{{"order":{{"a":[{token}],{name}:{token}}},"token":{token},"shop":{shop}}}"#)
        };
        runtime.block_on(layer.key_with_body(&head, body)).unwrap()
    });
}

#[test]
fn of_two_fields_of_a_multipart_form() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let by = (key::form("shop"), key::form("token"));
    let layer = RedlockLayer::new(runtime.block_on(redlock()), by).namespace("n");
    check(|shop, token, choices| {
        let boundary = if choices[0] { "x" } else { "--a-boundary" };
        let kind = format!("multipart/form-data; boundary={boundary}");
        let (head, _) = request("POST", "/", &[("content-type", &kind)], "").into_parts();
        let mut body = String::new();
        for (name, value) in [("shop", shop), ("token", token)] {
            body += &format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        body += &format!("--{boundary}--\r\n");
        runtime.block_on(layer.key_with_body(&head, body)).unwrap()
    });
}

#[test]
fn no_body_makes_an_extractor_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let connected = runtime.block_on(redlock());
    let form = RedlockLayer::new(connected.clone(), key::form("token"));
    let json = RedlockLayer::new(connected, key::json("/a/0"));
    let pieces = prop::sample::select(vec![
        "token",
        "=",
        "&",
        "%",
        "%f",
        "\r\n",
        "--x",
        "--",
        "Content-Disposition: form-data; name=\"token\"",
        ";",
        "{",
        "}",
        "[",
        "]",
        "\"a\"",
        "\"",
        ":",
        ",",
        "7",
        "\\u",
        "\u{feff}",
        "é",
    ]);
    let bodies = prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat());
    let config = ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let runs = TestRunner::new(config).run(&bodies, |body| {
        for kind in [
            FORM.1,
            "multipart/form-data; boundary=x",
            "application/json",
        ] {
            let (head, _) = request("POST", "/", &[("content-type", kind)], "").into_parts();
            let _ = runtime.block_on(form.key_with_body(&head, body.clone()));
            let _ = runtime.block_on(json.key_with_body(&head, body.clone()));
        }
        Ok(())
    });
    runs.unwrap();
}
