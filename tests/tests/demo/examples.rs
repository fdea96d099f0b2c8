//! The small examples end well and show what they promise.

use crate::program::Program;

async fn said(name: &str) -> String {
    said_with(name, &[]).await
}

async fn said_with(name: &str, env: &[(&str, &str)]) -> String {
    let ended = Program::start(name, &[], env).ended().await;
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{name}: {ended:?}"
    );
    ended.stdout
}

#[tokio::test]
async fn layer() {
    let said = said("layer").await;
    let of_ada: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("ada"))
        .collect();
    assert_eq!(
        of_ada
            .iter()
            .filter(|line| line.contains("201 Created"))
            .count(),
        1,
        "{said}"
    );
    assert_eq!(
        of_ada
            .iter()
            .filter(|line| line.contains("409 Conflict, to be tried again in"))
            .count(),
        1,
        "{said}"
    );
    assert!(
        said.lines()
            .any(|line| line.starts_with("bob") && line.contains("201 Created")),
        "{said}"
    );
}

#[tokio::test]
async fn attribute() {
    let said = said("attribute").await;
    let mut of_ada: Vec<(u64, u64)> = said
        .lines()
        .filter(|line| line.starts_with("ada"))
        .map(span)
        .collect();
    of_ada.sort_unstable();
    let [(_, first_end), (second_start, _)] = of_ada[..] else {
        panic!("{said}")
    };
    assert!(
        first_end <= second_start,
        "two calls for one account overlap: {said}"
    );
    assert!(said.lines().any(|line| line.starts_with("bob")), "{said}");
}

/// The two numbers of a line such as `ada: settled from 0 to 300 ms`.
fn span(line: &str) -> (u64, u64) {
    let numbers: Vec<u64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    (numbers[0], numbers[1])
}

#[tokio::test]
async fn schedule() {
    let said = said("schedule").await;
    for firing in 1..=3 {
        let of_it: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with(&format!("firing {firing}:")))
            .collect();
        assert_eq!(
            of_it.iter().filter(|line| line.ends_with("ran it")).count(),
            1,
            "{said}"
        );
        assert_eq!(
            of_it
                .iter()
                .filter(|line| line.ends_with("skipped it"))
                .count(),
            2,
            "{said}"
        );
    }
}

#[tokio::test]
async fn fencing() {
    let said = said("fencing").await;
    assert!(said.contains("writes 100: refused, token"), "{said}");
    assert!(said.ends_with("the balance is 200"), "{said}");
}

#[tokio::test]
async fn lost() {
    let said = said("lost").await;
    let at = |part: &str| {
        said.find(part)
            .unwrap_or_else(|| panic!("no `{part}` in: {said}"))
    };
    assert!(
        at("two of the three nodes restart") < at("the export cleans up"),
        "{said}"
    );
    assert!(
        at("the export cleans up") < at("the caller is told"),
        "{said}"
    );
    assert!(
        !said.contains("page 20"),
        "the work went on without its lock: {said}"
    );
}

#[tokio::test]
async fn postgres() {
    let ended = Program::start("postgres", &[], &[]).ended().await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("DATABASE_URL is not set"),
        "{ended:?}"
    );

    let Some(server) = tests::postgres::Postgres::start() else {
        return;
    };
    let said = said_with("postgres", &[("DATABASE_URL", &server.url())]).await;
    assert!(
        said.contains("the first holder writes 100: the fencing token is too old"),
        "{said}"
    );
    assert!(said.ends_with("the balance is 200"), "{said}");
}

/// One leads at a time, and each later one with a higher token.
#[tokio::test]
async fn election() {
    let said = said("election").await;
    let terms: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("leads with token"))
        .collect();
    let tokens = terms.iter().map(|line| {
        let token = line.rsplit(' ').next().expect("a token");
        token.parse::<u64>().expect("a number")
    });
    let tokens: Vec<u64> = tokens.collect();
    assert_eq!(tokens.len(), 3, "{said}");
    assert!(tokens.is_sorted_by(|one, next| one < next), "{said}");
    let plans: Vec<&str> = said
        .lines()
        .filter(|line| !line.contains("has resigned"))
        .map(|line| &line[.."replica 1".len()])
        .collect();
    let terms: Vec<&&str> = plans
        .chunk_by(|one, next| one == next)
        .map(|term| &term[0])
        .collect();
    assert_eq!(terms.len(), 3, "the terms overlap: {said}");
}

#[tokio::test]
async fn background() {
    let said = said("background").await;
    let at = |part: &str| {
        said.find(part)
            .unwrap_or_else(|| panic!("no `{part}` in: {said}"))
    };
    for (path, job) in [("/exports", "the export"), ("/reports", "the report")] {
        assert!(said.contains(&format!("{path}: 202 Accepted")), "{said}");
        assert!(
            said.contains(&format!("{path} again: 409 Conflict")),
            "{said}"
        );
        assert!(
            at(&format!("{job} is done")) <= at(&format!("{path}: the lock is free again")),
            "{said}"
        );
    }
}

#[tokio::test]
async fn grpc() {
    let said = said("grpc").await;
    let answers = |user: &str, answer: &str| {
        let start = format!("{user}: {answer}");
        said.lines().filter(|line| line.starts_with(&start)).count()
    };
    assert_eq!(answers("ada", "tea is ordered"), 1, "{said}");
    assert_eq!(answers("ada", "Aborted, to be tried again in"), 1, "{said}");
    assert_eq!(answers("bob", "tea is ordered"), 1, "{said}");
    assert!(!said.contains("in some ms"), "{said}");
}

#[tokio::test]
async fn cluster() {
    let Some(sharded) = tests::Sharded::start(0).await else {
        return;
    };
    let ended = Program::start("cluster", &[&sharded.url()], &[]).ended();
    let ended = ended.await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said = ended.stdout;
    assert_eq!(said.matches("votes on the keys of").count(), 3, "{said}");
    for order in 1..=3 {
        let shipped = format!("order {order} is shipped with token ");
        assert!(said.contains(&shipped), "{said}");
    }
}
