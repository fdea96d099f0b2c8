//! A subscriber that remembers spans and events: one for the whole process, which listens for the threads that record.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{Arc, Mutex, Once},
};

use tracing::{
    Event, Id, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Record},
};
use tracing_subscriber::{
    Registry,
    layer::{Context, Layer, SubscriberExt as _},
    registry::LookupSpan,
};

thread_local! {
    static CURRENT: RefCell<Option<Spans>> = const { RefCell::new(None) };
}

/// A span or an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) name: String,
    /// The name of the span that it is in.
    pub(crate) parent: Option<String>,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) closed: bool,
}

/// What this thread has seen, in the order in which it began.
#[derive(Clone, Default)]
pub(crate) struct Spans(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    seen: Vec<Seen>,
    /// The places of the spans that are open. The registry uses an id again.
    open: BTreeMap<u64, usize>,
}

impl Spans {
    /// Begins to record what happens on this thread.
    pub(crate) fn record() -> Self {
        static GLOBAL: Once = Once::new();
        GLOBAL.call_once(|| {
            let subscriber = Registry::default().with(Recorder);
            tracing::subscriber::set_global_default(subscriber).expect("no other subscriber");
        });
        let spans = Self::default();
        CURRENT.set(Some(spans.clone()));
        spans
    }

    /// The spans and events of that name.
    pub(crate) fn named(&self, name: &str) -> Vec<Seen> {
        let log = self.0.lock().expect("no panic");
        let named = log.seen.iter().filter(|seen| seen.name == name);
        named.cloned().collect()
    }

    /// All of them, for messages and for looking for keys.
    pub(crate) fn text(&self) -> String {
        format!("{:#?}", self.0.lock().expect("no panic").seen)
    }
}

struct Recorder;

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

fn with(change: impl FnOnce(&mut Log)) {
    let _ = CURRENT.try_with(|current| {
        if let Some(spans) = &*current.borrow() {
            change(&mut spans.0.lock().expect("no panic"));
        }
    });
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("redlock") || metadata.target().starts_with("caller")
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !is_ours(attributes.metadata()) {
            return;
        }
        let parent = context.span(id).and_then(|span| span.parent());
        let mut seen = Seen {
            name: attributes.metadata().name().to_owned(),
            parent: parent.map(|parent| parent.name().to_owned()),
            ..Seen::default()
        };
        attributes.record(&mut Fields(&mut seen.fields));
        with(|log| {
            log.open.insert(id.into_u64(), log.seen.len());
            log.seen.push(seen);
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        with(|log| {
            if let Some(place) = log.open.get(&id.into_u64()) {
                values.record(&mut Fields(&mut log.seen[*place].fields));
            }
        });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !is_ours(event.metadata()) {
            return;
        }
        let mut seen = Seen {
            parent: context.event_span(event).map(|span| span.name().to_owned()),
            closed: true,
            ..Seen::default()
        };
        event.record(&mut Fields(&mut seen.fields));
        seen.name = seen.fields.remove("message").unwrap_or_default();
        with(|log| log.seen.push(seen));
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        with(|log| {
            if let Some(place) = log.open.remove(&id.into_u64()) {
                log.seen[place].closed = true;
            }
        });
    }
}
