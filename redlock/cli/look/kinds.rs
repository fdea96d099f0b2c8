//! The other kinds of lock with a key, in the answer of `redlock holder`: readers and a writer, and permits.
//!
//! Their keys derive from the key alone, and the nodes remember the number of permits.

use redlock::{Error, Holder, PermitHolder, Redlock, Result, RwLockHolders};
use serde_json::{Value, json};

use super::holder::{fields, summary};
use crate::output::{Output, Paint, plain};

/// Who holds the read/write lock and the semaphore of a key. An error is one that only concerns its kind, such as a missing right.
pub(crate) struct Kinds {
    sides: Result<RwLockHolders>,
    permits: Result<Permits>,
}

#[derive(Default)]
struct Permits {
    held: Vec<PermitHolder>,
    /// `None` if the nodes remember none.
    of: Option<u32>,
}

impl Kinds {
    pub(crate) async fn look(client: &Redlock, key: &str) -> Self {
        let catalog = client.rwlock(key);
        let (sides, permits) =
            futures_util::future::join(catalog.holders(), permits(client, key)).await;
        Self { sides, permits }
    }

    pub(crate) fn are_held(&self) -> bool {
        let sides = self.sides.as_ref().is_ok_and(|sides| !sides.is_free());
        sides
            || self
                .permits
                .as_ref()
                .is_ok_and(|permits| !permits.held.is_empty())
    }

    /// Why it is not known whether one of them is held.
    pub(crate) fn into_unknown(self) -> Option<Error> {
        self.sides.err().or(self.permits.err())
    }

    pub(crate) fn are_known(&self) -> bool {
        self.sides.is_ok() && self.permits.is_ok()
    }

    /// A line for each holder.
    pub(crate) fn lines(&self, output: &Output) -> Vec<String> {
        let line = |what: &str, holder: &Holder| format!("{what}: {}", summary(holder, output));
        let unknown = |what: &str, error: &Error| {
            output.paint(&plain(&format!("{what}: unknown: {error}")), Paint::Warning)
        };
        let mut lines = Vec::new();
        match &self.sides {
            Ok(sides) => {
                lines.extend(sides.writer.iter().map(|holder| line("writer", holder)));
                lines.extend(sides.readers.iter().map(|holder| line("reader", holder)));
            }
            Err(error) => lines.push(unknown("readers and writers", error)),
        }
        match &self.permits {
            Ok(permits) => lines.extend(permits.held.iter().map(|held| {
                let of = permits.of.unwrap_or(0);
                line(&format!("permit {} of {of}", held.permit), &held.holder)
            })),
            Err(error) => lines.push(unknown("permits", error)),
        }
        lines
    }

    /// Adds them to the fields of the lock. What is unknown is null.
    pub(crate) fn add_to(&self, mut object: Value) -> Value {
        let all = |holders: &[Holder]| holders.iter().map(fields).collect::<Vec<_>>();
        let sides = self.sides.as_ref().ok();
        object["writer"] = json!(sides.and_then(|sides| sides.writer.as_ref()).map(fields));
        object["readers"] = json!(sides.map(|sides| all(&sides.readers)));
        let permits = self.permits.as_ref().ok();
        object["permits"] = json!(permits.map(|permits| {
            let held = permits.held.iter().map(|held| {
                let mut object = fields(&held.holder);
                object["permit"] = json!(held.permit);
                object
            });
            held.collect::<Vec<_>>()
        }));
        object["permit_count"] = json!(permits.and_then(|permits| permits.of));
        object
    }
}

async fn permits(client: &Redlock, key: &str) -> Result<Permits> {
    let Some(of) = client.permits(key).await? else {
        return Ok(Permits::default());
    };
    Ok(Permits {
        held: client.semaphore(key, of).holders().await?,
        of: Some(of),
    })
}
