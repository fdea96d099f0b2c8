//! The public API of a crate, from its rendered documentation: a line for each item, method and implementation.
//!
//! It reads the HTML of rustdoc, because the JSON needs a nightly toolchain.

use std::{collections::BTreeSet, fs, io, path::Path};

/// The crates whose API is listed: the folder of each, and its name. The attribute is a part of `redlock`.
pub const CRATES: [(&str, &str); 2] = [("redlock", "redlock"), ("redlock-tower", "redlock_tower")];

/// Auto traits that users rely on. Rustdoc lists unstable ones too.
const AUTO_TRAITS: [&str; 3] = ["Send", "Sync", "Unpin"];

/// The API of the crate `name`, from the documentation below `doc`, sorted.
///
/// # Errors
/// If a page cannot be read: the documentation has to be built before, by `cargo doc`.
pub fn listing(doc: &Path, name: &str) -> io::Result<BTreeSet<String>> {
    let folder = doc.join(name);
    let index = fs::read_to_string(folder.join("all.html"))?;
    let mut lines = BTreeSet::new();
    for list in between(&index, "<ul class=\"all-items\">", "</ul>") {
        for link in between(list, "<a href=\"", "</a>") {
            let (page, path) = link.split_once("\">").unwrap_or((link, ""));
            let path = format!("{name}::{path}");
            let page = fs::read_to_string(folder.join(page))?;
            lines.extend(items(&page).map(|item| format!("{path}: {item}")));
        }
    }
    Ok(lines)
}

/// The declaration of the item of a page, its methods, and the traits that it implements.
fn items(page: &str) -> impl Iterator<Item = String> {
    let declared = between(page, "<pre class=\"rust item-decl\">", "</pre>").map(text);
    let (stated, automatic) = page
        .split_once("id=\"synthetic-implementations\"")
        .unwrap_or((page, ""));
    let automatic = automatic
        .split_once("id=\"blanket-implementations\"")
        .map_or(automatic, |(automatic, _)| automatic);

    // The methods of a trait are those of its declaration.
    let own = between(stated, "<section id=\"method.", "</section>")
        .filter(|section| section.contains("class=\"method\""))
        .filter_map(|section| between(section, "<h4 class=\"code-header\">", "</h4>").next())
        .map(text);
    let is_auto = |implemented: &String| {
        let words: Vec<&str> = implemented.split(' ').collect();
        let name = |pair: &&[&str]| {
            pair[1] == "for" && AUTO_TRAITS.contains(&pair[0].trim_start_matches('!'))
        };
        words.windows(2).any(|pair| name(&pair))
    };
    let traits = between(stated, "<h3 class=\"code-header\">", "</h3>")
        .map(text)
        .filter(|header| header.contains(" for "))
        .chain(
            between(automatic, "<h3 class=\"code-header\">", "</h3>")
                .map(text)
                .filter(is_auto),
        );
    declared
        .chain(own)
        .chain(traits)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Every part of `html` between `start` and `end`.
fn between<'a>(html: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    let parts = html.split(start).skip(1);
    parts.filter_map(move |part| part.split_once(end).map(|(part, _)| part))
}

/// The text of a piece of HTML, on one line.
fn text(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text += before;
        // The elements that begin a line.
        if ["div", "br", "summary", "/summary"]
            .iter()
            .any(|name| tag.starts_with(name))
        {
            text.push(' ');
        }
        // Its text says only that there are members.
        rest = match tag.starts_with("summary class=\"hideme\"") {
            true => tag.split_once("</summary>").map_or("", |(_, after)| after),
            false => tag.split_once('>').map_or("", |(_, after)| after),
        };
    }
    text += rest;
    let plain = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&nbsp;", " ")
        .replace(['§', 'ⓘ'], "")
        .replace("&amp;", "&");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_declaration_methods_and_traits() {
        let page = "<pre class=\"rust item-decl\"><code>pub struct <b>A</b> { }</code></pre>\
            <section id=\"method.b\" class=\"method\"><h4 class=\"code-header\">pub fn b(&amp;self) -&gt; <a>u8</a></h4></section>\
            <h3 class=\"code-header\">impl Debug for A</h3>\
            <section id=\"method.fmt\" class=\"method trait-impl\"><h4 class=\"code-header\">fn fmt()</h4></section>\
            <h2 id=\"synthetic-implementations\"><h3 class=\"code-header\">impl Freeze for A</h3>\
            <h3 class=\"code-header\">impl UnsafeUnpin for A</h3>\
            <h3 class=\"code-header\">impl !Send for A</h3>\
            <h2 id=\"blanket-implementations\"><h3 class=\"code-header\">impl&lt;T&gt; Any for T</h3>";
        let found: Vec<String> = items(page).collect();
        let expected = [
            "pub struct A { }",
            "pub fn b(&self) -> u8",
            "impl Debug for A",
            "impl !Send for A",
        ];
        assert_eq!(found, expected);
    }
}
