//! The Markdown of the repository: local links lead somewhere, statements are those of the code, and the Chinese README is in
//! step with the English one.

mod chinese;
mod guides;
mod links;
mod markdown;
