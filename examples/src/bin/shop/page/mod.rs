//! The page: a document, its style and its script, with a content security policy that lets it load nothing else.

use axum::{
    Router,
    http::header,
    response::{Html, IntoResponse},
    routing::get,
};

use crate::Shop;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

pub(crate) fn routes() -> Router<Shop> {
    Router::new()
        .route("/", get(document))
        .route("/style.css", get(style))
        .route("/script.js", get(script))
}

/// Each document has a token of its own in its form, which tells a second click from a second order.
async fn document() -> impl IntoResponse {
    let token = format!("{:032x}", rand::random::<u128>());
    html(include_str!("index.html").replace("{submit_token}", &token))
}

/// A document under the policy.
pub(crate) fn html(text: String) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, Html(text))
}

async fn style() -> impl IntoResponse {
    asset("text/css; charset=utf-8", include_str!("style.css"))
}

async fn script() -> impl IntoResponse {
    asset("text/javascript; charset=utf-8", include_str!("script.js"))
}

fn asset(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text)
}
