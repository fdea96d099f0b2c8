//! One source file: its module, the modules that it names, and the functions in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, File, ImplItemFn, Item, ItemFn, ItemMod, ItemUse, TraitItemFn, UseTree, Visibility,
    spanned::Spanned as _, visit::Visit,
};

/// A module that has a file of its own.
#[derive(Debug)]
pub struct Source {
    /// The path of the module, without the name of its crate. Empty for `lib.rs`.
    pub module: Vec<String>,
    /// The path of the file.
    pub file: PathBuf,
    /// How many lines it has.
    pub lines: usize,
    /// Its functions, without those of its tests.
    pub functions: Vec<Function>,
    /// Absolute paths that the file names, outside of its tests.
    pub names: BTreeSet<Vec<String>>,
    /// The names that the file imports by `use`, re-exported or not.
    pub imports: BTreeMap<String, Vec<String>>,
}

/// A function with a body.
#[derive(Debug)]
pub struct Function {
    /// Its name, without that of its type.
    pub name: String,
    /// The line that it begins at.
    pub line: usize,
    /// How many lines it has, with its signature.
    pub lines: usize,
}

/// The sources of a package of this workspace.
///
/// # Panics
/// Panics when a file cannot be read or is not valid Rust.
#[must_use]
pub fn sources(package: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(package)
        .join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    files.into_iter().map(|file| read(&root, file)).collect()
}

/// The texts of all sources below a folder.
///
/// # Panics
/// Panics when a file cannot be read.
#[must_use]
pub fn texts(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    collect(folder, &mut files);
    let read = |file| fs::read_to_string(file).expect("a source file");
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn read(root: &Path, file: PathBuf) -> Source {
    let text = fs::read_to_string(&file).expect("a source file");
    let parsed: File = syn::parse_file(&text)
        .unwrap_or_else(|error| panic!("{} is no Rust: {error}", file.display()));
    let module = module_of(file.strip_prefix(root).expect("below the root"));
    let mut reader = Reader {
        module: module.clone(),
        children: children(&parsed),
        functions: Vec::new(),
        names: BTreeSet::new(),
        imports: BTreeMap::new(),
    };
    reader.visit_file(&parsed);
    Source {
        module,
        lines: text.lines().count(),
        functions: reader.functions,
        names: reader.names,
        imports: reader.imports,
        file,
    }
}

fn module_of(file: &Path) -> Vec<String> {
    let mut module: Vec<String> = file
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}

/// The modules that a file declares and that have files of their own.
fn children(file: &File) -> BTreeSet<String> {
    let modules = file.items.iter().filter_map(|item| match item {
        Item::Mod(item) if item.content.is_none() && !is_test(&item.attrs) => Some(&item.ident),
        _ => None,
    });
    modules.map(ToString::to_string).collect()
}

struct Reader {
    module: Vec<String>,
    children: BTreeSet<String>,
    functions: Vec<Function>,
    names: BTreeSet<Vec<String>>,
    imports: BTreeMap<String, Vec<String>>,
}

impl Reader {
    /// The absolute form of `path`, if it leads into this crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let mut base = self.module.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            first if self.children.contains(first) => {}
            "super" => {
                while rest.first().is_some_and(|first| first == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            _ => return None,
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    fn function(&mut self, name: &syn::Ident, block: &syn::Block) {
        let (start, end) = (name.span().start().line, block.span().end().line);
        self.functions.push(Function {
            name: name.to_string(),
            line: start,
            lines: end + 1 - start,
        });
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test"))
    })
}

/// The leaves of a `use` tree, each with the name that it has here.
fn leaves(tree: &UseTree, path: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let with = |name: &syn::Ident| [path, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(tree) => leaves(&tree.tree, &with(&tree.ident), found),
        UseTree::Name(tree) if tree.ident == "self" => {
            let name = path.last().cloned().unwrap_or_default();
            found.push((path.to_vec(), name));
        }
        UseTree::Name(tree) => found.push((with(&tree.ident), tree.ident.to_string())),
        UseTree::Rename(tree) => found.push((with(&tree.ident), tree.rename.to_string())),
        UseTree::Glob(_) => found.push((path.to_vec(), String::new())),
        UseTree::Group(tree) => {
            for tree in &tree.items {
                leaves(tree, path, found);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_test(attributes) {
            syn::visit::visit_item(self, item);
        }
    }

    /// Modules inside of a file belong to the file.
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.content.is_some() {
            self.module.push(item.ident.to_string());
            syn::visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut found = Vec::new();
        leaves(&item.tree, &[], &mut found);
        for (path, name) in found {
            let relative = || [&self.module[..], &path].concat();
            let exported = !matches!(item.vis, Visibility::Inherited);
            match self.absolute(&path) {
                Some(path) => {
                    if !exported {
                        self.names.insert(path.clone());
                    }
                    self.imports.insert(name, path);
                }
                // A child module, perhaps; another crate names no module of this one.
                None => {
                    self.imports.insert(name, relative());
                }
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let path_of: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if let Some(path) = self.absolute(&path_of).filter(|_| path_of.len() > 1) {
            self.names.insert(path);
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function(&item.sig.ident, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.function(&item.sig.ident, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig.ident, block);
        }
        syn::visit::visit_trait_item_fn(self, item);
    }
}
