//! HTTP answers: which of them are a success for `dedupe_for`.

use http::{HeaderMap, Response, StatusCode, response::Parts};

use super::ending::Outcome;

impl Outcome for StatusCode {
    fn is_success(&self) -> bool {
        StatusCode::is_success(self) || self.is_redirection()
    }
}

impl<B> Outcome for Response<B> {
    fn is_success(&self) -> bool {
        Outcome::is_success(&self.status())
    }
}

impl Outcome for Parts {
    fn is_success(&self) -> bool {
        Outcome::is_success(&self.status)
    }
}

// The tuples that axum makes answers of: the status, or what has one, comes first; or last, behind headers.
macro_rules! status_first {
    ($first:ty, $($rest:ident),+) => {
        impl<$($rest),+> Outcome for ($first, $($rest),+) {
            fn is_success(&self) -> bool {
                Outcome::is_success(&self.0)
            }
        }
    };
}

macro_rules! tuples {
    ($($first:ty),*) => {$(
        status_first!($first, A);
        status_first!($first, A, B);
        status_first!($first, A, B, C);
        status_first!($first, A, B, C, D);
        status_first!($first, A, B, C, D, E);
        status_first!($first, A, B, C, D, E, F);
    )*};
}

tuples!(StatusCode, Parts, Response<()>);

impl<R: Outcome> Outcome for (HeaderMap, R) {
    fn is_success(&self) -> bool {
        self.1.is_success()
    }
}

impl<K, V, const N: usize, R: Outcome> Outcome for ([(K, V); N], R) {
    fn is_success(&self) -> bool {
        self.1.is_success()
    }
}
