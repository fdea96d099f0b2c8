//! A Prometheus that scrapes the shop, with the rules of the example.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::files::path;

pub(crate) struct Prometheus {
    _child: Child,
    _dir: TempDir,
    url: String,
    client: reqwest::Client,
}

impl Prometheus {
    /// The path of Prometheus. Returns `None` and prints a note if it is not installed.
    pub(crate) fn installed() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .map(|folder| folder.join("prometheus"))
            .find(|file| file.is_file());
        if found.is_none() {
            // Not by `eprintln!`, whose output the test harness hides if a test passes.
            let _ = writeln!(
                std::io::stderr(),
                "NOT TESTED with Prometheus: install it (on Debian: prometheus)"
            );
        }
        found
    }

    /// Starts one that scrapes `target` twice a second, and waits until it answers. Another program may take its port before it
    /// does: then it is started again.
    pub(crate) async fn start(program: &Path, target: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let rules = path("examples/observability/alerts.yml");
        let config = format!(
            "global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}\n\
             rule_files: [{rules:?}]\n\
             scrape_configs:\n  - job_name: shop\n    static_configs: [{{targets: [\"{target}\"]}}]\n"
        );
        let file = dir.path().join("prometheus.yml");
        fs::write(&file, config).expect("a file");
        loop {
            let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let address = free.local_addr().expect("its address").to_string();
            drop(free);
            let mut child = Command::new(program)
                .arg(format!("--config.file={}", file.display()))
                .arg(format!(
                    "--storage.tsdb.path={}",
                    dir.path().join("data").display()
                ))
                .arg(format!("--web.listen-address={address}"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .expect("Prometheus starts");
            let client = reqwest::Client::new();
            let url = format!("http://{address}");
            while child.try_wait().expect("its state").is_none() {
                let ready = client.get(format!("{url}/-/ready")).send().await;
                if ready.is_ok_and(|answer| answer.status().is_success()) {
                    return Self {
                        _child: child,
                        _dir: dir,
                        url,
                        client,
                    };
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn ask(&self, what: &str) -> Value {
        let answer = self.client.get(format!("{}/api/v1/{what}", self.url));
        let answer = answer.send().await.expect("Prometheus answers");
        answer.json().await.expect("JSON")
    }

    /// The answer to a query.
    pub(crate) async fn query(&self, query: &str) -> Value {
        let encoded = query.bytes().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "%{byte:02X}");
            text
        });
        self.ask(&format!("query?query={encoded}")).await
    }

    /// The only value that a query finds.
    pub(crate) async fn value(&self, query: &str) -> Option<f64> {
        let found = self.query(query).await;
        match found["data"]["result"].as_array()?.as_slice() {
            [one] => one["value"][1].as_str()?.parse().ok(),
            _ => None,
        }
    }

    /// The alerts that are pending or firing, with that state.
    pub(crate) async fn alerts(&self) -> BTreeMap<String, String> {
        let found = self.ask("alerts").await;
        let alerts = found["data"]["alerts"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let alerts = alerts.iter();
        alerts
            .map(|alert| (text(&alert["labels"]["alertname"]), text(&alert["state"])))
            .collect()
    }

    /// The names of the alerts that it evaluates.
    pub(crate) async fn rules(&self) -> BTreeSet<String> {
        let found = self.ask("rules").await;
        let groups = found["data"]["groups"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let rules = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().into_iter().flatten());
        rules
            .filter_map(|rule| rule["name"].as_str())
            .map(str::to_owned)
            .collect()
    }
}
