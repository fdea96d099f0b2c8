//! The attribute: options, keys, firings, what is dropped when.
