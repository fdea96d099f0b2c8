//! From the `tracing` events of the locks to entries of the timeline. The documentation of the crates lists these events.

use std::{fmt::Debug, sync::Arc};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{Layer, filter::Targets, layer::Context, registry::LookupSpan};

use super::{Kind, Timeline};
use crate::report;

/// A layer that enters what happens to locks and nodes into the timeline.
pub(crate) fn recorder<S>(timeline: Arc<Timeline>) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let targets = Targets::new()
        .with_target("redlock::lock", LevelFilter::DEBUG)
        .with_target("redlock::node", LevelFilter::INFO)
        .with_target("redlock_tower", LevelFilter::DEBUG);
    Recorder(timeline).with_filter(targets)
}

struct Recorder(Arc<Timeline>);

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        // The report is locked every few seconds: its entries would fill the timeline.
        if let Some(kind) = kind(event.metadata(), &fields.message)
            && fields.subject != report::KEY
        {
            let message = match kind {
                Kind::Lost => "lock lost", // an event of its own, which has no key
                _ => &fields.message,
            };
            let text = format!("{message}{}", fields.details);
            self.0.record(kind, fields.subject, text);
        }
    }
}

fn kind(metadata: &Metadata<'_>, message: &str) -> Option<Kind> {
    let kind = match (metadata.target(), message) {
        ("redlock_tower", "acquiring the lock of a request") => Kind::Request,
        ("redlock::lock", "lock granted" | "lock handed over") => Kind::Granted,
        ("redlock::lock", "lock refused") => Kind::Refused,
        ("redlock::lock", "lock released") => Kind::Released,
        ("redlock::lock", "key of the lost lock") => Kind::Lost,
        ("redlock::node", "node up") => Kind::NodeUp,
        ("redlock::node", _) if *metadata.level() <= Level::WARN => Kind::Node,
        _ => return None,
    };
    Some(kind)
}

/// The name of a variant as words: `NoQuorum` is `no quorum`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

/// The fields of an event.
#[derive(Default)]
struct Fields {
    message: String,
    /// The key or the node.
    subject: String,
    /// The other fields, as in `, token 17, held 503 ms`.
    details: String,
}

impl Fields {
    fn enter(&mut self, name: &str, value: String) {
        match name {
            "message" => self.message = value,
            "key" | "node" => self.subject = value,
            "reason" => self.details += &format!(": {}", words(&value)),
            "token" | "cause" => self.details += &format!(", {name} {value}"),
            name => {
                if let Some(name) = name.strip_suffix("_ms") {
                    self.details += &format!(", {} {value} ms", name.replace('_', "-"));
                }
            }
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.enter(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.enter(field.name(), format!("{value:?}"));
    }
}
