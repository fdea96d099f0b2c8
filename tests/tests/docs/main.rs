//! The Markdown of the repository: local links lead somewhere, statements are those of the code, and the Chinese README is in
//! step with the English one. And the public API is the one that is listed.

mod api;
mod chinese;
mod guides;
mod links;
mod markdown;
