//! The holder of a lock, for people and as JSON.

use redlock::Holder;
use serde_json::{Value, json};

use crate::output::{Output, Paint, millis, plain, readable};

pub(super) fn describe(holder: &Holder, output: &Output) -> String {
    let summary = summary(holder, output);
    if holder.is_cool_down() {
        return summary;
    }
    let owner = output.paint(&format!("owner {}", plain(&holder.owner)), Paint::Faint);
    format!("{summary}\n{owner}")
}

/// The holder, in one line.
pub(crate) fn summary(holder: &Holder, output: &Output) -> String {
    let left = readable(holder.remaining);
    if holder.is_cool_down() {
        return output.paint(
            &format!("nobody holds it, but it cools down for another {left}"),
            Paint::Warning,
        );
    }
    let by = output.paint(&name(holder), Paint::Warning);
    let waiting = match holder.waiting {
        0 => String::new(),
        1 => ", 1 process waits".to_owned(),
        many => format!(", {many} processes wait"),
    };
    format!(
        "held by {by} for another {left} at most, token {}{waiting}",
        holder.token
    )
}

/// A human-readable name of the holder.
pub(super) fn name(holder: &Holder) -> String {
    match holder.label() {
        Some(label) => label.to_owned(),
        None => "a client without a label".to_owned(),
    }
}

pub(crate) fn as_json(key: &str, holder: Option<&Holder>) -> Value {
    let mut object = json!({
        "held": false,
        "cooling_down": false,
        "label": null,
        "owner": null,
        "remaining_ms": null,
        "token": null,
        "waiting": null,
    });
    if let Some(holder) = holder {
        object = fields(holder);
    }
    object["key"] = json!(key);
    object
}

pub(super) fn fields(holder: &Holder) -> Value {
    json!({
        "held": !holder.is_cool_down(),
        "cooling_down": holder.is_cool_down(),
        "label": holder.label(),
        "owner": holder.owner,
        "remaining_ms": millis(holder.remaining),
        "token": holder.token.get(),
        "waiting": holder.waiting,
    })
}
