//! Edits of a document over two server processes: the last one is saved, and the others are answered that they are superseded.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use tests::{Cluster, eventually, within};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::BOUND;

/// How often an editor pauses, and how many edits it makes before each pause.
const PAUSES: usize = 10;
const EDITS: usize = 100;

struct Server {
    process: Child,
    url: String,
}

impl Server {
    async fn start(mode: &str, nodes: &Cluster, store: &Cluster) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_autosave_server"))
            .args([mode, &nodes.urls().join(","), &store.node(0).url()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = spawn_blocking(move || {
            lines.find_map(|line| Some(line.ok()?.strip_prefix("listening ")?.to_owned()))
        });
        let address = address.await.unwrap();
        let address = address.expect("the server process did not come up");
        let url = format!("http://{address}/documents/7");
        Self { process, url }
    }

    fn save(&self, client: &reqwest::Client, edit: String) -> Edit {
        let request = client.put(&self.url).body(edit.clone());
        let answer = tokio::spawn(async move {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        });
        Edit { text: edit, answer }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Edit {
    text: String,
    answer: JoinHandle<(u16, String)>,
}

impl Edit {
    async fn assert_superseded(self) {
        let (status, problem) = within(BOUND, self.answer).await.unwrap();
        assert!(
            status == 409 && problem.contains("urn:problem-type:redlock:superseded"),
            "{}: {status} {problem}",
            self.text
        );
    }

    async fn assert_saved(self, store: &Cluster) {
        let (status, problem) = within(BOUND, self.answer).await.unwrap();
        assert_eq!(status, 204, "{}: {problem}", self.text);
        assert_eq!(store.node(0).get("draft").await, Some(self.text));
    }
}

async fn is_saving(store: &Cluster, edit: &str) -> bool {
    store.node(0).get("saving").await.as_deref() == Some(edit)
}

async fn set_go(store: &Cluster, on: bool) {
    let command = match on {
        true => redis::cmd("SET").arg(&["go", "1"]).to_owned(),
        false => redis::cmd("DEL").arg("go").to_owned(),
    };
    let _: redis::Value = store.node(0).ask(&command).await;
}

/// A thousand edits, made while those before them are saved.
#[tokio::test]
async fn the_last_of_a_thousand_edits_is_saved() {
    let (nodes, store) = (Cluster::start(3).await, Cluster::start(1).await);
    let one = Server::start("newest", &nodes, &store).await;
    let other = Server::start("newest", &nodes, &store).await;
    let client = reqwest::Client::new();
    for pause in 0..PAUSES {
        let mut edits = Vec::new();
        for number in 1..EDITS {
            let server = if number % 2 == 0 { &one } else { &other };
            edits.push(server.save(&client, format!("edit {pause}.{number}")));
        }
        // All of them have reached the nodes when one is left, and that one is being saved.
        let left = || edits.iter().filter(|edit| !edit.answer.is_finished());
        eventually(BOUND, async || match left().collect::<Vec<_>>()[..] {
            [edit] => is_saving(&store, &edit.text).await,
            _ => false,
        })
        .await;
        let server = if pause % 2 == 0 { &one } else { &other };
        let last = server.save(&client, format!("edit {pause}.{EDITS}"));
        eventually(BOUND, async || is_saving(&store, &last.text).await).await;
        for edit in edits {
            edit.assert_superseded().await;
        }
        set_go(&store, true).await;
        last.assert_saved(&store).await;
        set_go(&store, false).await;
    }
}

/// What the option is for: without it, the older edit stays.
#[tokio::test]
async fn without_it_the_older_edit_stays() {
    let (nodes, store) = (Cluster::start(3).await, Cluster::start(1).await);
    let one = Server::start("refuse", &nodes, &store).await;
    let other = Server::start("refuse", &nodes, &store).await;
    let client = reqwest::Client::new();
    let first = one.save(&client, "first".to_owned());
    eventually(BOUND, async || is_saving(&store, "first").await).await;
    let last = other.save(&client, "last".to_owned());
    let (status, problem) = within(BOUND, last.answer).await.unwrap();
    assert!(
        status == 409 && problem.contains("redlock:busy"),
        "{problem}"
    );
    set_go(&store, true).await;
    first.assert_saved(&store).await;
}
