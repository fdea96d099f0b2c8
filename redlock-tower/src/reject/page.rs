//! The response of a rejection as a page for browsers, by content negotiation.

use super::{Rejection, is_grpc, problem};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, VARY},
    request::Parts,
};
use http_body_util::Full;
use std::fmt::Write as _;

impl Rejection {
    /// The response in the format that the client asks for: an HTML page for a browser that submits a form, a
    /// `grpc-status` for gRPC, and problem details for everybody else. For
    /// [`on_reject`](crate::RedlockLayer::on_reject).
    ///
    /// The page is for clients whose `Accept` header prefers `text/html` to JSON. It has the title and the detail of the
    /// rejection, and when to try again, without styles and scripts. It has the same status as problem details.
    ///
    /// ```
    /// use redlock_tower::{RedlockLayer, Rejection, key};
    ///
    /// # fn layer(redlock: redlock::Redlock) {
    /// let _ = RedlockLayer::new(redlock, key::form("submit_token"))
    ///     .on_reject(Rejection::negotiated);
    /// # }
    /// ```
    #[must_use]
    pub fn negotiated(&self, head: &Parts) -> Response<Full<Bytes>> {
        let grpc = is_grpc(&head.headers);
        let mut response = if !grpc && prefers_html(&head.headers) {
            page(self)
        } else {
            problem::response(self, grpc)
        };
        response
            .headers_mut()
            .insert(VARY, HeaderValue::from_static("accept"));
        response.map(Full::new)
    }
}

fn page(rejection: &Rejection) -> Response<Bytes> {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    );
    let (title, detail) = (escaped(rejection.title()), escaped(rejection.detail()));
    let _ = writeln!(
        page,
        "<title>{title}</title>\n<h1>{title}</h1>\n<p>{detail}</p>"
    );
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = rejection.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        let unit = if seconds == 1 { "second" } else { "seconds" };
        let _ = writeln!(page, "<p>You can try again in {seconds} {unit}.</p>");
    }
    *response.body_mut() = Bytes::from(page);
    *response.status_mut() = rejection.status();
    response
}

/// Escapes HTML: a detail may be a message of the user's extractor.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            char => out.push(char),
        }
    }
    out
}

/// Whether HTML has a higher quality than JSON, or the same and stands first. `*/*` is no preference.
fn prefers_html(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).iter();
    let ranges = ranges.filter_map(|value| value.to_str().ok());
    let ranges = ranges.flat_map(|value| value.split(','));
    let (mut html, mut json) = (0, 0);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts.filter_map(|part| part.split_once('='));
        let quality = quality
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map(|(_, value)| thousandths(value.trim()))
            .next()
            .unwrap_or(1000);
        match kind.as_str() {
            "text/html" | "application/xhtml+xml" => html = html.max(quality),
            "application/json" | "application/problem+json" if quality > html => {
                json = json.max(quality);
            }
            _ => {}
        }
    }
    html > json
}

/// A quality, which has at most three digits after the point. A malformed one counts as 0.
fn thousandths(quality: &str) -> u32 {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    match (whole, fraction.len()) {
        ("1", _) => 1000,
        ("0", 0..=3) => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_for_clients_that_prefer_it_to_json() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (accept, html) in [
            (browser, true),
            ("text/html", true),
            ("Text/HTML; charset=utf-8", true),
            ("*/*", false),
            ("application/json", false),
            ("application/json, text/html", false),
            ("text/html, application/json", true),
            ("text/html;q=0.5, application/json", false),
            ("application/json;q=0.5, text/html;q=0.51", true),
            ("text/html;q=0", false),
            ("text/html;q=x", false),
            ("application/problem+json, text/html;q=0.9", false),
            ("", false),
        ] {
            let value = HeaderValue::from_static(accept);
            let headers = HeaderMap::from_iter([(ACCEPT, value)]);
            assert_eq!(prefers_html(&headers), html, "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
