//! Which content types become much smaller.

/// Types that are text, or binary and not compressed by themselves. Those that end in `+json` or `+xml` are in it as well.
const COMPRESSIBLE: &[&str] = &[
    "text/*",
    "application/json",
    "application/json-seq",
    "application/x-ndjson",
    "application/javascript",
    "application/x-javascript",
    "application/xml",
    "application/yaml",
    "application/toml",
    "application/graphql",
    "application/wasm",
    "application/rtf",
    "application/vnd.ms-fontobject",
    "application/x-font-ttf",
    "font/ttf",
    "font/otf",
    "font/collection",
    "image/bmp",
    "image/x-icon",
    "image/vnd.microsoft.icon",
];

/// The types that are compressed.
#[derive(Clone, Default)]
pub(super) struct Types {
    included: Vec<Range>,
    excluded: Vec<Range>,
}

/// `text/html`, `text/*` or `*/*`, in small letters.
#[derive(Clone)]
struct Range(String);

impl Types {
    #[track_caller]
    pub(super) fn include(&mut self, range: &str) {
        self.included.push(Range::new(range));
    }

    #[track_caller]
    pub(super) fn exclude(&mut self, range: &str) {
        self.excluded.push(Range::new(range));
    }

    /// Returns true if bodies with this `Content-Type` are compressed.
    pub(super) fn has(&self, content_type: &str) -> bool {
        let media_type = content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let is_in = |ranges: &[Range]| ranges.iter().any(|range| covers(&range.0, &media_type));
        // RFC 6839 §3.1, RFC 7303 §4.2.
        let is_known = COMPRESSIBLE.iter().any(|range| covers(range, &media_type))
            || media_type.ends_with("+json")
            || media_type.ends_with("+xml");
        !is_in(&self.excluded) && (is_known || is_in(&self.included))
    }
}

impl Range {
    #[track_caller]
    fn new(range: &str) -> Range {
        let is_token = |text: &str| {
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
            !text.is_empty() && text.bytes().all(is_token)
        };
        let is_range = match range.split_once('/') {
            Some(("*", below)) => below == "*",
            Some((kind, below)) => is_token(kind) && (below == "*" || is_token(below)),
            None => false,
        };
        assert!(
            is_range,
            "{range:?} is no content type: write one like \"text/html\", without parameters, or \"text/*\" or \"*/*\""
        );
        Range(range.to_ascii_lowercase())
    }
}

fn covers(range: &str, media_type: &str) -> bool {
    match range.strip_suffix('*') {
        Some("*/") => true,
        Some(kind) => media_type.starts_with(kind),
        None => range == media_type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_compressed_and_what_is_compressed_already_is_not() {
        let types = Types::default();
        for compressible in [
            "text/html; charset=utf-8",
            "Text/Event-Stream",
            "application/json",
            "application/problem+json",
            "image/svg+xml",
            "application/wasm",
            "font/ttf",
        ] {
            assert!(types.has(compressible), "{compressible}");
        }
        for other in [
            "image/png",
            "video/mp4",
            "font/woff2",
            "application/zip",
            "application/octet-stream",
            "textual/html",
            "text",
            "",
        ] {
            assert!(!types.has(other), "{other}");
        }
    }

    #[test]
    fn types_are_included_and_excluded_and_exclusion_counts_more() {
        let mut types = Types::default();
        types.include("Application/X-Protobuf");
        types.include("model/*");
        types.exclude("text/event-stream");
        types.exclude("model/gltf-binary");
        for (content_type, expected) in [
            ("application/x-protobuf", true),
            ("model/obj", true),
            ("model/gltf-binary", false),
            ("text/event-stream;charset=utf-8", false),
            ("text/plain", true),
        ] {
            assert_eq!(types.has(content_type), expected, "{content_type}");
        }
        types.include("*/*");
        assert!(types.has("image/png"));
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for wrong in [
            "",
            "text",
            "text/",
            "/html",
            "*/html",
            "text/html; charset=utf-8",
            "te xt/html",
            "+json",
        ] {
            let include = || Types::default().include(wrong);
            assert!(std::panic::catch_unwind(include).is_err(), "{wrong}");
        }
    }
}
