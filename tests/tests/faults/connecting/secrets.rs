//! F3, F59: no secret in any error, event or `Debug`, whatever the spelling of the address that holds it.

use std::error::Error as _;

use proptest::prelude::*;
use redlock::{Error, NodeAddress, Redlock, RestartGuard};
use tests::{Cluster, Logs, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tracing::level_filters::LevelFilter;

const SECRET: &str = "hunter2";

/// Addresses of all kinds, as users write them; `{}` stands for the password.
const ADDRESSES: [&str; 16] = [
    "redis://:{}@127.0.0.1:6379",
    "redis://locker:{}@127.0.0.1:6379/2",
    "redis://locker:{}@redis-1.example:6379",
    "redis://locker:{}@[::1]:6379",
    "rediss://locker:{}@127.0.0.1:6379",
    "rediss://:{}@redis-1.example/2",
    "unix:///run/redis.sock?pass={}",
    "unix:///run/redis.sock?db=2&user=locker&pass={}",
    "redis+unix:///run/redis.sock?user=locker&pass={}&db=2",
    "redis+cluster://locker:{}@10.0.0.1:7000,10.0.0.2:7000",
    "rediss+cluster://:{}@redis-1.example:7000,redis-2.example:7000",
    "redis+sentinel://locker:{}@10.0.0.1:26379,10.0.0.2:26379/shop",
    "rediss+sentinel://:{}@10.0.0.1:26379,10.0.0.2/shop/2",
    "redis+sentinel://10.0.0.1:26379/shop?sentinel_password={}",
    "redis+sentinel://locker:{}@10.0.0.1:26379/shop?sentinel_username=watch&sentinel_password={}",
    "valkey://locker:{}@127.0.0.1:6379",
];

/// All texts of the crate about `address` before a node is contacted.
fn said_of(address: &str) -> String {
    let logs = Logs::capture(LevelFilter::TRACE);
    let node = NodeAddress::from(address);
    let mut said = format!("{node:?} ");
    let builder = Redlock::builder()
        .nodes(["redis://10.0.0.9", "redis://10.0.0.8"])
        .node(node)
        .restart_guard(RestartGuard::Off);
    said += &format!("{builder:?} {builder:#?} ");
    match builder.connect_lazy() {
        Ok(redlock) => said += &format!("{redlock:?}"),
        Err(error) => said += &all_of(&error),
    }
    said + &logs.text()
}

/// The error in all forms, with its sources.
fn all_of(error: &Error) -> String {
    let mut said = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        said += &format!(" {cause} {cause:?}");
        source = cause.source();
    }
    for node in error.node_errors() {
        said += &format!(" {node} {node:?}");
    }
    said
}

/// One typing mistake, outside of the secret itself.
fn slip(address: &str, at: usize, kind: usize, with: char) -> String {
    let chars: Vec<char> = address.chars().collect();
    let secret: Vec<usize> = address
        .match_indices(SECRET)
        .flat_map(|(start, _)| start..start + SECRET.len())
        .collect();
    let at = at % chars.len();
    if secret.contains(&at) || (kind == 2 && secret.contains(&(at + 1))) {
        return address.to_owned();
    }
    let mut slipped = chars.clone();
    match kind {
        0 => drop(slipped.remove(at)),
        1 => slipped[at] = with,
        2 => slipped.swap(at, (at + 1).min(chars.len() - 1)),
        3 => slipped.insert(at, with),
        _ => slipped.insert(at, chars[at]),
    }
    slipped.into_iter().collect()
}

