// Links between chapters lead to files there, and to modules here: of two definitions of a link the first counts.
#![cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#![doc = include_str!("../docs/guide/README.md")]

#[cfg(any(not(doctest), all(feature = "development", feature = "json", feature = "query")))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/first-five-minutes.md")]
pub mod first_five_minutes {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/dispatch.md")]
pub mod dispatch {}

// Its pieces of code go to one application, so none of them compiles by itself: `tests/dispatch/ten_mistakes.rs`
// runs what it shows.
#[cfg(not(doctest))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/ten-mistakes.md")]
pub mod ten_mistakes {}

#[cfg(any(not(doctest), all(feature = "development", feature = "json")))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/errors.md")]
pub mod errors {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/state.md")]
pub mod state {}

#[cfg(any(not(doctest), all(feature = "form", feature = "multipart", feature = "query")))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/forms.md")]
pub mod forms {}

#[cfg(any(not(doctest), feature = "files"))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/files.md")]
pub mod files {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/pushing.md")]
pub mod pushing {}

#[cfg(any(not(doctest), all(feature = "json", feature = "websocket")))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/sockets.md")]
pub mod sockets {}

#[cfg(any(not(doctest), feature = "sessions"))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/sessions.md")]
pub mod sessions {}

#[cfg(any(
    not(doctest),
    all(
        feature = "auth",
        feature = "cors",
        feature = "rate-limit",
        feature = "security-headers"
    )
))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/access.md")]
pub mod access {}

#[cfg(any(not(doctest), feature = "json"))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/testing.md")]
pub mod testing {}

#[cfg(any(not(doctest), all(feature = "activation", feature = "tls")))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/deploying.md")]
pub mod deploying {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/gateways.md")]
pub mod gateways {}

#[cfg(any(not(doctest), feature = "tower"))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/tower.md")]
pub mod tower {}

#[cfg(any(not(doctest), feature = "sessions"))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/more-than-one-machine.md")]
pub mod more_than_one_machine {}

#[cfg(any(not(doctest), all(feature = "development", feature = "form")))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/coming-from-flask.md")]
pub mod coming_from_flask {}

#[cfg(any(not(doctest), feature = "json"))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/coming-from-express.md")]
pub mod coming_from_express {}

#[cfg(any(not(doctest), all(feature = "json", feature = "query")))]
#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/coming-from-axum.md")]
pub mod coming_from_axum {}
