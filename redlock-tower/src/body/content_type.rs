//! The content type of a request, in one spelling.

use http::{HeaderMap, header::CONTENT_TYPE};

/// Longest multipart boundary, as in RFC 2046. A longer one would make the search for it slow.
const MAX_BOUNDARY: usize = 70;

/// A media type and its parameters: names in lower case, values without quotes.
pub(super) struct ContentType {
    media_type: String,
    parameters: Vec<(String, String)>,
}

impl ContentType {
    /// `None` if there is none, several, or one that is not ASCII.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        let (value, None) = (values.next()?.to_str().ok()?, values.next()) else {
            return None;
        };
        let mut parts = split(value).into_iter();
        let media_type = parts.next()?.trim().to_ascii_lowercase();
        let parameters = parts.filter_map(|part| {
            let (name, value) = part.split_once('=')?;
            let name = name.trim().to_ascii_lowercase();
            let mut value = unquoted(value.trim());
            if name == "charset" {
                value.make_ascii_lowercase();
            }
            Some((name, value))
        });
        Some(Self {
            media_type,
            parameters: parameters.collect(),
        })
    }

    /// The boundary of a multipart body.
    pub(super) fn boundary(&self) -> Option<&str> {
        let named = |(name, _): &&(String, String)| self.is_boundary(name);
        let (_, boundary) = self.parameters.iter().find(named)?;
        let is_short = (1..=MAX_BOUNDARY).contains(&boundary.len());
        is_short.then_some(boundary)
    }

    /// What two requests with the same meaning have in common: everything but a boundary, in one order.
    pub(super) fn parts(&self) -> Vec<&str> {
        let mut parameters: Vec<_> = self.parameters.iter().collect();
        parameters.retain(|(name, _)| !self.is_boundary(name));
        parameters.sort_unstable();
        let parameters = parameters.into_iter();
        let parameters = parameters.flat_map(|(name, value)| [&**name, &**value]);
        std::iter::once(&*self.media_type)
            .chain(parameters)
            .collect()
    }

    fn is_boundary(&self, name: &str) -> bool {
        name == "boundary" && self.media_type.starts_with("multipart/")
    }
}

/// The parts between the semicolons, except for those within quotes.
fn split(value: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                parts.push(&value[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&value[start..]);
    parts
}

/// A quoted string as what it stands for. Anything else as it is.
fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('"');
    let Some(inner) = inner.and_then(|value| value.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => text.extend(chars.next()),
            _ => text.push(char),
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Option<ContentType> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_TYPE, value.parse().unwrap());
        }
        ContentType::of(&headers)
    }

    fn parts(value: &'static str) -> Vec<String> {
        let content_type = of(&[value]).unwrap();
        content_type.parts().into_iter().map(Into::into).collect()
    }

    #[test]
    fn spellings_of_one_content_type_are_the_same() {
        let first = parts("text/plain; charset=utf-8; format=flowed");
        for same in [
            "Text/PLAIN;CharSet=UTF-8;format=flowed",
            " text/plain ; format = flowed ; charset=\"utf-8\" ",
            "text/plain; charset=\"u\\tf-8\"; format=flowed; ",
        ] {
            assert_eq!(parts(same), first, "{same}");
        }
        for other in [
            "text/plain",
            "text/html; charset=utf-8; format=flowed",
            "text/plain; charset=utf-8; format=Flowed",
            "text/plain; charset=utf-8; format=\"flowed; x=y\"",
        ] {
            assert_ne!(parts(other), first, "{other}");
        }
    }

    #[test]
    fn the_boundary_of_a_multipart_body_is_no_part_of_it() {
        let form = of(&["Multipart/Form-Data; boundary=\"a;\\\"b\"; charset=utf-8"]).unwrap();
        assert_eq!(form.boundary(), Some("a;\"b"));
        assert_eq!(form.parts(), ["multipart/form-data", "charset", "utf-8"]);
        let text = of(&["text/plain; boundary=a"]).unwrap();
        assert_eq!(text.boundary(), None);
        assert_eq!(text.parts(), ["text/plain", "boundary", "a"]);
        assert_eq!(
            of(&["multipart/mixed; boundary="]).unwrap().boundary(),
            None
        );
    }

    #[test]
    fn none_or_several_are_no_content_type() {
        assert!(of(&[]).is_none());
        assert!(of(&["text/plain", "text/html"]).is_none());
    }
}
