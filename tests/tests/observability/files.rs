//! The files of the example: their queries, and the metrics that the docs list.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;

/// A file of the workspace.
pub(crate) fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(file)
}

fn text(file: &str) -> String {
    fs::read_to_string(path(file)).expect(file)
}

/// The names of all metrics in the tables of the docs.
pub(crate) fn documented() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in ["redlock/docs/metrics.md", "redlock-tower/docs/metrics.md"] {
        let text = text(file);
        let rows = text
            .lines()
            .filter_map(|line| line.strip_prefix("| `redlock_"));
        names.extend(
            rows.filter_map(|row| row.split('`').next())
                .map(|name| format!("redlock_{name}")),
        );
    }
    names
}

/// The metrics that a query names. The buckets of a histogram are its own.
pub(crate) fn metrics_in(expression: &str) -> Vec<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("redlock_"));
    names
        .map(|name| name.strip_suffix("_bucket").unwrap_or(name).to_owned())
        .collect()
}

/// The queries of the rules and of the dashboard, with its variables set.
pub(crate) fn expressions() -> Vec<String> {
    let mut found = Vec::new();
    let rules = text("examples/observability/alerts.yml");
    // Every value of `expr` is folded, or on its line.
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(rest) = line.trim_start().strip_prefix("expr: ") else {
            continue;
        };
        let mut expression = rest.trim_start_matches(">-").to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with("          ")) {
            expression.push(' ');
            expression.push_str(more.trim());
        }
        found.push(expression.trim().to_owned());
    }
    let dashboard: Value =
        serde_json::from_str(&text("examples/observability/dashboard.json")).expect("JSON");
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("queries") {
            let expression = target["expr"].as_str().expect("a query");
            found.push(expression.replace("$job", ".*"));
        }
    }
    found
}

/// The names of the alerts.
pub(crate) fn alerts() -> BTreeSet<String> {
    let rules = text("examples/observability/alerts.yml");
    let names = rules
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}
