//! The program that README shows: it is the one that runs here, and it does what README says.

use reqwest::{Client, StatusCode};
use tokio::process::Command;

use crate::program::Program;

#[test]
fn readme_shows_the_program_that_is_tested() {
    let program = include_str!("../../src/bin/service.rs");
    let readme = include_str!("../../../README.md");
    assert!(
        readme.contains(&format!("```rust,no_run\n{program}```\n")),
        "README.md does not show tests/src/bin/service.rs as it is"
    );
}

#[tokio::test]
async fn the_program_of_the_readme() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_service"));
    let mut service = Program::spawn(command.env("LISTEN", "127.0.0.1:0"));
    let mut lines = [service.line("").await, service.line("").await];
    lines.sort_unstable();
    let [listening, report] = lines;
    assert_eq!(report, "the report is sent");
    let address = listening.strip_prefix("listening on ").expect("an address");

    let client = Client::new();
    let submit = async |user: &str| {
        let request = client.post(format!("{address}/orders"));
        let answer = request.header("x-user-id", user).send().await;
        answer.expect("an answer").status()
    };
    let (first, second, other) = tokio::join!(submit("ada"), submit("ada"), submit("bob"));
    let mut of_ada = [first, second];
    of_ada.sort();
    assert_eq!(of_ada, [StatusCode::OK, StatusCode::CONFLICT]);
    assert_eq!(other, StatusCode::OK);

    let invoice = client.post(format!("{address}/invoices/7")).send();
    let invoice = invoice.await.expect("an answer");
    assert_eq!(invoice.status(), StatusCode::OK);
    let text = invoice.text().await.expect("text");
    assert!(text.starts_with("invoice 7, fencing token "), "{text}");
}