fn slips(most: usize) -> impl Strategy<Value = Vec<(usize, usize, char)>> {
    let with = proptest::sample::select(vec![
        '/', ':', '@', '?', '#', '%', '&', '=', ';', ',', '.', '[', ']', ' ', '\\', '"', '+', '-',
        '0', 'x', '\n', 'ü',
    ]);
    proptest::collection::vec((any::<usize>(), 0..5_usize, with), 1..=most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A password of letters and digits, and one typing mistake.
    #[test]
    fn f3_no_mistyped_address_shows_its_password(
        address in proptest::sample::select(&ADDRESSES[..]),
        slips in slips(1),
    ) {
        let address = slips.iter().fold(address.replace("{}", SECRET), |address, (at, kind, with)| {
            slip(&address, *at, *kind, *with)
        });
        let said = said_of(&address);
        prop_assert!(!said.contains(SECRET), "{address:?} is shown: {said}");
    }

    /// A password that cannot be part of an address, raw or encoded, and several typing mistakes.
    #[test]
    fn f3_no_mangled_address_shows_its_password(
        address in proptest::sample::select(&ADDRESSES[..]),
        around in ("[!$*~'()]", "[!@/#?%:$*~ ]{0,3}"),
        encoded in any::<bool>(),
        slips in slips(5),
    ) {
        let (before, after) = &around;
        let encode = |text: &str| if encoded {
            text.bytes().map(|byte| format!("%{byte:02X}")).collect()
        } else {
            text.to_owned()
        };
        let password = format!("{}{SECRET}{}", encode(before), encode(after));
        let address = slips.iter().fold(address.replace("{}", &password), |address, (at, kind, with)| {
            slip(&address, *at, *kind, *with)
        });
        let said = said_of(&address);
        prop_assert!(!said.contains(SECRET), "{address:?} is shown: {said}");
    }
}

/// Addresses that were found by using the product from outside, and similar ones.
#[test]
fn f3_an_error_for_a_mistyped_address_shows_no_secret() {
    for address in [
        "user:hunter2@h:6379",
        "redis:/u:hunter2@h",
        "redis:u:hunter2@h",
        "redis//u:hunter2@h",
        "redis;//u:hunter2@h",
        "http://u:hunter2@h:6379",
        "hunter2",
        "hunter2://h",
        "unix:///s?pass=hunter2&db=x",
        "unix:///s?password=hunter2",
        "unix://u:hunter2@/s",
        "unix:///s;pass=hunter2",
        "redis://h/?password=hunter2",
        "redis://h:6379?pass=hunter2",
        "redis://u:hunter2:h:6379",
        "redis://u:hunter2%40h:6379",
        "redis://hunter2%40h:6379",
        "redis://u@hunter2@",
        "redis://:p@ss/hunter2#rd@h",
        "redis://:hunter2/x@h",
        "redis://:hunter2?x@h",
        "redis://:hunter2#x@h",
        "redis://h/hunter2",
        "redis://h:hunter2",
        "redis://[hunter2]:6379",
        "redis+cluster://u:hunter2,a:1,b:2",
        "redis+cluster://u:hunter2@a:1,u:hunter2@b:2",
        "redis+cluster://a:1,b:2/hunter2",
        "redis+sentinel://u:hunter2/a:26379/m",
        "redis+sentinel://u/hunter2@a:26379/m",
        "redis+sentinel://u:hunter2@a:26379",
        "redis+sentinel://a:26379/m/hunter2",
        "redis+sentinel://a:26379/m?password=hunter2",
        "REDIS://u:hunter2@h:x",
        "redis+tls://u:hunter2@h",
        " redis://u:hunter2@h: 6379",
        "unix:///s%3Fpass%3Dhunter2",
        "unix:///run/s.sock%3fdb=1&pass%3dhunter2",
        "redis+cluster://a:1,u:hunter2@b:2",
        "redis+sentinel://a:1,u:hunter2@b:2/m",
        "redis+sentinel://a:1,u:hunter2/m",
        "valkey+sentinel://u:hunter2@a:1,/m",
        "redis+cluster://u:hunter2@a:1,b:x",
        "redis+cluster://u:hunter2@a:1,:2",
        "redis://u:hunter2@h\u{200b}:6379",
        "redis://u:hunter2\u{a0}@h",
        "redis://u:hunter2\0@h",
        "redis://u:%ff%fehunter2@h",
        "\u{feff}redis://u:hunter2@h",
        "redis:\\\\u:hunter2@h",
        "redis\u{ff1a}//u:hunter2@h",
        "redis://u:hunter2\u{ff20}h:6379",
    ] {
        let said = said_of(address);
        assert!(!said.contains(SECRET), "{address:?} is shown: {said}");
        let error = Redlock::connect_lazy(["redis://10.0.0.9", address, "redis://10.0.0.8"])
            .expect_err(address);
        assert!(error.is_invalid(), "{error}");
        assert!(error.to_string().contains("node 2 of 3"), "{error}");
        assert!(error.to_string().contains("://"), "{error}");
    }
}

/// F59: the remedy is the one that this address needs.
#[test]
fn f59_a_password_that_has_to_be_encoded() {
    for address in [
        "redis://:p@ss/w#rd@h",
        "redis://locker:pass/word@h:6379",
        "redis://locker:pass?word@h:6379",
        "redis://locker:pass#word@h:6379",
        "rediss://:12/34@h:6379",
        "redis+cluster://u:pa/ss@a:1,b:2",
        "redis+cluster://u:p@ss@a:1,u:p@ss@b:2",
        "redis+sentinel://u:pa/ss@a:1,b:2/m",
        "redis+sentinel://u:pa#ss@a:1,b:2/m",
    ] {
        let error = Redlock::connect_lazy([address]).expect_err(address);
        let error = error.to_string();
        for remedy in ["percent-encode", "Builder::password"] {
            assert!(error.contains(remedy), "{address}: {error}");
        }
        assert!(!error.contains("atabase number"), "{address}: {error}");
    }
}

/// How a server repeats the arguments of a command, and of which command.
#[derive(Clone, Copy, Debug)]
struct Echo {
    after: usize,
    before: &'static str,
    behind: &'static str,
}

/// Servers that repeat commands that they do not understand: here the login.
async fn echoing(echo: Echo) -> u16 {
    const ROLE: &str = "+redis_version:7.0.0\r\n";
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut chunk = vec![0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut chunk).await {
                    let said = String::from_utf8_lossy(&chunk[..read]).replace("\r\n", " ");
                    let repeated = format!("{}{said}{}\r\n", echo.before, echo.behind);
                    let answer = ROLE.repeat(echo.after) + &repeated.repeat(16);
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn f3_a_server_error_that_repeats_the_login_shows_no_secret() {
    for after in [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11] {
        for (before, behind) in [
            (
                "-ERR unknown command `HELLO`, with args beginning with: ",
                "",
            ),
            ("-ERR I do not know ", " at all"),
            ("-", ""),
            ("+", ""),
            ("*1\r\n+", ""),
            ("(", ""),
        ] {
            repeated(Echo {
                after,
                before,
                behind,
            })
            .await;
        }
    }
}

async fn repeated(echo: Echo) {
    let port = echoing(echo).await;
    let logs = Logs::capture(LevelFilter::TRACE);
    for scheme in ["redis://", "redis+cluster://", "redis+sentinel://"] {
        let master = if scheme.contains("sentinel") {
            "/shop?sentinel_username=watch&sentinel_password=hunter2"
        } else {
            ""
        };
        let error = Redlock::builder()
            .node(format!("{scheme}locker:hunter2@127.0.0.1:{port}{master}"))
            .restart_guard(RestartGuard::Off)
            .connect_lazy()
            .expect("an address")
            .try_lock("invoice:42")
            .await
            .expect_err("no Redis");
        assert!(error.is_no_quorum(), "{error}");
        let said = all_of(&error) + &logs.text();
        assert!(!said.contains(SECRET), "{echo:?}: {said}");
    }
}

#[tokio::test]
async fn f3_no_event_of_connecting_shows_a_secret() {
    let cluster = Cluster::builder(1).password("s3cret").start().await;
    let address = cluster.node(0).address();
    let logs = Logs::capture(LevelFilter::TRACE);
    let mut said = String::new();
    for login in [
        ":hunter2",
        "locker:hunter2",
        "hunter2",
        ":hunter%32",
        "hunter2:s3cret",
    ] {
        let redlock = within(
            std::time::Duration::from_secs(10),
            Redlock::connect([format!("redis://{login}@{address}")]),
        );
        said += &all_of(&redlock.await.expect_err("a wrong login"));
    }
    let redlock = Redlock::connect(cluster.urls())
        .await
        .expect("the right one");
    said += &format!("{redlock:?} {:?}", redlock.health().await);
    said += &logs.text();
    for secret in [SECRET, "s3cret"] {
        assert!(!said.contains(secret), "{said}");
    }
}
