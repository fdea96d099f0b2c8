//! No header, body or spelling maps two identities to one key, or one identity to two: over header bytes, percent-encodings,
//! repeated fields, JSON, and trees of `.and()` and `.or()`.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
};

use axum::{Router, http::HeaderValue, routing::post};
use http::{Request, request::Parts};
use proptest::{prelude::*, test_runner::TestRunner};
use redlock::memory::Nodes;
use redlock_tower::{
    RedlockLayer,
    key::{self, BoxKeyExtractor, KeyError, KeyExtractor, Unstated, WithBody},
    replay::Quorum,
};
use tests::web::{DAY, connect, redlock, send};

const FORM: &str = "application/x-www-form-urlencoded";

/// Where a part of the key comes from. All have the same name, so that only the structure distinguishes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    Header,
    Query,
    Cookie,
    /// A field of a form, or a member of a JSON document.
    Body,
}

#[derive(Clone, Debug)]
enum Tree {
    Leaf(Source),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
}

/// What a source contains in a request.
#[derive(Clone, Debug)]
enum Sent {
    Nothing,
    Once(Value),
    Twice(Value, Value),
}

/// A value, and how each of its characters is written.
#[derive(Clone, Debug)]
struct Value {
    text: String,
    spelling: Vec<bool>,
}

#[derive(Clone, Debug)]
struct Submit {
    json: bool,
    header: Sent,
    query: Sent,
    cookie: Sent,
    body: Sent,
}

/// What the key has to distinguish: the alternatives that were used, and the values. `Err` if the request is rejected.
type Meaning = Result<Option<Vec<String>>, ()>;

impl Submit {
    fn of(&self, source: Source) -> &Sent {
        match source {
            Source::Header => &self.header,
            Source::Query => &self.query,
            Source::Cookie => &self.cookie,
            Source::Body => &self.body,
        }
    }

    fn meaning(&self, tree: &Tree) -> Meaning {
        match tree {
            Tree::Leaf(source) => match self.of(*source) {
                Sent::Nothing => Ok(None),
                Sent::Once(value) => Ok(Some(vec![value.text.clone()])),
                // Parsers of JSON disagree about which of two members counts.
                Sent::Twice(..) if self.json && *source == Source::Body => Err(()),
                Sent::Twice(first, second) if first.text == second.text => {
                    Ok(Some(vec![first.text.clone()]))
                }
                Sent::Twice(..) => Err(()),
            },
            Tree::And(a, b) => {
                let Some(mut first) = self.meaning(a)? else {
                    return Ok(None);
                };
                let second = self.meaning(b)?;
                Ok(second.map(|second| {
                    first.extend(second);
                    first
                }))
            }
            Tree::Or(a, b) => {
                let marked = |mark: &str, mut parts: Vec<String>| {
                    parts.insert(0, format!("alternative {mark}"));
                    parts
                };
                match self.meaning(a)? {
                    Some(first) => Ok(Some(marked("1", first))),
                    None => Ok(self.meaning(b)?.map(|second| marked("2", second))),
                }
            }
        }
    }

    /// The head and the body.
    fn request(&self) -> (Parts, String) {
        let query: Vec<String> = pairs(&self.query, "id", url_encoded);
        let mut request = Request::post(format!("/orders?x=%26id=1&{}", query.join("&")));
        for (value, _) in values(&self.header) {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request = request.header("id", value);
        }
        for cookie in pairs(&self.cookie, "id", percent_encoded) {
            request = request.header("cookie", format!("theme=id=1; {cookie}"));
        }
        let body = if self.json {
            let members = values(&self.body).map(|(text, spelling)| {
                format!(
                    r#"{}: {}"#,
                    json_string("id", spelling),
                    json(text, spelling)
                )
            });
            let mut members: Vec<String> = members.collect();
            members.push(r#""other": { "id": "1" }"#.to_owned());
            format!("{{ {} }}", members.join(", "))
        } else {
            request = request.header("content-type", FORM);
            let mut fields = vec!["x=%26id=1".to_owned()];
            fields.extend(pairs(&self.body, "id", url_encoded));
            fields.join("&")
        };
        (request.body(()).unwrap().into_parts().0, body)
    }
}

fn values(sent: &Sent) -> impl Iterator<Item = (&str, &[bool])> {
    let values = match sent {
        Sent::Nothing => vec![],
        Sent::Once(value) => vec![value],
        Sent::Twice(first, second) => vec![first, second],
    };
    values
        .into_iter()
        .map(|value| (&*value.text, &*value.spelling))
}

/// `name=value` for each value. The name is spelled as well.
fn pairs(sent: &Sent, name: &str, encode: fn(&str, &[bool]) -> String) -> Vec<String> {
    let pair = |(text, spelling): (&str, &[bool])| format!("{name}={}", encode(text, spelling));
    values(sent).map(pair).collect()
}

/// Encodes some bytes that need not be encoded, with hex digits of either case.
fn percent_encoded(text: &str, spelling: &[bool]) -> String {
    let mut out = String::new();
    for (byte, encode) in text.bytes().zip(spelling.iter().cycle()) {
        match byte {
            byte if byte.is_ascii_alphanumeric() && !encode => out.push(byte.into()),
            byte if *encode => out += &format!("%{byte:02X}"),
            byte => out += &format!("%{byte:02x}"),
        }
    }
    out
}

fn url_encoded(text: &str, spelling: &[bool]) -> String {
    match spelling.first() {
        Some(true) => percent_encoded(text, spelling).replace("%20", "+"),
        _ => percent_encoded(text, spelling),
    }
}

/// A number where the text is one, or a string.
fn json(text: &str, spelling: &[bool]) -> String {
    let is_number = text
        .parse::<u32>()
        .is_ok_and(|number| number.to_string() == text);
    match spelling.first() {
        Some(true) if is_number => text.to_owned(),
        _ => json_string(text, spelling),
    }
}

fn json_string(text: &str, spelling: &[bool]) -> String {
    let mut out = String::from("\"");
    for (char, escape) in text.chars().zip(spelling.iter().cycle()) {
        if *escape || matches!(char, '"' | '\\') {
            let mut units = [0; 2];
            for unit in char.encode_utf16(&mut units) {
                out += &format!("\\u{unit:04x}");
            }
        } else {
            out.push(char);
        }
    }
    out + "\""
}

/// An extractor of the head, wrapped as one that may read the body, so that all have one type.
struct Leaf<K>(K);

impl<K: KeyExtractor> KeyExtractor for Leaf<K> {
    type Future = K::Future;
    type Scope = K::Scope;
    type Reads = WithBody;

