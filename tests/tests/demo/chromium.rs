//! A headless Chromium, driven through chromedriver, and what is asked of a page.

use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use fantoccini::actions::{InputSource, MouseActions, PointerAction};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Url;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tests::eventually;
use tokio::process::Command;

use crate::program::Program;

/// Time for the page to show something.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Browser {
    client: Client,
    /// The browser itself, which would outlive its driver. `None` once it is asked to end.
    process: Option<Pid>,
    // Held: it dies with the test.
    _driver: Program,
    _profile: TempDir,
}

/// The first of these programs that is installed. `CHROMIUM` and `CHROMEDRIVER` name others.
fn installed(setting: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(setting) {
        return Some(path.into());
    }
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

/// Starts chromedriver on a free port. It ends where another program has taken the port meanwhile.
async fn start_driver(path: &Path) -> (Program, String) {
    for _ in 0..3 {
        let mut driver = Program::spawn(Command::new(path).arg("--port=0"));
        let line = driver.find_line("started successfully on port").await;
        if let Some(line) = line {
            let port = line.trim_end_matches('.').rsplit(' ').next();
            return (driver, port.expect("a port").to_owned());
        }
    }
    panic!("chromedriver does not start");
}

impl Browser {
    /// `None`, with a word about it, where there is no Chromium or no chromedriver.
    pub(crate) async fn start() -> Option<Browser> {
        let chromium = installed(
            "CHROMIUM",
            &[
                "chromium",
                "chromium-browser",
                "google-chrome",
                "google-chrome-stable",
            ],
        );
        let driver = installed("CHROMEDRIVER", &["chromedriver", "chromium.chromedriver"]);
        let (Some(chromium), Some(driver)) = (chromium, driver) else {
            // Not by `eprintln!`, which the test harness keeps to itself where a test passes.
            let _ = writeln!(
                stderr(),
                "NOT TESTED in a browser: install Chromium and chromedriver (on Debian: chromium chromium-driver)"
            );
            return None;
        };
        let (driver, port) = start_driver(&driver).await;

        let profile = tempfile::Builder::new()
            .prefix("redlock-chromium-")
            .tempdir()
            .expect("a temporary directory");
        let options = json!({
            "binary": chromium,
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--window-size=1200,900", format!("--user-data-dir={}", profile.path().display()),
            ],
        });
        let capabilities = Map::from_iter([
            ("goog:chromeOptions".to_owned(), options),
            ("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" })),
        ]);
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a browser session");
        let id = client
            .capabilities()
            .and_then(|told| told.get("goog:processID")?.as_i64());
        let process = id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Some(Browser {
            client,
            process,
            _driver: driver,
            _profile: profile,
        })
    }

    pub(crate) async fn open(&self, address: &str) {
        self.client.goto(address).await.expect("the page");
    }

    pub(crate) async fn click(&self, selector: &str) {
        let element = self
            .client
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::Css(selector))
            .await;
        element.expect(selector).click().await.expect(selector);
    }

    /// A double-click of the mouse, as a hasty hand does it.
    pub(crate) async fn double_click(&self, selector: &str) {
        let element = self
            .client
            .find(Locator::Css(selector))
            .await
            .expect(selector);
        let (down, up) = (
            PointerAction::Down { button: 0 },
            PointerAction::Up { button: 0 },
        );
        let hand = MouseActions::new("hand".to_owned())
            .then(PointerAction::MoveToElement {
                element,
                duration: None,
                x: 0.0,
                y: 0.0,
            })
            .then(down.clone())
            .then(up.clone())
            .then(down)
            .then(up);
        self.client
            .perform_actions(hand)
            .await
            .expect("a double-click");
    }

    /// Types into a field, after what is in it was taken out.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let element = self
            .client
            .find(Locator::Css(selector))
            .await
            .expect(selector);
        element.clear().await.expect(selector);
        element.send_keys(text).await.expect(selector);
    }

    /// Waits until there are so many elements, and returns what they say.
    pub(crate) async fn shows(&self, count: usize, selector: &str) -> Vec<String> {
        eventually(PATIENCE, async || self.texts(selector).await.len() == count).await;
        self.texts(selector).await
    }

    /// What all elements of that kind say now.
    pub(crate) async fn texts(&self, selector: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map((element) => element.innerText)";
        let texts = self
            .client
            .execute(script, vec![json!(selector)])
            .await
            .expect(selector);
        serde_json::from_value(texts).expect("texts")
    }

    /// The value of a script.
    pub(crate) async fn value(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.expect(script)
    }

    /// Turns JavaScript off, from the next document on.
    pub(crate) async fn without_scripts(&self) {
        let command = "Emulation.setScriptExecutionDisabled";
        self.devtools(command, json!({ "value": true })).await;
    }

    /// Fails all requests for addresses that match, from now on.
    pub(crate) async fn block(&self, address: &str) {
        self.devtools("Network.enable", json!({})).await;
        let addresses = json!({ "urls": [address] });
        self.devtools("Network.setBlockedURLs", addresses).await;
    }

    /// What the page gets when it asks whether the user prefers dark or light colours.
    pub(crate) async fn colours(&self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        let features = json!({ "features": [feature] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Presses the Tab key, and returns the id or the label of the element that has the focus then.
    pub(crate) async fn tab(&self) -> String {
        let focused = self.client.active_element().await.expect("a focus");
        focused.send_keys("\u{E004}").await.expect("a key");
        let name = "return document.activeElement.id || document.activeElement.ariaLabel";
        self.value(name)
            .await
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The text of the first such element. Works without scripts.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let wait = self.client.wait().at_most(PATIENCE);
        let element = wait.for_element(Locator::Css(selector)).await;
        element.expect(selector).text().await.expect(selector)
    }

    /// The address that is shown.
    pub(crate) async fn address(&self) -> String {
        self.client.current_url().await.expect("an address").into()
    }

    async fn devtools(&self, command: &str, params: Value) {
        let command = DevTools(json!({ "cmd": command, "params": params }));
        self.client.issue_cmd(command).await.expect("chromedriver");
    }

    /// Makes the window so wide, in CSS pixels.
    pub(crate) async fn width(&self, width: u32) {
        self.client
            .set_window_size(width, 900)
            .await
            .expect("a window");
    }

    /// Keeps a picture of the top of the page as `target/pictures/NAME.png`. Where `UPDATE_PICTURES` is set, also in place of the one in
    /// `examples/docs`, if there is one.
    pub(crate) async fn picture(&self, name: &str) {
        let to_top = "window.scrollTo(0, 0)";
        let scrolled = self.client.execute(to_top, Vec::new()).await;
        scrolled.expect(to_top);
        let picture = self.client.screenshot().await.expect("a picture");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../pictures");
        std::fs::create_dir_all(&target).expect("a folder for pictures");
        let file = format!("{name}.png");
        std::fs::write(target.join(&file), &picture).expect("a file");
        let shown = root.join("examples/docs").join(&file);
        if std::env::var_os("UPDATE_PICTURES").is_some() && shown.exists() {
            std::fs::write(shown, &picture).expect("a file");
        }
    }

    /// Ends the session, and with it the browser.
    pub(crate) async fn close(mut self) {
        self.client
            .clone()
            .close()
            .await
            .expect("the end of the session");
        self.process = None;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Only a test that failed comes here with one.
        if let Some(process) = self.process {
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

/// A command of the protocol of the developer tools, which chromedriver passes on.
#[derive(Debug)]
struct DevTools(Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as FromStr>::Err> {
        base.join(&format!(
            "session/{}/goog/cdp/execute",
            session.unwrap_or_default()
        ))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.0.to_string()))
    }
}
