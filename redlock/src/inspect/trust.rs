//! Trust: an operator declares that no node has forgotten anything.

use std::sync::Arc;

use super::ask::ask;
use crate::{command::Trust, core::Core, error::Result, events};

pub(crate) async fn trust_nodes(core: &Arc<Core>) -> Result<()> {
    // The command is about the node and ignores its key.
    let name = "nodes";
    let answers = ask(core, name, &core.key(name)?, Trust, |_| false).await?;
    for (node, answer) in core.nodes.states.iter().zip(&answers.0) {
        // Its yes does not count yet, which this command changes.
        if answer.is_ok() {
            node.trust_memory();
            if core.nodes.strict.is_some() {
                node.end_quarantine();
            }
        }
    }
    if core.nodes.strict.is_some() {
        events::node::vouched_for();
    }
    Ok(())
}