    fn extract(&self, parts: &Parts) -> Self::Future {
        self.0.extract(parts)
    }
}

type Boxed = BoxKeyExtractor<Unstated, WithBody>;

fn extractor(tree: &Tree, is_json: bool) -> Boxed {
    match tree {
        Tree::Leaf(Source::Header) => Leaf(key::header("id")).boxed(),
        Tree::Leaf(Source::Query) => Leaf(key::query("id")).boxed(),
        Tree::Leaf(Source::Cookie) => Leaf(key::cookie("id")).boxed(),
        Tree::Leaf(Source::Body) if is_json => key::json("/id").boxed(),
        Tree::Leaf(Source::Body) => key::form("id").boxed(),
        Tree::And(a, b) => extractor(a, is_json).and(extractor(b, is_json)).boxed(),
        Tree::Or(a, b) => extractor(a, is_json).or(extractor(b, is_json)).boxed(),
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop::sample::select(vec![
        Source::Header,
        Source::Query,
        Source::Cookie,
        Source::Body,
    ]);
    leaf.prop_map(Tree::Leaf).prop_recursive(3, 8, 2, |tree| {
        let two = (tree.clone(), tree);
        let two = two.prop_map(|(a, b)| (Box::new(a), Box::new(b)));
        prop_oneof![
            two.clone().prop_map(|(a, b)| Tree::And(a, b)),
            two.prop_map(|(a, b)| Tree::Or(a, b)),
        ]
    })
}

/// Few different values, so that two are often equal, of characters and words with a meaning in keys and encodings.
fn value() -> impl Strategy<Value = Value> {
    let piece = prop::sample::select(vec![
        ":", "%", "{", "}", "=", "&", "+", ";", "\"", "\\", "/", "é", "😀", "7", "%3A", "id=",
        ":or2:id=", "%2561", "sha256:", "x",
    ]);
    let text = prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat());
    let long = (190..210_usize).prop_map(|len| "a".repeat(len));
    let text = prop_oneof![3 => Just("7".to_owned()), 3 => Just("7:id=7".to_owned()), 6 => text, 1 => long];
    let spelling = prop::collection::vec(any::<bool>(), 1..8);
    (text, spelling).prop_map(|(text, spelling)| Value { text, spelling })
}

fn sent() -> impl Strategy<Value = Sent> {
    let twice = (value(), value(), any::<bool>()).prop_map(|(first, second, equal)| {
        let text = if equal { &first } else { &second }.text.clone();
        Sent::Twice(first, Value { text, ..second })
    });
    prop_oneof![1 => Just(Sent::Nothing), 4 => value().prop_map(Sent::Once), 1 => twice]
}

/// A cookie has no quotes around its value, because readers remove them.
fn cookie() -> impl Strategy<Value = Sent> {
    let unquoted = |value: &Value| !value.text.contains('"');
    sent().prop_filter("quotes", move |sent| match sent {
        Sent::Nothing => true,
        Sent::Once(value) => unquoted(value),
        Sent::Twice(first, second) => unquoted(first) && unquoted(second),
    })
}

fn submit() -> impl Strategy<Value = Submit> {
    (sent(), sent(), cookie(), sent()).prop_map(|(header, query, cookie, body)| Submit {
        json: false,
        header,
        query,
        cookie,
        body,
    })
}

/// Two requests, of which some parts are the same and spelled in another way.
fn two_submits() -> impl Strategy<Value = (Submit, Submit)> {
    let same = prop::collection::vec(prop::bool::weighted(0.7), 4);
    (submit(), submit(), same, any::<bool>()).prop_map(|(mut first, mut second, same, json)| {
        (first.json, second.json) = (json, json);
        let parts = [
            (&first.header, &mut second.header),
            (&first.query, &mut second.query),
            (&first.cookie, &mut second.cookie),
            (&first.body, &mut second.body),
        ];
        for ((from, to), same) in parts.into_iter().zip(same) {
            if same {
                *to = respelled(from, to);
            }
        }
        (first, second)
    })
}

/// The values of `from`, in the spelling of `like`.
fn respelled(from: &Sent, like: &Sent) -> Sent {
    let spelling = |value: &Value| match like {
        Sent::Nothing => value.clone(),
        Sent::Once(like) | Sent::Twice(like, _) => Value {
            text: value.text.clone(),
            spelling: like.spelling.clone(),
        },
    };
    match (from, like) {
        (Sent::Nothing, _) => Sent::Nothing,
        // A value that is sent twice is the same as one that is sent once.
        (Sent::Once(value), Sent::Twice(..)) => Sent::Twice(value.clone(), spelling(value)),
        (Sent::Once(value), _) => Sent::Once(spelling(value)),
        (Sent::Twice(first, second), _) => Sent::Twice(spelling(first), spelling(second)),
    }
}

fn count(of: &Cell<u32>) {
    of.set(of.get() + 1);
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })
}

