//! Surveys: questions that every node answers for itself, and that no lease hangs on.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    command::{Command, KeyState, Reply, Request},
    env::{clock::Instant, sync::lock},
    error::NodeError,
    fault::{Fault, FaultKind},
    key::Key,
    node::{ConnectionSet, Nodes, Operation, ReplySink},
};

/// What one node answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) latency: Duration,
    pub(crate) reply: Reply,
    /// What it saw, where it was asked to look.
    pub(crate) sight: Option<KeyState>,
}

/// The answers of all nodes, in their order; a fault where one was silent.
#[derive(Debug)]
pub(crate) struct Answers(pub(crate) Vec<Result<Answer, Fault>>);

impl Answers {
    /// The nodes that did what was asked.
    pub(crate) fn done(&self) -> impl Iterator<Item = &Answer> {
        self.0.iter().flatten()
    }

    pub(crate) fn errors(&self, nodes: &Nodes) -> Vec<NodeError> {
        let answers = nodes.states.iter().zip(&self.0);
        answers
            .filter_map(|(node, answer)| {
                let fault = answer.as_ref().err()?;
                Some(NodeError::of(node.name(), fault))
            })
            .collect()
    }
}

/// Asks every node `command` of `key`, until `enough` of the answers are there or the time is over.
pub(crate) async fn ask(
    nodes: &Arc<Nodes>,
    connections: &ConnectionSet,
    key: Arc<Key>,
    command: Command,
    within: Duration,
    enough: impl Fn(&[&Answer]) -> bool,
) -> Answers {
    connections
        .first_contact(nodes, nodes.contact_within())
        .await;
    let survey = Arc::new(Survey {
        request: Request { key, command },
        nodes: Arc::clone(nodes),
        asked: nodes.now(),
        heard: Mutex::new(vec![Heard::default(); nodes.len()]),
        news: Notify::new(),
    });
    for node in 0..nodes.len() {
        connections.submit(Operation {
            sink: Arc::clone(&survey) as Arc<dyn ReplySink>,
            node,
        });
    }
    let _ = tokio::time::timeout(within, survey.until(enough)).await;
    let heard = lock(&survey.heard).clone();
    let answers = heard.into_iter().map(|heard| match heard.answer {
        Some(Answer {
            reply: Reply::Failed(fault),
            ..
        }) => Err(fault),
        Some(answer) => Ok(answer),
        None => Err(Fault::unknown(
            FaultKind::TimedOut,
            format!("no answer within {} ms", within.as_millis()),
        )),
    });
    Answers(answers.collect())
}

struct Survey {
    request: Request,
    nodes: Arc<Nodes>,
    asked: Instant,
    heard: Mutex<Vec<Heard>>,
    news: Notify,
}

#[derive(Clone, Debug, Default)]
struct Heard {
    answer: Option<Answer>,
    sight: Option<KeyState>,
}

impl Survey {
    async fn until(&self, enough: impl Fn(&[&Answer]) -> bool) {
        loop {
            {
                let heard = lock(&self.heard);
                let answers: Vec<&Answer> = heard
                    .iter()
                    .filter_map(|heard| heard.answer.as_ref())
                    .collect();
                if answers.len() == heard.len() || enough(&answers) {
                    return;
                }
            }
            self.news.notified().await;
        }
    }
}

impl ReplySink for Survey {
    fn request(&self) -> &Request {
        &self.request
    }

    fn wanted(&self) -> bool {
        true
    }

    fn vote(&self, node: usize, reply: Reply) {
        let latency = self.nodes.now().saturating_since(self.asked);
        if let Some(heard) = lock(&self.heard).get_mut(node) {
            let sight = heard.sight.take();
            heard.answer.get_or_insert(Answer {
                latency,
                reply,
                sight,
            });
        }
        self.news.notify_one();
    }

    fn observed(&self, node: usize, sight: KeyState) {
        if let Some(heard) = lock(&self.heard).get_mut(node) {
            heard.sight = Some(sight);
        }
    }
}
