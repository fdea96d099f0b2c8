//! The map of a cluster's slots, as its servers report it.
//!
//! A server that was cut off reports an old map, and may be the nearest one. So all are asked, over
//! open connections, and the map of the highest epoch is used. It is confirmed once a majority of
//! its masters have answered: they share a master with the majority that elects.

use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use redis::ServerError;
use tokio::time::{Instant, timeout_at};

use super::{
    super::{endpoint::Endpoint, login, target::Target, wire::Wire},
    slots::{self, Slots},
};
use crate::{
    fault::{Fault, FaultKind},
    resp::{self, Value},
};

/// How long to wait for the other servers once the map is confirmed.
const TOGETHER: Duration = Duration::from_millis(20);

/// Asks the servers of a cluster which of them has which slots.
pub(in crate::node) struct TopologyReader {
    target: Target,
    /// Open connections, by the address of the server.
    wires: HashMap<String, Wire>,
    /// The address at which each server answered last, by its id: the user's name for it may differ
    /// from the map's.
    met: HashMap<String, String>,
    /// The masters of the last map.
    known: Vec<String>,
    /// The last map that was confirmed: a server that was cut off may have forgotten the others.
    confirmed: Slots,
}

/// A map, and whether a majority of its masters confirmed it.
#[derive(Debug)]
pub(in crate::node) struct Topology {
    pub(in crate::node) slots: Slots,
    pub(in crate::node) epoch: u64,
    pub(in crate::node) confirmed: bool,
    /// For each server that stated it, by its id: which of its slots are migrating to another server.
    pub(in crate::node) leaving: Vec<(String, Vec<u16>)>,
}

/// What one server reports about the cluster.
#[derive(Debug)]
struct ServerView {
    /// The address at which it was asked.
    at: String,
    /// Its id, if this user may ask.
    by: Option<String>,
    /// Which of its slots are moving to another server.
    leaving: Vec<u16>,
    slots: Slots,
    /// How often the cluster has changed. 0 if this user may not ask.
    epoch: u64,
}

/// The replies of one look.
#[derive(Default)]
struct Views {
    views: Vec<ServerView>,
    faults: Vec<(FaultKind, String)>,
    confirmed: bool,
}

/// The connection to one server, to be kept, and its replies.
type Answer = (String, Result<(Wire, [Value; 3]), Fault>);

impl TopologyReader {
    pub(in crate::node) fn new(target: &Target) -> Self {
        Self {
            target: target.clone(),
            wires: HashMap::new(),
            met: HashMap::new(),
            known: Vec::new(),
            confirmed: Slots::default(),
        }
    }

    /// The map, as soon as it is confirmed; after `within`, the best one.
    pub(in crate::node) async fn look(&mut self, within: Duration) -> Result<Topology, Fault> {
        let Views {
            views,
            faults,
            confirmed,
        } = self.ask_until_confirmed(within).await;
        if views.is_empty() && faults.is_empty() {
            let text = format!(
                "no server reported its slots within {} ms",
                within.as_millis()
            );
            return Err(Fault::untouched(FaultKind::TimedOut, text));
        }
        let Some(best) = best(&views) else {
            return Err(together(faults));
        };
        let (slots, epoch) = (best.slots.clone(), best.epoch);
        self.known = slots.servers().to_vec();
        if confirmed {
            self.confirmed = slots.clone();
        }
        let (known, seeds) = (&self.known, self.target.seeds());
        let is_asked =
            |at: &String| known.contains(at) || seeds.iter().any(|seed| seed.name() == *at);
        self.wires.retain(|at, _| is_asked(at));
        self.met.retain(|_, at| is_asked(at));
        let leaving = views.into_iter();
        let leaving = leaving.filter_map(|views| Some((views.by?, views.leaving)));
        Ok(Topology {
            slots,
            epoch,
            confirmed,
            leaving: leaving.collect(),
        })
    }