#[test]
fn two_requests_have_one_key_if_and_only_if_they_mean_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let redlock = runtime.block_on(redlock());
    let (equal, other) = (Cell::new(0), Cell::new(0));
    let run = runner(1500).run(&(trees(), two_submits()), |(tree, (first, second))| {
        let keys = [&first, &second].map(|submit| {
            let layer = RedlockLayer::new(redlock.clone(), extractor(&tree, submit.json));
            let (head, body) = submit.request();
            let key = runtime.block_on(layer.namespace("n").key_with_body(&head, body));
            let meaning = submit.meaning(&tree);
            let got = key
                .as_ref()
                .map(Option::is_some)
                .map_err(KeyError::is_invalid);
            let wanted = meaning.as_ref().map(Option::is_some).map_err(|()| true);
            (key.ok().flatten(), meaning.ok().flatten(), got == wanted)
        });
        let [
            (key, meaning, as_meant),
            (other_key, other_meaning, other_as_meant),
        ] = keys;
        prop_assert!(as_meant && other_as_meant, "{key:?} {other_key:?}");
        if let (Some(meaning), Some(other_meaning)) = (meaning, other_meaning) {
            let same = meaning == other_meaning;
            count(if same { &equal } else { &other });
            prop_assert_eq!(key == other_key, same, "{:?} {:?}", key, other_key);
        }
        Ok(())
    });
    run.unwrap();
    assert!(
        equal.get() > 100 && other.get() > 100,
        "{equal:?} {other:?}"
    );
}

/// A user, and an `Idempotency-Key`, of any bytes that a header may have.
fn header_value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => prop::sample::select(b":%{}=;,\\a7/".to_vec()),
        1 => 0x80..=0xff_u8,
    ];
    prop_oneof![
        2 => Just(b"7".to_vec()),
        2 => prop::collection::vec(byte, 1..4),
        1 => prop::collection::vec(Just(b'a'), 250..252),
    ]
}

#[test]
fn no_user_gets_the_recorded_response_of_another() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let app = runtime.block_on(async {
        let redlock = connect(&Nodes::new(3)).await;
        let by_user = key::identity(key::header("x-user-id"));
        let echo = async |headers: http::HeaderMap| headers["x-user-id"].as_bytes().to_vec();
        let layer = RedlockLayer::new(redlock.clone(), by_user);
        Router::new()
            .route("/orders", post(echo))
            .layer(layer.replay(Quorum::new(&redlock), DAY))
    });
    let seen = RefCell::new(HashSet::new());
    let (fresh, replayed) = (Cell::new(0), Cell::new(0));
    // Quoted, with characters that are allowed in a quoted string.
    let idempotency_key = "[:%{}=;a7/]{1,3}";
    let run = runner(600).run(&(header_value(), idempotency_key), |(user, key)| {
        let order = Request::post("/orders")
            .header("x-user-id", HeaderValue::from_bytes(&user).unwrap())
            .header("idempotency-key", format!("\"{key}\""))
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = runtime.block_on(send(&app, order));
        prop_assert_eq!((answer.status, &*answer.body), (200, &*user));
        let repeated = !seen.borrow_mut().insert((user, key));
        count(if repeated { &replayed } else { &fresh });
        prop_assert_eq!(answer.is_replayed(), repeated);
        Ok(())
    });
    run.unwrap();
    assert!(
        fresh.get() > 50 && replayed.get() > 10,
        "{fresh:?} {replayed:?}"
    );
}
