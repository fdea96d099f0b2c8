//! The picture of a crate's modules, in the language of Mermaid.

use std::fmt::Write as _;

use super::{Graph, sources};

/// The modules of each package, each above those that it uses. Arrows that follow from others are
/// left out.
#[must_use]
pub fn picture() -> String {
    let mut text = String::new();
    for package in super::PACKAGES {
        let rooms = Graph::of_rooms(&sources(package)).reduced();
        let _ = writeln!(text, "### {package}\n\n```mermaid\nflowchart TD");
        for (room, used) in &rooms.0 {
            if used.is_empty() {
                let _ = writeln!(text, "    {room}[{room}]");
            }
            for other in used {
                let _ = writeln!(text, "    {room}[{room}] --> {other}[{other}]");
            }
        }
        text.push_str("```\n\n");
    }
    text
}
