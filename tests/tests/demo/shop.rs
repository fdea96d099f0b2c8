//! The running shop, and requests to it.

use std::time::{Duration, Instant};

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tests::Cluster;

use crate::program::Program;

pub(crate) struct Shop {
    pub(crate) program: Program,
    pub(crate) address: String,
    client: Client,
}

impl Shop {
    /// Opens the shop at a free port, on nodes inside the process.
    pub(crate) async fn open() -> Shop {
        Shop::open_with(&[]).await
    }

    /// Opens the shop at a free port, on real nodes.
    pub(crate) async fn open_on(cluster: &Cluster) -> Shop {
        Shop::open_with(&[("REDIS_URLS", &cluster.urls().join(","))]).await
    }

    async fn open_with(env: &[(&str, &str)]) -> Shop {
        let mut program = Program::start("shop", &[], &[&[("PORT", "0")], env].concat());
        let welcome = program.line("the shop is open at ").await;
        let address = welcome
            .split_whitespace()
            .find(|word| word.starts_with("http://"))
            .expect("its address");
        let address = address.trim_end_matches(',').to_owned();
        let client = Client::builder()
            .timeout(Duration::from_secs(30))
            .no_proxy()
            // A connection each: the server closes those whose body it refused to read.
            .pool_max_idle_per_host(0)
            .build()
            .expect("a client");
        Shop {
            program,
            address,
            client,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client
            .get(format!("{}{path}", self.address))
            .send()
            .await
            .expect("an answer")
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        self.get(path).await.json().await.expect("JSON")
    }

    pub(crate) async fn post(&self, path: &str) -> Response {
        self.client
            .post(format!("{}{path}", self.address))
            .send()
            .await
            .expect("an answer")
    }

    /// Sends the form as a browser does, and returns the page that it shows then.
    pub(crate) async fn check_out(&self, form: &str) -> Response {
        let request = self.client.post(format!("{}/checkout", self.address));
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .body(form.to_owned())
            .send()
            .await
            .expect("an answer")
    }

    /// The live timeline, after the entry `seen`.
    pub(crate) async fn live(&self, seen: Option<&str>) -> Response {
        let mut request = self.client.get(format!("{}/timeline/live", self.address));
        if let Some(seen) = seen {
            request = request.header("last-event-id", seen);
        }
        request.send().await.expect("an answer")
    }

    /// The kinds of the entries of the timeline, in their order.
    pub(crate) async fn kinds(&self) -> Vec<String> {
        let entries = self.json("/timeline").await;
        let entries = entries.as_array().expect("a list");
        let kinds = entries.iter().map(|entry| entry["kind"].as_str());
        kinds.map(|kind| kind.expect("a kind").to_owned()).collect()
    }

    /// A request for an order, yet to be sent.
    pub(crate) fn request(&self) -> reqwest::RequestBuilder {
        self.client.post(format!("{}/orders", self.address))
    }

    /// Orders tea, and says how it went and how long it took.
    pub(crate) async fn order(&self, user: &str) -> Answer {
        let start = Instant::now();
        let request = self
            .request()
            .header("x-user-id", user)
            .json(&json!({ "item": "tea" }));
        let response = request.send().await.expect("an answer");
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        Answer {
            status: response.status(),
            retry_after: header("retry-after"),
            content_type: header("content-type"),
            body: response.json().await.expect("JSON"),
            took: start.elapsed(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Value,
    pub(crate) took: Duration,
}

/// The created and the refused of two answers, in this order.
pub(crate) fn one_of_each(first: Answer, second: Answer) -> (Answer, Answer) {
    let (created, refused) = if first.status == StatusCode::CREATED {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!(
        created.status,
        StatusCode::CREATED,
        "none was created: {created:?}, {refused:?}"
    );
    assert_eq!(
        refused.status,
        StatusCode::CONFLICT,
        "both ran: {created:?}, {refused:?}"
    );
    (created, refused)
}
