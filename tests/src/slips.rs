//! Slips of who types an address: whatever the spelling, its password is shown nowhere.

/// The password in texts that are mistyped.
pub const SECRET: &str = "hunter2";

/// The characters that slips add.
pub const ADDED: &str = "/:@?#%&=;,. []\\\"+-0x\n'";

/// The text with a slip outside of the secrets: a character removed, replaced or added.
pub fn slip(text: &str, at: usize, with: Option<char>, replaces: bool) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = at % chars.len();
    let is_secret = |index: usize| {
        let mut secrets = text.match_indices(SECRET);
        secrets.any(|(start, _)| (start..start + SECRET.len()).contains(&index))
    };
    // All values are of ASCII characters until here or have lost that by an earlier slip only.
    if !text.is_ascii() || is_secret(at) {
        return text.to_owned();
    }
    if replaces || with.is_none() {
        chars.remove(at);
    }
    if let Some(with) = with {
        chars.insert(at, with);
    }
    chars.into_iter().collect()
}

/// Whether a secret has become a part of a host, of a path or of the name of a master: nothing that ends a part of an address
/// is left between it and the `/`, `,` or `@` before it, and none that tells a login behind it.
pub fn looks_like_a_name(text: &str) -> bool {
    let plain = |any: char| any.is_ascii_alphanumeric() || "._-+~%".contains(any);
    text.match_indices(SECRET).any(|(start, _)| {
        let before = text[..start].trim_end_matches(plain);
        let after = text[start..].trim_start_matches(plain);
        before.ends_with(['/', ',', '@']) && !after.starts_with(['@', '='])
    })
}
