//! The graph of modules that use each other.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;

/// Modules, and those that each of them uses.
#[derive(Clone, Debug, Default)]
pub struct Graph(pub BTreeMap<String, BTreeSet<String>>);

impl Graph {
    /// The graph of files. A name that a folder's `mod.rs` re-exports or imports counts for the
    /// file that defines it. A re-export is not a use: `mod.rs` may re-export names that its
    /// children import from it.
    #[must_use]
    pub fn of_files(sources: &[Source]) -> Self {
        let modules = Modules(
            sources
                .iter()
                .map(|source| (source.module.clone(), source))
                .collect(),
        );
        let mut graph = Self::default();
        for source in sources {
            let used = source.names.iter().filter_map(|path| modules.file_of(path));
            let used = used.filter(|module| *module != source.module);
            graph
                .0
                .entry(name(&source.module))
                .or_default()
                .extend(used.map(|module| name(&module)));
        }
        graph
    }

    /// The graph of the top-level modules: folders, and single files.
    #[must_use]
    pub fn of_rooms(sources: &[Source]) -> Self {
        let mut rooms = Self::default();
        for (file, used) in Self::of_files(sources).0 {
            // `lib.rs` uses everything, and no module should use it.
            if file.is_empty() {
                continue;
            }
            let room = top(&file);
            let used = used.iter().map(|file| top(file));
            let used: Vec<String> = used.filter(|used| *used != room).collect();
            rooms.0.entry(room).or_default().extend(used);
        }
        rooms
    }

    /// Modules that use each other, directly or through others.
    #[must_use]
    pub fn circles(&self) -> Vec<BTreeSet<String>> {
        let reached: BTreeMap<_, _> = self.0.keys().map(|from| (from, self.reach(from))).collect();
        let mut circles = BTreeSet::new();
        for (module, all) in &reached {
            if all.contains(*module) {
                let circle = all.iter().filter(|other| {
                    reached
                        .get(other)
                        .is_some_and(|back| back.contains(*module))
                });
                circles.insert(circle.cloned().collect::<BTreeSet<_>>());
            }
        }
        circles.into_iter().collect()
    }

    /// The graph without the arrows that follow from other arrows.
    #[must_use]
    pub fn reduced(&self) -> Self {
        let mut reduced = self.clone();
        for (from, used) in &self.0 {
            for to in used {
                let others = used.iter().filter(|other| *other != to);
                if others
                    .into_iter()
                    .any(|other| self.reach(other).contains(to))
                    && let Some(kept) = reduced.0.get_mut(from)
                {
                    kept.remove(to);
                }
            }
        }
        reduced
    }

    fn reach(&self, from: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from.to_owned()];
        while let Some(module) = open.pop() {
            for used in self.0.get(&module).into_iter().flatten() {
                if reached.insert(used.clone()) {
                    open.push(used.clone());
                }
            }
        }
        reached
    }
}

struct Modules<'a>(BTreeMap<Vec<String>, &'a Source>);

impl Modules<'_> {
    /// The file that a path leads to.
    fn file_of(&self, path: &[String]) -> Option<Vec<String>> {
        let path = Self::real(path);
        let mut path = path;
        // The maximum length of a chain of re-exports.
        for _ in 0..8 {
            let depth = (0..=path.len())
                .rev()
                .find(|depth| self.0.contains_key(&path[..*depth]))?;
            let (module, rest) = path.split_at(depth);
            let source = self.0[module];
            match rest.first().and_then(|name| source.imports.get(name)) {
                Some(origin) if origin[..] != path[..=depth] => {
                    path = Self::real(&[&origin[..], &rest[1..]].concat());
                }
                _ => return Some(module.to_vec()),
            }
        }
        None
    }

    /// The module `__private` lives in the folder `macros`.
    fn real(path: &[String]) -> Vec<String> {
        let mut path = path.to_vec();
        if path.first().is_some_and(|first| first == "__private") {
            path[0] = "macros".to_owned();
        }
        path
    }
}

fn name(module: &[String]) -> String {
    module.join("::")
}

fn top(module: &str) -> String {
    module.split("::").next().unwrap_or_default().to_owned()
}