    /// Asks the servers that the user listed and those in maps, until a map is confirmed.
    async fn ask_until_confirmed(&mut self, within: Duration) -> Views {
        let deadline = Instant::now() + within;
        let target = self.target.clone();
        let mut asked: Vec<String> = Vec::new();
        let mut answers = FuturesUnordered::new();
        let mut ask = |endpoint: Endpoint, wires: &mut HashMap<String, Wire>| {
            let at = endpoint.name();
            (!asked.contains(&at)).then(|| {
                asked.push(at.clone());
                let kept = wires.remove(&at);
                replies(at, endpoint, kept, &target)
            })
        };
        let known = self.known.iter();
        let known = known.filter_map(|server| target.endpoint_of(server));
        for endpoint in target.seeds().iter().cloned().chain(known) {
            answers.extend(ask(endpoint, &mut self.wires));
        }
        let mut seen = Views::default();
        let mut until = deadline;
        while let Ok(Some(answer)) = timeout_at(until, answers.next()).await {
            match self.keep(answer) {
                Ok(views) => {
                    for server in views.slots.servers() {
                        let endpoint = target.endpoint_of(server);
                        answers
                            .extend(endpoint.and_then(|endpoint| ask(endpoint, &mut self.wires)));
                    }
                    seen.views.push(views);
                    seen.confirmed = self.is_confirmed(&seen.views);
                }
                Err(fault) => seen.faults.push(fault),
            }
            // The others may still answer: their connections are kept, and a majority of the listed
            // servers includes one that knows of a later map.
            let answered = seen.views.len() + seen.faults.len();
            until = match answered > target.seeds().len() / 2 {
                _ if !seen.confirmed => deadline,
                true => deadline.min(Instant::now() + TOGETHER),
                false => deadline.min(Instant::now() + within / 4),
            };
        }
        seen
    }

    /// What earlier clients recorded on the masters. `None` if no majority of them answered.
    pub(in crate::node) async fn read_records(
        &mut self,
        slots: &Slots,
        namespace: &str,
        within: Duration,
    ) -> Option<Vec<String>> {
        let ask = |command: &mut resp::CommandWriter<'_>, key: &str| {
            command.args(["GET", key]);
        };
        let replies = self.each_master(slots, namespace, within, ask).await;
        let texts = replies?.into_iter().map(|reply| resp::text(&reply));
        Some(texts.filter(|text| !text.is_empty()).collect())
    }

    /// Records `text` on the masters for as long as a fence is kept. Returns whether a majority of
    /// them did.
    pub(in crate::node) async fn record(
        &mut self,
        slots: &Slots,
        namespace: &str,
        text: &str,
        retention: Duration,
        within: Duration,
    ) -> bool {
        let retention = u64::try_from(retention.as_millis()).unwrap_or(u64::MAX);
        let ask = |command: &mut resp::CommandWriter<'_>, key: &str| {
            command.args(["SET", key, text, "PX"]).number(retention);
        };
        let replies = self.each_master(slots, namespace, within, ask).await;
        replies.is_some()
    }

    /// Sends a command about its record to each master that answered the last look, all at once.
    /// Returns the replies if a majority replied. A missing permission counts as a reply, since
    /// asking again would not change it.
    async fn each_master(
        &mut self,
        slots: &Slots,
        namespace: &str,
        within: Duration,
        write: impl Fn(&mut resp::CommandWriter<'_>, &str),
    ) -> Option<Vec<Value>> {
        let mut answers = FuturesUnordered::new();
        let masters = slots.masters().iter().zip(slots.servers());
        for (place, (master, server)) in masters.enumerate() {
            let at = self.met.get(&*master.id).unwrap_or(server).clone();
            let (Some(mut wire), Some(key)) =
                (self.wires.remove(&at), slots.record_of(place, namespace))
            else {
                continue;
            };
            resp::command(wire.out(), |command| write(command, &key));
            answers.push(async move { (at, wire.next().await.map(|reply| (wire, reply))) });
        }
        let (deadline, mut replies) = (Instant::now() + within, Vec::new());
        let (mut until, majority) = (deadline, slots.servers().len() / 2 + 1);
        while let Ok(Some((at, answer))) = timeout_at(until, answers.next()).await {
            let Ok((wire, reply)) = answer else {
                continue;
            };
            self.wires.insert(at, wire);
            let failed = |error: &ServerError| error.code() != "NOPERM";
            if !matches!(&reply, Value::ServerError(error) if failed(error)) {
                replies.push(reply);
            }
            if replies.len() >= majority {
                until = deadline.min(Instant::now() + TOGETHER);
            }
        }
        (replies.len() >= majority).then_some(replies)
    }

    /// Whether a majority of the masters of the best map answered, and of the map before it.
    fn is_confirmed(&self, views: &[ServerView]) -> bool {
        let is_majority = |slots: &Slots| {
            let masters = slots.masters().iter().zip(slots.servers());
            let seen = masters.filter(|(master, server)| {
                views.iter().any(|views| match &views.by {
                    Some(id) => *master.id == **id,
                    None => views.at == **server,
                })
            });
            slots.is_empty() || seen.count() > slots.servers().len() / 2
        };
        best(views).is_some_and(|best| is_majority(&best.slots)) && is_majority(&self.confirmed)
    }

    /// Keeps the connection, and decodes the replies.
    fn keep(&mut self, (by, answer): Answer) -> Result<ServerView, (FaultKind, String)> {
        let views = answer.and_then(|(wire, replies)| {
            self.wires.insert(by.clone(), wire);
            let views = ServerView::read(&by, replies)?;
            if let Some(id) = &views.by {
                self.met.insert(id.clone(), by.clone());
            }
            Ok(views)
        });
        views.map_err(|fault| (fault.kind, format!("{by}: {fault}")))
    }
}

