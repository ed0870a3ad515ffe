//! Bodies from text and bytes.

use std::borrow::Cow;
use std::sync::Arc;

use super::body::{Body, Kind};

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Body {
        Body::text(Kind::Static(text.as_bytes()))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Body::text(Kind::Bytes(text.into_bytes()))
    }
}

impl From<Cow<'static, str>> for Body {
    fn from(text: Cow<'static, str>) -> Body {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Body {
        Body::octets(Kind::Static(bytes))
    }
}

impl<const N: usize> From<&'static [u8; N]> for Body {
    fn from(bytes: &'static [u8; N]) -> Body {
        Body::octets(Kind::Static(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::octets(Kind::Bytes(bytes))
    }
}

impl From<Arc<[u8]>> for Body {
    fn from(bytes: Arc<[u8]>) -> Body {
        Body::octets(Kind::Shared(bytes))
    }
}