/// The map with the highest epoch; among equals the one that most servers report, then the one that
/// covers most slots.
fn best(views: &[ServerView]) -> Option<&ServerView> {
    views.iter().max_by_key(|one| {
        let same = views
            .iter()
            .filter(|other| other.slots == one.slots)
            .count();
        (one.epoch, same, one.slots.covered())
    })
}

fn together(faults: Vec<(FaultKind, String)>) -> Fault {
    let kind = faults.first().map_or(FaultKind::Other, |(kind, _)| *kind);
    let mut texts: Vec<String> = faults.into_iter().map(|(_, text)| text).collect();
    texts.sort();
    texts.dedup();
    Fault::untouched(kind, texts.join("; "))
}

impl ServerView {
    /// Decodes the replies of the server at `by`. A server that reports that it was cut off is
    /// ignored.
    fn read(by: &str, [slots, about, nodes]: [Value; 3]) -> Result<Self, Fault> {
        let about = resp::text(&about);
        let Some(mut slots) = Slots::read(&slots, slots::host_of(by)) else {
            return Err(refusal(slots));
        };
        if field(&about, "cluster_state").is_some_and(|state| state != "ok") {
            return Err(Fault::untouched(
                FaultKind::Unreachable,
                "cluster_state is fail: the server has lost contact to the cluster, or the cluster has lost slots",
            ));
        }
        let nodes = resp::text(&nodes);
        let (mut myself, mut leaving) = (None, Vec::new());
        for line in nodes.lines() {
            let Some((id, flags, epoch)) = node(line) else {
                continue;
            };
            slots.elected(id, epoch);
            if flags.split(',').any(|flag| flag == "myself") {
                myself = Some(id.to_owned());
                leaving = line.split(' ').filter_map(on_its_way).collect();
            }
        }
        Ok(Self {
            at: by.to_owned(),
            by: myself,
            leaving,
            slots,
            epoch: field(&about, "cluster_current_epoch")
                .and_then(|epoch| epoch.parse().ok())
                .unwrap_or(0),
        })
    }
}

/// A line of `CLUSTER NODES`: id, flags, configuration epoch.
fn node(line: &str) -> Option<(&str, &str, u64)> {
    let mut words = line.split(' ');
    let (id, flags) = (words.next()?, words.nth(1)?);
    Some((id, flags, words.nth(3)?.parse().ok()?))
}

/// The slot in a word of `CLUSTER NODES` that marks it as moving to another server: `[93->-id]`.
fn on_its_way(word: &str) -> Option<u16> {
    let (slot, _) = word.strip_prefix('[')?.split_once("->-")?;
    slot.parse().ok()
}

/// A field of `CLUSTER INFO`.
fn field<'a>(about: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = about.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(field, _)| *field == name)?;
    Some(value.trim())
}

/// The replies to `CLUSTER SLOTS`, `INFO` and `NODES`, over the open connection if it still works.
async fn replies(
    at: String,
    endpoint: Endpoint,
    kept: Option<Wire>,
    target: &Target,
) -> (String, Result<(Wire, [Value; 3]), Fault>) {
    if let Some(mut wire) = kept {
        write(&mut wire);
        if let Ok(replies) = target.dialer.handshake(read(&mut wire)).await {
            return (at, Ok((wire, replies)));
        }
    }
    let answer = async {
        let server = endpoint.server();
        let dialer = &target.dialer;
        // When the login ends, the next connection has another one.
        let (login, _) = dialer.login(server).await?;
        let mut wire = Wire::open(server, &login, dialer).await?;
        login::write(server, &login, dialer, wire.out());
        write(&mut wire);
        let replies = dialer.handshake(async {
            login::read(server, &login, dialer, &mut wire).await?;
            read(&mut wire).await
        });
        let replies = replies.await?;
        Ok((wire, replies))
    };
    (at, answer.await)
}

fn write(wire: &mut Wire) {
    for question in ["SLOTS", "INFO", "NODES"] {
        resp::command(wire.out(), |ask| {
            ask.args(["CLUSTER", question]);
        });
    }
}

async fn read(wire: &mut Wire) -> Result<[Value; 3], Fault> {
    Ok([wire.next().await?, wire.next().await?, wire.next().await?])
}

/// Why a reply of `CLUSTER SLOTS` contains no map.
fn refusal(reply: Value) -> Fault {
    match reply {
        Value::ServerError(error) => {
            let fault = resp::server_fault(&error);
            Fault::untouched(fault.kind, format!("CLUSTER SLOTS: {fault}"))
        }
        _ => Fault::untouched(
            FaultKind::Other,
            "the cluster is not set up: no server has slots",
        ),
    }
}
